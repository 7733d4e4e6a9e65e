import { toBig } from "../../base/u64.ts";
import { csvCell } from "./csv-cell.ts";
import type { ColumnType, RowBuffer, TableWriter } from "./row-buffer.ts";

/**
 * Rows as lines of text: JSON Lines and CSV.
 *
 * @module
 */

/** Integers beyond this have another value once a JSON reader made a double of them. */
const MAX_SAFE_HI = 0x1f_ffff;

/**
 * A form of text: what stands before the first row, and each row.
 *
 * @public
 */
export interface TextForm {
  header(rows: RowBuffer): string;
  line(rows: RowBuffer, row: number): string;
}

/**
 * One object a line; cells that are empty are left out.
 *
 * @public
 */
export const JSON_LINES: TextForm = {
  header: () => "",
  line(rows, row) {
    let line = "";
    for (let column = 0; column < rows.columns.length; column++) {
      if (!rows.isFilled(column, row)) continue;
      const { name, type } = rows.columns[column]!;
      line += `${line === "" ? "{" : ","}"${name}":${jsonCell(rows, column, row, type)}`;
    }
    return `${line === "" ? "{" : line}}\n`;
  },
};

const csv = (isRaw: boolean): TextForm => ({
  header: (rows) => `${rows.columns.map(({ name }) => name).join(",")}\n`,
  line(rows, row) {
    let line = "";
    for (let column = 0; column < rows.columns.length; column++) {
      if (column > 0) line += ",";
      if (!rows.isFilled(column, row)) continue;
      const { type } = rows.columns[column]!;
      line += type === "text" ? csvCell(rows.text(column, row), isRaw) : numberCell(rows, column, row, type);
    }
    return `${line}\n`;
  },
});

/**
 * RFC 4180 with a header line, but line ends of one byte; cells that are empty
 * are empty. A text that a spreadsheet would run as a formula has an apostrophe before it.
 *
 * @public
 */
export const CSV: TextForm = csv(false);

/**
 * {@link CSV} with all texts as they are.
 *
 * @public
 */
export const RAW_CSV: TextForm = csv(true);

/** Text is collected up to this length before it is written. */
const FLUSH_LENGTH = 1 << 20;

/**
 * Writes a table as text.
 *
 * @param write takes the text of the table, in pieces of about a megabyte
 * @public
 */
export function textWriter(form: TextForm, write: (text: string) => void): TableWriter {
  let hasHeader = false;
  return {
    write(rows) {
      let text = hasHeader ? "" : form.header(rows);
      hasHeader = true;
      for (let row = 0; row < rows.rows; row++) {
        text += form.line(rows, row);
        if (text.length < FLUSH_LENGTH) continue;
        write(text);
        text = "";
      }
      write(text);
    },
    finish() {},
  };
}

function jsonCell(rows: RowBuffer, column: number, row: number, type: ColumnType): string {
  if (type === "text") return JSON.stringify(rows.text(column, row));
  const digits = numberCell(rows, column, row, type);
  if (type === "address" || type === "time") return `"${digits}"`;
  const hi = rows.hi(column, row);
  const isSafe = type === "boolean" || hi <= MAX_SAFE_HI || hi > 0xffff_ffff - MAX_SAFE_HI;
  return isSafe ? digits : `"${digits}"`;
}

function numberCell(rows: RowBuffer, column: number, row: number, type: ColumnType): string {
  const hi = rows.hi(column, row);
  const lo = rows.lo(column, row);
  if (type === "boolean") return lo === 1 ? "true" : "false";
  if (type === "address") {
    return hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}${lo.toString(16).padStart(8, "0")}`;
  }
  return hi === 0 ? String(lo) : String(BigInt.asIntN(64, toBig(hi, lo)));
}
