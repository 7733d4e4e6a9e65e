import { hiOf, loOf, toBig } from "../base/u64.ts";
import type { DmaTarget } from "./dma-target.ts";
import { type MemoryRegion, WHOLE_SPACE } from "./memory-region.ts";

/**
 * A stretch of an address space that one region answers.
 *
 * @public
 */
export class FlatRange {
  readonly region: MemoryRegion;
  /** Where in the region the stretch begins. */
  readonly offsetInRegion: bigint;
  readonly address: bigint;
  /** Bytes, 1 to 2^64. */
  readonly size: bigint;
  readonly readonly: boolean;
  /** {@link IommuRegion.generation} of the region when the view was made; 0 for others. */
  readonly generation: number;
  // The same in signed halves, for the hot path; the span is the size minus 1. They
  // are numbers from the start, as V8 knows no integer field that was undefined once.
  readonly firstHi: number = 0;
  readonly firstLo: number = 0;
  readonly spanHi: number = 0;
  readonly spanLo: number = 0;
  readonly offsetHi: number = 0;
  readonly offsetLo: number = 0;

  constructor(
    region: MemoryRegion,
    offsetInRegion: bigint,
    address: bigint,
    size: bigint,
    readonly: boolean,
  ) {
    this.region = region;
    this.offsetInRegion = offsetInRegion;
    this.address = address;
    this.size = size;
    this.readonly = readonly;
    this.generation = region.iommu === null ? 0 : region.iommu.generation;
    this.firstHi = hiOf(address) | 0;
    this.firstLo = loOf(address) | 0;
    this.spanHi = hiOf(size - 1n) | 0;
    this.spanLo = loOf(size - 1n) | 0;
    this.offsetHi = hiOf(offsetInRegion) | 0;
    this.offsetLo = loOf(offsetInRegion) | 0;
  }

  /** Last address, inclusive. */
  get last(): bigint {
    return this.address + this.size - 1n;
  }

  /**
   * Is an address, in signed halves, inside of the range? Then `into` gets the
   * region and the offset in it, and is clipped at the end of the range if that
   * is memory (QEMU clips accesses to nothing else).
   *
   * @internal
   */
  locate(hi: number, lo: number, into: DmaTarget): boolean {
    const { firstLo, spanHi, spanLo, region } = this;
    const aheadLo = (lo - firstLo) | 0;
    const aheadHi = (hi - this.firstHi - (lo >>> 0 < firstLo >>> 0 ? 1 : 0)) | 0;
    const borrow = spanLo >>> 0 < aheadLo >>> 0 ? 1 : 0;
    if (aheadHi === spanHi ? borrow === 1 : aheadHi >>> 0 > spanHi >>> 0) return false;
    if (region.ram !== null) into.clip((spanHi - aheadHi - borrow) | 0, (spanLo - aheadLo) | 0);
    const offsetLo = (aheadLo + this.offsetLo) | 0;
    into.region = region;
    into.offsetLo = offsetLo;
    into.offsetHi = (aheadHi + this.offsetHi + (offsetLo >>> 0 < aheadLo >>> 0 ? 1 : 0)) | 0;
    return true;
  }

  /** QEMU's test whether a listener has to hear of a change. */
  equals(other: FlatRange): boolean {
    return (
      this.region === other.region &&
      this.address === other.address &&
      this.size === other.size &&
      this.offsetInRegion === other.offsetInRegion &&
      this.readonly === other.readonly &&
      this.generation === other.generation
    );
  }
}

/**
 * What an address space looks like from outside: ranges in ascending order, without overlaps.
 *
 * @public
 */
export class FlatView {
  readonly ranges: readonly FlatRange[];
  /**
   * The range that {@link locate} found last: a device works in one window for long.
   *
   * Invariant: one of {@link ranges}, which never change and do not overlap, or
   * undefined if there are none. So the range that contains an address is this
   * one whenever this one contains it.
   */
  #last: FlatRange | undefined;

  constructor(ranges: readonly FlatRange[]) {
    this.ranges = ranges;
    this.#last = ranges[0];
  }

  /** The range at an address, or undefined where nothing answers. */
  find(address: bigint): FlatRange | undefined {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ranges[middle]!.last < address) low = middle + 1;
      else high = middle;
    }
    const range = this.ranges[low];
    return range !== undefined && range.address <= address ? range : undefined;
  }

  /** @internal The range of the last successful {@link locate}. */
  get found(): FlatRange | undefined {
    return this.#last;
  }

  /** @internal {@link FlatRange.locate} in the range of an address; false where nothing answers. */
  locate(hi: number, lo: number, into: DmaTarget): boolean {
    return this.#last?.locate(hi, lo, into) || this.#locateOther(hi, lo, into);
  }

  #locateOther(hi: number, lo: number, into: DmaTarget): boolean {
    const range = this.find(toBig(hi, lo));
    if (range === undefined) return false;
    this.#last = range;
    return range.locate(hi, lo, into);
  }
}

/** Flattens a tree of regions: children hide their parent, earlier siblings hide later ones. */
export function renderView(root: MemoryRegion): FlatView {
  const ranges: FlatRange[] = [];
  render(ranges, root, 0n, 0n, WHOLE_SPACE, false);
  return new FlatView(merge(ranges));
}

/**
 * Renders a region into the gaps that are left.
 *
 * @param base address of the region's container; may be negative below an alias
 * @param clipEnd exclusive end of what may be rendered; `clipFirst` is its start
 */
function render(
  ranges: FlatRange[],
  region: MemoryRegion,
  base: bigint,
  clipFirst: bigint,
  clipEnd: bigint,
  readonly: boolean,
): void {
  if (!region.enabled) return;
  const start = base + region.address;
  const first = start > clipFirst ? start : clipFirst;
  const end = start + region.size < clipEnd ? start + region.size : clipEnd;
  if (first >= end) return;
  const isReadonly = readonly || region.readonly;
  const { backing } = region;
  if (backing.kind === "alias") {
    render(ranges, backing.target, start - backing.target.address - backing.offset, first, end, isReadonly);
    return;
  }
  for (const child of region.subregions) render(ranges, child, start, first, end, isReadonly);
  if (backing.kind !== "container") fillGaps(ranges, region, start, first, end, isReadonly);
}

function fillGaps(
  ranges: FlatRange[],
  region: MemoryRegion,
  start: bigint,
  first: bigint,
  end: bigint,
  readonly: boolean,
): void {
  let address = first;
  let at = 0;
  while (address < end) {
    while (at < ranges.length && ranges[at]!.last < address) at++;
    const next = ranges[at];
    if (next !== undefined && next.address <= address) {
      address = next.last + 1n;
      continue;
    }
    const gapEnd = next !== undefined && next.address < end ? next.address : end;
    ranges.splice(at, 0, new FlatRange(region, address - start, address, gapEnd - address, readonly));
    address = gapEnd;
  }
}

function merge(ranges: readonly FlatRange[]): FlatRange[] {
  const merged: FlatRange[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (
      last !== undefined &&
      last.region === range.region &&
      last.readonly === range.readonly &&
      last.address + last.size === range.address &&
      last.offsetInRegion + last.size === range.offsetInRegion
    ) {
      merged[merged.length - 1] = new FlatRange(
        last.region,
        last.offsetInRegion,
        last.address,
        last.size + range.size,
        last.readonly,
      );
    } else {
      merged.push(range);
    }
  }
  return merged;
}
