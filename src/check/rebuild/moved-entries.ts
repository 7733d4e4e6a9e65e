import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";

/** The entries of a table, each `by` entries further down, in a table of another length. */
export function movedEntries(table: TceView, by: number, length: number): TceTable {
  const moved = new TceTable({ length, pageShift: table.pageShift });
  copyEntries(table, moved, 0, table.length, by);
  return moved;
}

/** Copies the entries `[first, end)` of a table into another, each `by` entries further down, as far as it has room. */
export function copyEntries(from: TceView, to: TceTable, first: number, end: number, by: number): void {
  const { page } = from;
  from.forEachStoredRun(first, end, (start, count, hi, lo, step) => {
    const inside = Math.max(start, by);
    const stop = Math.min(start + count, to.length + by);
    if (stop <= inside) return;
    const ahead = (inside - start) * step;
    const valueHi = page.addHi(hi, lo, ahead);
    const valueLo = page.addLo(lo, ahead);
    if (step === 0) to.fill(inside - by, stop - inside, valueHi, valueLo);
    else to.putRun(inside - by, stop - inside, valueHi, valueLo);
  });
}
