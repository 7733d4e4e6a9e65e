/** What spreadsheets take for the start of a formula. */
const FORMULA = /^[=+\-@\t\r]/;
/** What RFC 4180 wants quotes around. */
const QUOTED = /[",\r\n]/;

/**
 * A text as a cell of CSV (RFC 4180).
 *
 * @param isRaw leaves a text as it is that a spreadsheet would run as a formula; else an apostrophe before it makes it
 * text there, too
 */
export function csvCell(text: string, isRaw: boolean): string {
  const cell = !isRaw && FORMULA.test(text) ? `'${text}` : text;
  return QUOTED.test(cell) || cell === "" ? `"${cell.replaceAll('"', '""')}"` : cell;
}
