import { NameTable } from "./words.ts";

const SPACE = 0x20;
const ZERO = 0x30;
const COLON = 0x3a;

/**
 * The buffers whose events one text holds. trace-cmd reports several in one,
 * with the buffer's name before the task: `second:  kworker/u4:1-28 …`.
 */
export class BufferNames {
  /** Buffer of the line that was read last, -1 for the one without a name. */
  last = -1;
  readonly #names = new NameTable();
  /** Buffer of the first event, which is the one that is read; undefined before it. */
  #first: number | undefined;
  /** The same of events of other systems, which may have a buffer of their own. */
  #firstOther: number | undefined;

  /** Reads the name of the buffer from the start of a line whose event's name begins at `name`; returns where the line goes on. */
  read(bytes: Uint8Array, start: number, name: number): number {
    this.last = -1;
    if (bytes[start]! >= ZERO && bytes[start]! <= COLON) return start;
    let end = start;
    while (end < name && bytes[end] !== SPACE) end++;
    if (end >= name - 1 || end === start || bytes[end - 1] !== COLON) return start;
    let after = end + 1;
    while (bytes[after] === SPACE) after++;
    if (after >= name) return start;
    this.last = this.#names.number(bytes, start, end - 1);
    return this.last < 0 ? start : after;
  }

  /** Is the event of the line that was read last one of the buffer that the first event is of? */
  isOfFirst(): boolean {
    this.#first ??= this.last;
    return this.last === this.#first;
  }

  /** The same for an event of another system. */
  isOfFirstOther(): boolean {
    this.#firstOther ??= this.last;
    return this.last === this.#firstOther;
  }
}
