import type { Errno } from "../../base/errno.ts";
import { LinearMap } from "../../base/linear-map.ts";
import { TWO32 } from "../../base/u64.ts";
import type { KernelProfile } from "./profile.ts";

/** A piece of memory that is contiguous both for the process and in physical memory. */
export interface MemoryExtent {
  /** Virtual address of the first byte. */
  readonly start: number;
  /** Virtual address after the last byte. */
  readonly end: number;
  /** Physical address of the first byte. */
  readonly physical: number;
  /** log2 of the pages behind it: the host's page size, or that of its huge pages. */
  readonly pageShift: number;
}

/** An extent of a registered region: addresses of the process, and where they are in physical memory. */
export class RegisteredExtent implements MemoryExtent {
  readonly region: RegisteredRegion;
  /** From the one to the other, and back. */
  readonly toPhysical: LinearMap;
  readonly fromPhysical: LinearMap;
  // Numbers are numbers from the start: V8 knows no integer field that was undefined once.
  readonly start: number = 0;
  readonly end: number = 0;
  readonly physical: number = 0;
  readonly pageShift: number = 0;
  /**
   * log2 of the largest I/O page below 4 GiB that may point here, and of which
   * the extent holds all or nothing, if it begins on a multiple of its size.
   */
  readonly ioPageShift: number = 0;

  constructor(region: RegisteredRegion, { start, end, physical, pageShift }: MemoryExtent) {
    const size = BigInt(end - start);
    this.region = region;
    this.toPhysical = new LinearMap(BigInt(start), size, BigInt(physical));
    this.fromPhysical = new LinearMap(BigInt(physical), size, BigInt(start));
    this.start = start;
    this.end = end;
    this.physical = physical;
    this.pageShift = pageShift;
    const edges = [start, end, physical].map(trailingZeros);
    this.ioPageShift = Math.min(31, region.pageShift, pageShift, ...edges);
  }
}

/** Memory pinned for devices. MAP takes memory of regions only. */
export class RegisteredRegion {
  // Numbers are numbers from the start: V8 knows no integer field that was undefined once.
  readonly start: number = 0;
  readonly end: number = 0;
  /** They never change, and do not overlap. */
  readonly extents: readonly RegisteredExtent[];
  /** log2 of the largest I/O page that may point here. */
  readonly pageShift: number = 0;
  /** How many containers hold the region. */
  uses = 1;
  /** I/O pages that point here, over all tables. */
  mapped = 0;
  /** 1 once it is given up: a number, as several such questions are one for the hot path. */
  gone: 0 | 1 = 0;

  constructor(extents: readonly MemoryExtent[], pageShift: number) {
    this.start = extents[0]!.start;
    this.end = extents.at(-1)!.end;
    this.pageShift = pageShift;
    this.extents = extents.map((extent) => new RegisteredExtent(this, extent));
  }

  /** The extent that an address of the region lies in. */
  extentOf(vaddr: number): RegisteredExtent {
    const { extents } = this;
    let low = 0;
    let high = extents.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (extents[middle]!.end <= vaddr) low = middle + 1;
      else high = middle;
    }
    return extents[low]!;
  }
}

/** What registering regions needs of the address space that they lie in. */
export interface PinnableMemory {
  /** Bytes of a page. */
  readonly pageSize: number;
  readonly limits: {
    /** Bytes of the host's memory: no single list in the kernel may be larger. */
    readonly memoryBytes: number;
  };
  /** The memory that can be pinned from an address on, up to the first page that cannot be. */
  pin(start: number, size: number): readonly MemoryExtent[];
  /** Takes pages from the account of locked memory. */
  uncharge(pages: number): void;
}

/**
 * The regions that an address space has registered.
 *
 * A region is known by its exact address and size; containers that register
 * the same one share it. Two regions never overlap.
 */
export class RegisteredMemory {
  readonly #memory: PinnableMemory;
  #regions: RegisteredRegion[] = [];
  /**
   * The extent found last: MAP requests come in the order of addresses.
   *
   * Invariant: one of a region in {@link #regions}, or undefined: {@link put},
   * the only way in which one goes, forgets it. Regions do not overlap, nor do
   * their extents, so what contains a range is this one, or its region, whenever
   * that contains it.
   */
  protected last: RegisteredExtent | undefined;

  constructor(memory: PinnableMemory) {
    this.#memory = memory;
  }

  /** All regions, in the order of registration. */
  get regions(): readonly RegisteredRegion[] {
    return this.#regions;
  }

  /** The region with exactly this address and size. */
  exact(start: number, size: number): RegisteredRegion | undefined {
    return this.#regions.find((r) => r.start === start && r.end === start + size);
  }

  /** The region that contains `size` bytes from an address; two neighbours do not count as one. */
  find(vaddr: number, size: number): RegisteredRegion | undefined {
    const last = this.last?.region;
    if (last !== undefined && last.start <= vaddr && vaddr + size <= last.end) return last;
    return this.#search(vaddr, size)?.region;
  }

  /** The extent that an address lies in, in halves of either sign. */
  extentOf(hi: number, lo: number): RegisteredExtent | undefined {
    const { last } = this;
    return last?.toPhysical.has(hi, lo) ? last : this.extentAt(hi, lo);
  }

  protected extentAt(hi: number, lo: number): RegisteredExtent | undefined {
    // User addresses end at 2^52: whatever lies above is not registered, exact or not.
    return this.#search((hi >>> 0) * TWO32 + (lo >>> 0), 1);
  }

  #search(vaddr: number, size: number): RegisteredExtent | undefined {
    const region = this.#regions.find((r) => r.start <= vaddr && vaddr + size <= r.end);
    if (region === undefined) return undefined;
    this.last = region.extentOf(vaddr);
    return this.last;
  }

  /**
   * Pins memory as a new region. The pages are charged by the caller.
   *
   * @param start address, a multiple of the page size
   * @param size bytes, a multiple of the page size
   * @returns the region, the number of pages before a hole (a quirk), or why not
   */
  create(start: number, size: number, profile: KernelProfile): RegisteredRegion | number | Errno {
    const { pageSize, limits } = this.#memory;
    const pages = size / pageSize;
    // The kernel keeps a list of 8 bytes a page; an empty one cannot be allocated either.
    if (pages === 0 || pages * 8 > limits.memoryBytes) return "ENOMEM";

    const extents = this.#memory.pin(start, size);
    const end = extents.at(-1)?.end ?? start;
    if (end !== start + size) {
      const pinned = (end - start) / pageSize;
      return pinned > 0 && profile.partialPinAnswersCount ? pinned : "EFAULT";
    }
    if (this.#regions.some((r) => r.start < start + size && start < r.end)) return "EINVAL";

    const region = new RegisteredRegion(extents, this.#pageShiftOf(start, size, extents, profile));
    this.#regions.push(region);
    return region;
  }

  /**
   * Gives up one use of a region.
   *
   * @returns false if it was the last one but pages are still mapped: the region stays
   */
  put(region: RegisteredRegion): boolean {
    if (region.uses > 1) {
      region.uses--;
      return true;
    }
    if (region.mapped > 0) return false;
    region.gone = 1;
    this.#regions = this.#regions.filter((r) => r !== region);
    if (this.last?.region === region) this.last = undefined;
    this.#memory.uncharge((region.end - region.start) / this.#memory.pageSize);
    return true;
  }

  /**
   * The beginning of a range of I/O pages: how many of them lie in one region,
   * or, without a region, in none.
   */
  stretch(vaddr: number, pages: number, ioPageSize: number): { region?: RegisteredRegion; pages: number } {
    const region = this.find(vaddr, ioPageSize);
    const end = region?.end ?? this.#nextStart(vaddr);
    const fit = Math.floor((end - vaddr) / ioPageSize);
    const count = Math.min(pages, Math.max(fit, 1));
    return region === undefined ? { pages: count } : { region, pages: count };
  }

  /** I/O pages that map consecutive addresses are gone: their regions count less. */
  unmapped(vaddr: number, pages: number, ioPageSize: number): void {
    for (let done = 0; done < pages; ) {
      const { region, pages: count } = this.stretch(vaddr + done * ioPageSize, pages - done, ioPageSize);
      if (region !== undefined) region.mapped = Math.max(0, region.mapped - count);
      done += count;
    }
  }

  #nextStart(vaddr: number): number {
    return Math.min(...this.#regions.map((r) => r.start).filter((start) => start > vaddr));
  }

  #pageShiftOf(
    start: number,
    size: number,
    extents: readonly MemoryExtent[],
    profile: KernelProfile,
  ): number {
    const shifts = extents.map((extent) => extent.pageShift);
    const backing = profile.firstHugePageDecides ? shifts[0]! : Math.min(...shifts);
    return Math.min(trailingZeros(start), trailingZeros(size), backing);
  }
}

/** log2 of the largest power of two that divides a value; 64 for 0. */
function trailingZeros(value: number): number {
  if (value === 0) return 64;
  let shift = 0;
  while (value % 2 ** (shift + 1) === 0) shift++;
  return shift;
}
