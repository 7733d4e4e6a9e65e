import { hex } from "../base/u64.ts";
import { csvCell } from "../formats/table/csv-cell.ts";
import { printPieces, toJson } from "./output.ts";

/** How rows are printed. */
export interface RowOptions {
  readonly output: "jsonl" | "csv";
  /** See {@link csvCell}. */
  readonly rawCells: boolean;
}

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** Prints rows as JSON, one a line, or as CSV with a line of names. Columns that a row has not are empty. */
export const printRows = (
  rows: Iterable<Row>,
  columns: readonly string[],
  options: RowOptions,
): Promise<void> => printPieces(linesOf(rows, columns, options));

function* linesOf(
  rows: Iterable<Row>,
  columns: readonly string[],
  { output, rawCells }: RowOptions,
): Generator<string> {
  if (output === "csv") yield `${columns.join(",")}\n`;
  for (const row of rows) {
    if (output === "jsonl") yield `${toJson(row)}\n`;
    else yield `${columns.map((column) => cellOf(row[column], rawCells)).join(",")}\n`;
  }
}

/** A list is its items with spaces between, an object is JSON. */
function cellOf(value: unknown, isRaw: boolean): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "bigint") return hex(value);
  if (typeof value === "string") return csvCell(value, isRaw);
  if (typeof value !== "object") return String(value);
  const isPlain = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return csvCell(isPlain ? value.join(" ") : toJson(value), isRaw);
}
