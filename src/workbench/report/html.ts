import { visible } from "../../base/visible.ts";

/** A piece of a page. Only {@link html} makes them, so that text from a file cannot become markup. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What stands in a piece: text, which is escaped, pieces, lists of them, or nothing. */
export type Inside = string | number | Html | undefined | readonly Inside[];

/** Makes a piece of markup; what is put in is text unless it is a piece, too. */
export const html = (markup: TemplateStringsArray, ...inside: readonly Inside[]): Html =>
  new Html(String.raw({ raw: markup }, ...inside.map(markupOf)));

function markupOf(inside: Inside): string {
  if (inside === undefined) return "";
  if (inside instanceof Html) return inside.text;
  if (Array.isArray(inside)) return (inside as readonly Inside[]).map(markupOf).join("");
  return escaped(String(inside));
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as markup shows it; what would not be seen is written out. */
const escaped = (text: string): string => visible(text).replace(/[&<>"']/g, (one) => ESCAPES[one]!);

/** A table; columns that begin with `#` are numbers. */
export function table(columns: readonly string[], rows: readonly (readonly Inside[])[]): Html {
  const isNumber = columns.map((column) => column.startsWith("#"));
  const heads = columns.map((column, i) =>
    isNumber[i]
      ? html`<th scope="col" class="n">${column.slice(1)}</th>`
      : html`<th scope="col">${column}</th>`,
  );
  const lines = rows.map(
    (row) =>
      html`<tr>${row.map((cell, i) => (isNumber[i] ? html`<td class="n">${cell}</td>` : html`<td>${cell}</td>`))}</tr>`,
  );
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${heads}</tr></thead><tbody>${lines}</tbody></table></div>`;
}
