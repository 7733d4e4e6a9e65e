import { hiOf, loOf } from "../base/u64.ts";
import { type MemoryRegion, WHOLE_SPACE } from "./memory-region.ts";

/** A stretch of an address space that one region answers. */
export class FlatRange {
  readonly region: MemoryRegion;
  /** Where in the region the stretch begins. */
  readonly offsetInRegion: bigint;
  readonly address: bigint;
  /** Bytes, 1 to 2^64. */
  readonly size: bigint;
  readonly readonly: boolean;
  // The same as halves, for the hot path; `last` is inclusive.
  readonly firstHi: number;
  readonly firstLo: number;
  readonly lastHi: number;
  readonly lastLo: number;
  readonly #shiftHi: number;
  readonly #shiftLo: number;

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
    this.firstHi = hiOf(address);
    this.firstLo = loOf(address);
    this.lastHi = hiOf(this.last);
    this.lastLo = loOf(this.last);
    const shift = BigInt.asUintN(64, offsetInRegion - address);
    this.#shiftHi = hiOf(shift);
    this.#shiftLo = loOf(shift);
  }

  /** Last address, inclusive. */
  get last(): bigint {
    return this.address + this.size - 1n;
  }

  has(hi: number, lo: number): boolean {
    return (
      (hi > this.firstHi || (hi === this.firstHi && lo >= this.firstLo)) &&
      (hi < this.lastHi || (hi === this.lastHi && lo <= this.lastLo))
    );
  }

  /** Offset in the region of an address inside of the range, low half. */
  offsetLo(lo: number): number {
    return (lo + this.#shiftLo) >>> 0;
  }

  /** Offset in the region of an address inside of the range, high half. */
  offsetHi(hi: number, lo: number): number {
    const carry = this.offsetLo(lo) < lo ? 1 : 0;
    return (hi + this.#shiftHi + carry) >>> 0;
  }

  /** QEMU's test whether a listener has to hear of a change. */
  equals(other: FlatRange): boolean {
    return (
      this.region === other.region &&
      this.address === other.address &&
      this.size === other.size &&
      this.offsetInRegion === other.offsetInRegion &&
      this.readonly === other.readonly
    );
  }
}

/** What an address space looks like from outside: ranges in ascending order, without overlaps. */
export class FlatView {
  readonly ranges: readonly FlatRange[];
  // The range found last: a device works in one window for long.
  #last: FlatRange | undefined;

  constructor(ranges: readonly FlatRange[]) {
    this.ranges = ranges;
    this.#last = ranges[0];
  }

  /** The range at an address, or undefined where nothing answers. */
  find(hi: number, lo: number): FlatRange | undefined {
    if (this.#last?.has(hi, lo)) return this.#last;
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.ranges[middle]!;
      if (range.has(hi, lo)) {
        this.#last = range;
        return range;
      }
      if (hi < range.firstHi || (hi === range.firstHi && lo < range.firstLo)) high = middle;
      else low = middle + 1;
    }
    return undefined;
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
