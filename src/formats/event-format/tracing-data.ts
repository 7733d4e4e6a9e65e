import { type ByteReader, textOf } from "./byte-reader.ts";
import { type EventFormat, parseEventFormat } from "./event-format.ts";

/**
 * What a recording says of the kernel that made it: the parts which trace.dat of version 6 has one after another,
 * version 7 in sections, and perf.data in its tracing data.
 *
 * @module
 */

/** Limits, all some ten times what was seen: of one format, of the kernel's symbols, of the names of tasks; and systems. */
const MAX_FORMAT = 2 ** 20;
export const MAX_TEXT: number = 64 * 2 ** 20;
const MAX_FORMATS = 65_536;

/** Where the parts of a page of the ring buffer stand. */
export interface PageLayout {
  /** Place and size of the number of bytes of data. */
  readonly commit: number;
  readonly commitBytes: number;
  /** Where data begins. */
  readonly data: number;
}

/** As all kernels of 64 bits have it. */
export const USUAL_PAGE: PageLayout = { commit: 8, commitBytes: 8, data: 16 };

/** What is known of the kernel. */
export class TracingData {
  readonly formats: EventFormat[] = [];
  page: PageLayout = USUAL_PAGE;
  /** `/proc/kallsyms`. */
  symbols: Uint8Array = new Uint8Array(0);
  /** Names of tasks by process: `PID NAME` a line. */
  tasks: Uint8Array = new Uint8Array(0);
  #count = 0;

  /** `header_page` and `header_event`. */
  async readHeaders(reader: ByteReader): Promise<void> {
    for (const name of ["header_page", "header_event"]) {
      const at = reader.offset;
      const found = await reader.name();
      if (found !== name) {
        reader.seek(at);
        throw reader.bad(`${name} should stand here, not ${JSON.stringify(found.slice(0, 20))}`);
      }
      const size = reader.limited(await reader.u64(), MAX_FORMAT, `a format`);
      const text = textOf(await reader.bytes(size));
      if (name === "header_page") this.page = pageLayout(text) ?? this.page;
    }
  }

  /** The formats of the tracer itself, `ftrace`. */
  async readFtraceFormats(reader: ByteReader): Promise<void> {
    await this.#readFormats(reader, "ftrace");
  }

  /** The formats of events, by system. */
  async readEventFormats(reader: ByteReader): Promise<void> {
    const systems = await this.#countOf(reader);
    for (let i = 0; i < systems; i++) {
      const system = await reader.name();
      await this.#readFormats(reader, system);
    }
  }

  async #readFormats(reader: ByteReader, system: string): Promise<void> {
    const count = await this.#countOf(reader);
    for (let i = 0; i < count; i++) {
      const size = reader.limited(await reader.u64(), MAX_FORMAT, `the format of an event`);
      const format = parseEventFormat(system, textOf(await reader.bytes(size)));
      if (format !== undefined) this.formats.push(format);
    }
  }

  async #countOf(reader: ByteReader): Promise<number> {
    const count = await reader.u32();
    this.#count += count;
    if (this.#count > MAX_FORMATS) {
      reader.seek(reader.offset - 4);
      throw reader.bad(`${count} formats of events, more than there are numbers for`);
    }
    return count;
  }

  async readSymbols(reader: ByteReader): Promise<void> {
    const size = reader.limited(await reader.u32(), MAX_TEXT, "the kernel's symbols");
    this.symbols = (await reader.bytes(size)).slice();
  }

  /** Formats of `trace_printk`, which nobody here prints. */
  async skipPrintk(reader: ByteReader): Promise<void> {
    const size = await reader.u32();
    reader.skip(size);
  }

  async readTasks(reader: ByteReader): Promise<void> {
    const size = reader.limited(await reader.u64(), MAX_TEXT, "the names of tasks");
    this.tasks = (await reader.bytes(size)).slice();
  }
}

/** A page's head is some words. */
const MAX_HEAD = 128;

/** @returns undefined if the text is no description of a page */
function pageLayout(text: string): PageLayout | undefined {
  const commit = /\bcommit;\s*offset:(\d{1,4});\s*size:([48]);/.exec(text);
  const data = /\bdata;\s*offset:(\d{1,4});/.exec(text);
  if (commit === null || data === null) return undefined;
  const layout = { commit: Number(commit[1]), commitBytes: Number(commit[2]), data: Number(data[1]) };
  return layout.commit + layout.commitBytes <= MAX_HEAD && layout.data <= MAX_HEAD ? layout : undefined;
}
