/**
 * What the parts of a report are made of.
 *
 * @module
 */

import { hex64 } from "../../base/u64.ts";
import { formatCount, formatTime } from "../../base/units.ts";
import type { Reading } from "../desk/open-recording.ts";
import type { Recording } from "../desk/recording.ts";
import type { Ink } from "../draw/renderer.ts";
import type { Row, Space } from "../protocol.ts";
import { ROW_HEADS } from "../row-words.ts";
import { type Html, html, type Inside } from "./html.ts";
import type { WholeAxis } from "./pictures.ts";

/** Rows that a table has at most. */
export const MAX_ROWS = 100;
/** Heads of a table of mappings; numbers stand to the right. */
export const HEADS: readonly string[] = ROW_HEADS.map((head) => (head === "pages" ? "#pages" : head));

/** Names within the page. */
export class Ids {
  readonly file: string;
  readonly #isOnly: boolean;

  /** @param isOnly there is no other file, of which parts would have to be told from those of this one */
  constructor(file: string, isOnly: boolean) {
    this.file = file;
    this.#isOnly = isOnly;
  }

  of(key: string): string {
    return `${this.file}-${key}`;
  }

  /** Where the words stand that name a part. */
  label(...keys: readonly string[]): string {
    return [...keys, ...(this.#isOnly ? [] : ["name"])].map((key) => this.of(key)).join(" ");
  }
}

/** A part of a file's report, with its name. */
export const part = (ids: Ids, key: string, name: string, ...inside: readonly Inside[]): Html =>
  html`<section aria-labelledby="${ids.label(key)}"><h3 id="${ids.of(key)}">${name}</h3>${inside}</section>`;

/** What a picture needs to be read without it. */
export const behind = (summary: string, inside: Html): Html =>
  html`<details><summary>${summary}</summary>${inside}</details>`;

/** What colours of a picture mean. */
export const legend = (keys: readonly (readonly [ink: Ink, words: string])[]): Html =>
  html`<p class="legend">${keys.map(([ink, words]) => html`<span class="key k-${ink}">${words}</span>`)}</p>`;

/** Where a picture of time begins and ends. */
export const ends = ({ axis, view }: WholeAxis): Html =>
  axis === "time"
    ? html`<p class="axis"><span>0 s</span><span>${formatTime(view.to)}</span></p>`
    : html`<p class="axis"><span>event 0</span><span>event ${formatCount(view.to)}</span></p>`;

/** What is said where there are no findings. */
export function nothingText({ unjudged, isFiltered }: Reading): string {
  if (unjudged !== undefined) return "Nothing was judged.";
  return `Nothing was found wrong${isFiltered ? " in the events that the filter takes" : ""}.`;
}

export const addressOf = ({ start, pageShift }: Space, page: number): string =>
  hex64(BigInt.asUintN(64, start + (BigInt(page) << BigInt(pageShift))));

export function rowsOf(
  recording: Recording,
  space: Space,
  event: number,
  range: { readonly first: number; readonly end: number },
  limit: number,
): { readonly rows: readonly Row[]; readonly all: number } {
  const rows: Row[] = [];
  let all = 0;
  recording.contents(space, event)?.forEachRow(range, (row) => {
    if (all++ < limit) rows.push(row);
  });
  return { rows, all };
}
