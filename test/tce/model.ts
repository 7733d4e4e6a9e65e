import type { TceView } from "../../src/tce/tce-view.ts";

/** The dumbest table that can be right: a map from entry number to value. */
export class ModelTable {
  readonly entries = new Map<number, bigint>();
  readonly length: number;
  readonly pageShift: number;

  constructor(length: number, pageShift: number) {
    this.length = length;
    this.pageShift = pageShift;
  }

  put(index: number, value: bigint): void {
    if (value === 0n) this.entries.delete(index);
    else this.entries.set(index, value);
  }

  copy(): ModelTable {
    const copy = new ModelTable(this.length, this.pageShift);
    for (const [index, value] of this.entries) copy.entries.set(index, value);
    return copy;
  }

  sorted(): [number, bigint][] {
    return [...this.entries].sort((a, b) => a[0] - b[0]);
  }

  /** What a page-by-page replay would report: one line for each valid entry. */
  pages(first = 0, end: number = this.length): string[] {
    const mask = ~((1n << BigInt(this.pageShift)) - 1n);
    return this.sorted()
      .filter(([index, value]) => index >= first && index < end && (value & 3n) !== 0n)
      .map(([index, value]) => `${index} ${BigInt.asUintN(64, value & mask)} ${value & 3n}`);
  }
}

const value = (hi: number, lo: number): bigint => (BigInt(hi) << 32n) | BigInt(lo);

/** The runs of a table, expanded to pages in the form of {@link ModelTable.pages}; checks that runs are maximal. */
export function pagesOf(table: TceView, first = 0, end: number = table.length): string[] {
  const size = 1n << BigInt(table.pageShift);
  const pages: string[] = [];
  let last: { end: number; target: bigint; perm: number } | undefined;
  table.forEachRun(first, end, (from, count, hi, lo, perm) => {
    const target = value(hi, lo);
    if (last !== undefined && last.end === from && last.target === target && last.perm === perm) {
      throw new Error(`run at ${from} continues the one before it`);
    }
    for (let i = 0; i < count; i++) pages.push(`${from + i} ${target + BigInt(i) * size} ${perm}`);
    last = { end: from + count, target: target + BigInt(count) * size, perm };
  });
  return pages;
}

/** Every stored entry of a table, as the model has it. */
export function storedOf(table: TceView): [number, bigint][] {
  const size = 1n << BigInt(table.pageShift);
  const stored: [number, bigint][] = [];
  table.forEachStoredRun(0, table.length, (first, count, hi, lo, step) => {
    for (let i = 0; i < count; i++) stored.push([first + i, value(hi, lo) + BigInt(i * step) * size]);
  });
  return stored;
}

/** Far cheaper than `expect`, in loops. */
export function same(what: string, is: unknown, should: unknown): void {
  if (is !== should) throw new Error(`${what} is ${is}, not ${should}`);
}

/** Compares everything that can be read from a table with the model. */
export function expectSame(table: TceView, model: ModelTable): void {
  same("what is stored", storedOf(table).join(), model.sorted().join());
  same("what is mapped", pagesOf(table).join(), model.pages().join());
  same("storedCount", table.storedCount, model.entries.size);
  same("validCount", table.validCount, model.pages().length);
}
