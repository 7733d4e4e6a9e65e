import type { Answer } from "../../base/errno.ts";
import type { PhysicalMemory } from "./physical-memory.ts";
import { RegisteredMemory } from "./registered-memory.ts";

/** Access rights of a mapping, as in mmap(2). */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
/** PROT_READ, PROT_WRITE, PROT_EXEC and PROT_SEM: all that mprotect takes. */
const PROT_KNOWN = 0xfn;

/** User addresses end here: 4 PiB, the most that ppc64 gives a process. */
export const USER_END: number = 2 ** 52;

/** A piece of memory that is contiguous both for the process and in physical memory. */
export interface MemoryExtent {
  /** Virtual address of the first byte. */
  readonly start: number;
  /** Virtual address behind the last byte. */
  readonly end: number;
  /** Physical address of the first byte. */
  readonly physical: number;
  /** log2 of the pages behind it: the host's page size, or that of its huge pages. */
  readonly pageShift: number;
}

/** A mapping of the address space. */
interface Mapping extends MemoryExtent {
  readonly prot: number;
  /** Stays the same memory across fork. */
  readonly shared: boolean;
}

/** How a mapping is made, where it is not an ordinary private one. */
export interface MappingOptions {
  readonly prot?: number;
  readonly shared?: boolean;
  /** log2 of the page size; the host's if absent. */
  readonly pageShift?: number;
}

/** What a host is made of, as far as memory is concerned. */
export interface MemoryLimits {
  /** log2 of the host's page size. */
  readonly pageShift: number;
  /** Bytes of memory: no single mapping and no single list in the kernel may be larger. */
  readonly memoryBytes: number;
}

/**
 * The address space of a process: what is mapped where, which regions the
 * process has registered for DMA, and how many pages count as locked.
 *
 * Addresses are numbers here: user addresses are below 2^52. Memory is found
 * by its physical address, so what was pinned stays what it was when the
 * process maps something else in its place.
 */
export class HostMemory {
  readonly limits: MemoryLimits;
  readonly physical: PhysicalMemory;
  /** Regions registered for DMA. They belong to the address space, not to a container. */
  readonly registered: RegisteredMemory;
  /** Locked pages (VmLck). */
  lockedPages = 0;
  /** In address order, not overlapping. */
  #mappings: Mapping[] = [];

  constructor(limits: MemoryLimits, physical: PhysicalMemory) {
    this.limits = limits;
    this.physical = physical;
    this.registered = new RegisteredMemory(this);
  }

  get pageSize(): number {
    return 2 ** this.limits.pageShift;
  }

  /** Takes pages from the account of locked memory. */
  uncharge(pages: number): void {
    this.lockedPages = Math.max(0, this.lockedPages - pages);
  }

  /** Puts fresh memory at a place that the caller chose and knows to be free or replaceable. */
  place(start: number, size: number, options: MappingOptions = {}): void {
    const { pageShift = this.limits.pageShift } = options;
    this.#remove(start, start + size);
    this.#insert({
      start,
      end: start + size,
      physical: this.physical.allocate(size, start, 2 ** pageShift),
      pageShift,
      prot: options.prot ?? PROT_READ | PROT_WRITE,
      shared: options.shared ?? false,
    });
  }

  /** Is nothing mapped in the range? */
  isFree(start: number, size: number): boolean {
    return !this.#mappings.some((m) => m.start < start + size && start < m.end);
  }

  /** mmap of private anonymous memory at a fixed address. */
  mmap(vaddr: bigint, size: bigint, prot: bigint): Answer {
    const range = this.#pageRange(vaddr, size);
    if (range === "EINVAL" || size === 0n) return "EINVAL";
    if (range === "ENOMEM" || range.end - range.start > this.limits.memoryBytes) return "ENOMEM";
    if (this.#splitsHugePage(range.start, range.end)) return "EINVAL";
    this.place(range.start, range.end - range.start, { prot: Number(prot & PROT_KNOWN) });
    return 0;
  }

  /** munmap; a range without mappings is fine. */
  munmap(vaddr: bigint, size: bigint): Answer {
    const range = this.#pageRange(vaddr, size);
    if (typeof range === "string" || size === 0n) return "EINVAL";
    if (this.#splitsHugePage(range.start, range.end)) return "EINVAL";
    this.#remove(range.start, range.end);
    return 0;
  }

  /** mprotect; up to the first hole in the range it takes effect. */
  mprotect(vaddr: bigint, size: bigint, prot: bigint): Answer {
    if ((prot & ~PROT_KNOWN) !== 0n) return "EINVAL";
    const range = this.#pageRange(vaddr, size);
    if (typeof range === "string") return range;
    let at = range.start;
    while (at < range.end) {
      const mapping = this.#find(at);
      if (mapping === undefined) return "ENOMEM";
      const end = Math.min(mapping.end, range.end);
      if (this.#splitsHugePage(at, end)) return "EINVAL";
      this.#remove(at, end);
      this.#insert({ ...part(mapping, at, end), prot: Number(prot) });
      at = end;
    }
    return 0;
  }

  /**
   * The memory that can be pinned for a device from an address on: up to the
   * end of the range, or to the first page that is not there or not writable.
   *
   * @param size a multiple of the page size; `start` is one, too
   */
  pin(start: number, size: number, needed: number = PROT_READ | PROT_WRITE): MemoryExtent[] {
    const extents: MemoryExtent[] = [];
    for (let at = start; at < start + size; ) {
      const mapping = this.#find(at);
      if (mapping === undefined || (mapping.prot & needed) !== needed) break;
      const end = Math.min(mapping.end, start + size);
      extents.push(part(mapping, at, end));
      at = end;
    }
    return extents;
  }

  /** Reads bytes as a debugger does, whatever the access rights; answers how many there were. */
  read(vaddr: number, target: Uint8Array): number {
    return this.#access(vaddr, target.length, 0, (physical, from, length) =>
      this.physical.read(physical, target.subarray(from, from + length)),
    );
  }

  /** Stores bytes; answers how many pages' worth could be, as a process's own store would. */
  write(vaddr: number, source: Uint8Array): number {
    return this.#access(vaddr, source.length, PROT_WRITE, (physical, from, length) =>
      this.physical.write(physical, source.subarray(from, from + length)),
    );
  }

  /** Makes every 8 bytes hold their own address; answers how many bytes of the range are memory. */
  fillWithAddresses(vaddr: number, size: number): number {
    return this.#access(vaddr, size, PROT_WRITE, (physical, from, length) =>
      this.physical.fillWithAddresses(physical, length, vaddr + from),
    );
  }

  /** The address space of a forked child: shared memory is the same, private memory a copy, nothing is locked. */
  fork(): HostMemory {
    const child = new HostMemory(this.limits, this.physical);
    for (const mapping of this.#mappings) {
      if (mapping.shared) {
        child.#insert(mapping);
        continue;
      }
      const size = mapping.end - mapping.start;
      const physical = this.physical.allocate(size, mapping.start, 2 ** mapping.pageShift);
      this.physical.copy(mapping.physical, physical, size);
      child.#insert({ ...mapping, physical });
    }
    return child;
  }

  #access(
    vaddr: number,
    size: number,
    needed: number,
    visit: (physical: number, from: number, length: number) => void,
  ): number {
    let from = 0;
    while (from < size) {
      const mapping = this.#find(vaddr + from);
      if (mapping === undefined || (mapping.prot & needed) !== needed) break;
      const length = Math.min(size - from, mapping.end - vaddr - from);
      visit(mapping.physical + vaddr + from - mapping.start, from, length);
      from += length;
    }
    return from;
  }

  #find(vaddr: number): Mapping | undefined {
    return this.#mappings.find((m) => m.start <= vaddr && vaddr < m.end);
  }

  #insert(mapping: Mapping): void {
    const at = this.#mappings.findIndex((m) => m.start > mapping.start);
    this.#mappings.splice(at < 0 ? this.#mappings.length : at, 0, mapping);
  }

  #remove(start: number, end: number): void {
    this.#mappings = this.#mappings.flatMap((m) => {
      if (m.end <= start || end <= m.start) return [m];
      const left = m.start < start ? [part(m, m.start, start)] : [];
      const right = end < m.end ? [part(m, end, m.end)] : [];
      return [...left, ...right];
    });
  }

  /** A mapping of huge pages can be cut only between two of them. */
  #splitsHugePage(start: number, end: number): boolean {
    const inside = (edge: number): boolean =>
      this.#mappings.some((m) => m.start < edge && edge < m.end && edge % 2 ** m.pageShift !== 0);
    return inside(start) || inside(end);
  }

  #pageRange(vaddr: bigint, size: bigint): { start: number; end: number } | "EINVAL" | "ENOMEM" {
    const page = BigInt(this.pageSize);
    if (vaddr % page !== 0n) return "EINVAL";
    const end = vaddr + ((size + page - 1n) / page) * page;
    return end > BigInt(USER_END) ? "ENOMEM" : { start: Number(vaddr), end: Number(end) };
  }
}

const part = <T extends MemoryExtent>(whole: T, start: number, end: number): T => ({
  ...whole,
  start,
  end,
  physical: whole.physical + start - whole.start,
});
