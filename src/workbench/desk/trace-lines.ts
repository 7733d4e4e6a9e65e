import type { FileLine } from "../protocol.ts";
import type { EventRows } from "./event-rows.ts";
import type { EventTexts } from "./event-texts.ts";
import type { LineStore } from "./line-store.ts";

/** Where the text of an event comes from: the file's lines, or, of one that is no text, its events written out. */
export class TraceLines {
  readonly store: LineStore;
  readonly #texts: EventTexts;
  /** It turned out to be no text. */
  isBinary = false;

  constructor(store: LineStore, texts: EventTexts) {
    this.store = store;
    this.#texts = texts;
  }

  /** The lines of some events, in the order of these; without those that were not kept. */
  async of(rows: EventRows, events: readonly number[]): Promise<FileLine[]> {
    const texts = this.isBinary ? await this.#texts.read(events) : undefined;
    const lines: FileLine[] = [];
    for (const event of events) {
      const line = rows.lineOf(event);
      const text = texts === undefined ? (await this.store.read(line, line + 1))[0] : texts.get(event);
      if (text !== undefined) lines.push({ line, event, text });
    }
    return lines;
  }

  /** The lines around an event. */
  async around(rows: EventRows, event: number, before: number, after: number): Promise<FileLine[]> {
    if (this.isBinary) {
      const first = Math.max(0, event - before);
      return await this.of(rows, range(first, event + after + 1));
    }
    const line = rows.lineOf(event);
    const first = Math.max(1, line - before);
    const texts = await this.store.read(first, line + after + 1);
    let next = rows.eventAtLine(first);
    return texts.map((text, i) => {
      while (next < rows.length - 1 && rows.lineOf(next) < first + i) next++;
      return { line: first + i, event: rows.lineOf(next) === first + i ? next : -1, text };
    });
  }

  /** Lines that have a text in them, from an event on and around the end. */
  async find(
    rows: EventRows,
    text: string,
    event: number,
    limit: number,
    goesOn: () => boolean,
  ): Promise<FileLine[]> {
    const wanted = text.toLowerCase();
    if (this.isBinary) return await this.#texts.find(rows, wanted, event, limit, goesOn);
    const start = rows.lineOf(event);
    const end = Number.POSITIVE_INFINITY;
    const found = await this.store.find(wanted, start, end, limit, goesOn);
    if (found.length < limit)
      found.push(...(await this.store.find(wanted, 1, start, limit - found.length, goesOn)));
    return found.map(({ line, text }) => {
      const at = rows.eventAtLine(line);
      return { line, event: rows.lineOf(at) === line ? at : -1, text };
    });
  }
}

const range = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, i) => first + i);
