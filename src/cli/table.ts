import cliTruncate from "cli-truncate";
import { visible } from "../base/visible.ts";
import { printPieces } from "./output.ts";
import { outputWidth } from "./terminal.ts";
import { textWidth } from "./text-width.ts";

/** A column of a table for people. */
export interface TableColumn {
  readonly head: string;
  /** Where its cells stand; numbers are on the right. */
  readonly align?: "left" | "right";
  /** It may be cut where the terminal is too narrow: names and remarks are, addresses and numbers never. */
  readonly isCut?: boolean;
}

/** Between two columns. */
export const GAP = "  ";
/** Columns of text that are left of one that is cut. */
const MIN_CUT = 8;

/** Prints a table: one line a row and a rule below the head, no wider than the terminal as far as cells may be cut. */
export const printTable = (
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): Promise<void> => printPieces(linesOf(columns, rows));

/** The same as a text, without the last end of a line. */
export const tableText = (columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string =>
  [...linesOf(columns, rows)].join("").trimEnd();

function* linesOf(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): Generator<string> {
  const cells = rows.map((row) => row.map(oneLine));
  // A column that says nothing is left out.
  const shown = columns.flatMap((column, i) => (cells.some((row) => row[i] !== "") ? [{ column, i }] : []));
  const widths = fitted(
    shown.map(({ column }) => column),
    shown.map(({ column, i }) =>
      cells.reduce((most, row) => Math.max(most, textWidth(row[i]!)), column.head.length),
    ),
  );
  const lineOf = (row: readonly string[]): string =>
    `${shown
      .map(({ column, i }, k) => aligned(row[i]!, widths[k]!, column))
      .join(GAP)
      .trimEnd()}\n`;
  yield lineOf(columns.map(({ head }) => head));
  yield `${widths.map((width) => "─".repeat(width)).join(GAP)}\n`;
  for (const row of cells) yield lineOf(row);
}

/** What a row can show: its line must not end early. */
export const oneLine = (cell: string): string => visible(cell).replaceAll(/[\n\t]/g, " ");

/** A cell in a column of so many places; cut if it is longer. */
export function aligned(cell: string, width: number, { align }: Pick<TableColumn, "align">): string {
  const isLonger = textWidth(cell) > width;
  const text = isLonger ? cliTruncate(cell, width) : cell;
  const space = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "right" ? space + text : text + space;
}

/** Widths that fit into the terminal: the widest column that may be cut gets smaller, over and over. */
function fitted(columns: readonly TableColumn[], natural: readonly number[]): number[] {
  const widths = [...natural];
  const sum = widths.reduce((total, width) => total + width, GAP.length * Math.max(0, widths.length - 1));
  for (let excess = sum - outputWidth(); excess > 0; excess--) {
    let widest = -1;
    columns.forEach(({ head, isCut }, i) => {
      const isLarger = widths[i]! > (widths[widest] ?? Math.max(head.length, MIN_CUT));
      if (isCut === true && widths[i]! > Math.max(head.length, MIN_CUT) && isLarger) widest = i;
    });
    if (widest < 0) break;
    widths[widest]!--;
  }
  return widths;
}
