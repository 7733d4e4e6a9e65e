import { NameTable } from "./words.ts";

const SPACE = 0x20;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;

/** No buffer has this number, nor a line without a name. */
const UNKNOWN = -2;

/**
 * The buffers whose events one text holds. trace-cmd reports several in one,
 * with the buffer's name before the task: `second:  kworker/u4:1-28 …`, and several
 * files with that of the file. So does grep, and puts the line's number behind it: `trace.txt:12:  kworker/u4:1-28 …`.
 */
export class BufferNames {
  /** Buffer that the line names that was read last, -1 for none. */
  named = -1;
  /** Buffer of that line, -1 for the one without a name. */
  #last = -1;
  /** Buffer of the next event, if its line does not name one; -1 for none. A line may be tried in several ways. */
  #next = -1;
  readonly #names = new NameTable();
  /** Buffer of the first event, which is the one that is read; {@link UNKNOWN} before it. */
  #first = UNKNOWN;
  /** The same of events of other systems, which may have a buffer of their own. */
  #firstOther = UNKNOWN;

  /** Reads the name of the buffer from the start of a line whose event's name begins at `name`; returns where the line goes on. */
  read(bytes: Uint8Array, start: number, name: number): number {
    this.named = -1;
    this.#last = this.#next;
    let end = start;
    // A time is no name.
    while (bytes[end] === DOT || (bytes[end]! >= ZERO && bytes[end]! < COLON)) end++;
    if (bytes[end] === COLON) return start;
    while (end < name && bytes[end]! > SPACE) end++;
    if (end >= name - 1 || end === start || bytes[end - 1] !== COLON) return start;
    let after = end + 1;
    while (bytes[after]! <= SPACE) after++;
    if (after >= name) return start;
    this.#last = this.#names.number(bytes, start, beforeNumber(bytes, start, end - 1));
    this.named = this.#last;
    return this.#last < 0 ? start : after;
  }

  /** A line is read again, with the buffer that it names. */
  readAgain(buffer: number): void {
    this.#last = buffer < 0 ? this.#next : buffer;
  }

  /** The line that was read last says where a page of its buffer begins: trace-cmd does not repeat its name in the next line. */
  beginPage(): void {
    this.#next = this.#last;
  }

  /** Is the event of the line that was read last one of the buffer that the first event is of? */
  isOfFirst(): boolean {
    this.#next = -1;
    if (this.#first === UNKNOWN) this.#first = this.#last;
    return this.#last === this.#first;
  }

  /** Is what the line says that was read last said of another buffer? */
  isOfOther(): boolean {
    return this.#first !== UNKNOWN && this.#last !== this.#first;
  }

  /** The same for an event of another system. */
  isOfFirstOther(): boolean {
    this.#next = -1;
    if (this.#firstOther === UNKNOWN) this.#firstOther = this.#last;
    return this.#last === this.#firstOther;
  }
}

/** Where the name ends of which a number, after a colon, may be no part. */
function beforeNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && bytes[at - 1]! >= ZERO && bytes[at - 1]! < COLON) at--;
  return at < end && at > start + 1 && bytes[at - 1] === COLON ? at - 1 : end;
}
