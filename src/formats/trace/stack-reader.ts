import { CallStacks } from "./call-stacks.ts";
import type { LinuxDmaEvent } from "./dma-event.ts";
import { DMA_LOST } from "./dma-kinds.ts";
import { NumberReader } from "./number-reader.ts";
import { encode, startsWith, TextSearch } from "./words.ts";

/**
 * Call stacks behind the events that they belong to:
 *
 *         modprobe-123   [001] .....    26.787070: <stack trace>            the kernel's trace, option stacktrace
 *      => nvme_remove
 *               sh-208   [001] .....    26.794164: kernel_stack:         <stack trace >         trace-cmd -T
 *     => nvme_remove (ffffffffc03c2af7)
 *               sh-208   [001]    26.794164: kernel_stack:         \t=> nvme_remove       trace-cmd before 3.2
 *     \t=> pci_device_remove
 *     \tffffffffc03c2af7 nvme_remove+0x77 ([nvme])                           perf script, of record -g
 *
 * With the tracer's option each event of every kind has one, and a CPU's stack belongs to the CPU's last event without
 * one. In a text of several CPUs other lines may stand between the two. perf prints a stack right behind its event.
 *
 * @module
 */

const TAB = 0x09;
const SPACE = 0x20;
const HASH = 0x23;
const STAR = 0x2a;
const OPEN_PARENTHESIS = 0x28;
const SLASH = 0x2f;
const COLON = 0x3a;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const STACK = new TextSearch("<stack trace");
const USER_STACK = new TextSearch("<user stack trace");
const KERNEL_STACK = encode("kernel_stack:");
const KERNEL_STACK_SEARCH = new TextSearch("kernel_stack:");

/** Digits of the kernel's addresses in perf's frames, at least; names such as e1000e have fewer. */
const ADDRESS_DIGITS = 8;

/** Events of a CPU that wait for their stacks: of a task, of interrupts of several kinds, and some that have none. */
const MAX_PENDING = 8;

/** An event that may have a stack. */
interface Owner {
  readonly cpu: number;
  readonly number: number;
  readonly line: number;
  readonly kind: number;
}

/** Reads the origin of a line, up to the name of its event, into the event; false if it is none of the buffer that is read. */
type ReadOrigin = (bytes: Uint8Array, start: number, end: number) => boolean;

/** Reads call stacks, and finds the events that they belong to. */
export class StackReader {
  readonly stacks: CallStacks = new CallStacks();
  /** Stacks in the text, of whatever event. */
  count = 0;
  /** Was there a stack? Only then {@link follow} is to be called, which costs something. */
  isActive = false;
  readonly #event: LinuxDmaEvent;
  readonly #readOrigin: ReadOrigin;
  readonly #numbers = new NumberReader();
  /**
   * Events of each CPU that have no stack yet, undefined for those that are not ours. An interrupt between an event and its
   * stack brings others with theirs: the last event gets the first stack.
   */
  readonly #pending = new Map<number, (Owner | undefined)[]>();
  /** The last line of the stack that is being read, whose it is, and its outermost frame so far. */
  #lastLine = -1;
  #owner: Owner | undefined;
  #node = -1;
  #isPerf = false;
  /** The line before perf's stack that is being read. */
  #stackOf = -1;
  /** The last event's line that stands behind tabs, and how many these are. */
  #indentedLine = -1;
  #indent = 0;

  /** @param event which the reader fills anew for each line */
  constructor(event: LinuxDmaEvent, readOrigin: ReadOrigin) {
    this.#event = event;
    this.#readOrigin = readOrigin;
  }

  /** The event was read. */
  follow(): void {
    const { cpu, number, line, kind } = this.#event;
    this.#push(cpu, { cpu, number, line, kind });
  }

  /** Takes note of what stands before an event in its line: a stack's frames stand behind more tabs. */
  noteIndent(line: number, bytes: Uint8Array, start: number, from: number): void {
    const tabs = tabsIn(bytes, start, from);
    if (tabs === 0) return;
    this.#indentedLine = line;
    this.#indent = tabs;
  }

  /**
   * Reads a line that is no event of ours; false if it is no part of a stack. To be called for each of them.
   *
   * @param from where its text begins, after blanks and a logger's prefix
   * @param line its number
   */
  read(bytes: Uint8Array, start: number, from: number, end: number, line: number): boolean {
    const isStack = this.#readStack(bytes, start, from, end, line);
    if (isStack) this.#lastLine = line;
    else if (this.isActive && end > start && bytes[start] !== HASH) this.#followOther(bytes, start, end);
    return isStack;
  }

  #readStack(bytes: Uint8Array, start: number, from: number, end: number, line: number): boolean {
    const isOpen = this.#lastLine === line - 1;
    if (this.#readPerf(bytes, start, from, end, line)) return true;
    if (isOpen && !this.#isPerf && this.#readFrame(bytes, arrowAt(bytes, from, end), end)) return true;
    return bytes[end - 1] === GREATER
      ? this.#begin(bytes, start, end, line)
      : this.#beginWithFrame(bytes, start, end, line);
  }

  /** A stack of which the first frame stands behind its name. */
  #beginWithFrame(bytes: Uint8Array, start: number, end: number, line: number): boolean {
    const name = KERNEL_STACK_SEARCH.find(bytes, start, end);
    if (name < 0) return false;
    let at = name + KERNEL_STACK.length;
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    if (!isArrow(bytes, at)) return false;
    const owner = this.#lastEvent(line);
    this.#open(this.#readOrigin(bytes, start, name) ? this.#take(owner) : undefined, false);
    return this.#readFrame(bytes, at, end);
  }

  /** `<stack trace>`, an event of its own; that of the program is passed over. */
  #begin(bytes: Uint8Array, start: number, end: number, line: number): boolean {
    const at = STACK.find(bytes, start, end);
    if (at < 0) {
      this.#owner = undefined;
      return USER_STACK.find(bytes, start, end) >= 0;
    }
    const owner = this.#lastEvent(line);
    let name = at;
    while (name > start && bytes[name - 1] === SPACE) name--;
    name -= KERNEL_STACK.length;
    const isOurs = this.#readOrigin(
      bytes,
      start,
      name >= start && startsWith(bytes, name, KERNEL_STACK) ? name : at,
    );
    this.#open(isOurs ? this.#take(owner) : undefined, false);
    return true;
  }

  /** Whose the stack is that begins on a CPU: before there was any, an event right before it. */
  #take(before: Owner | undefined): Owner | undefined {
    const { cpu } = this.#event;
    if (this.isActive) return this.#pending.get(cpu)?.pop();
    return before?.cpu === cpu ? before : undefined;
  }

  /** `\tffffffffc03c2af7 nvme_remove+0x77 ([nvme])`, behind a tab more than its event. */
  #readPerf(bytes: Uint8Array, start: number, from: number, end: number, line: number): boolean {
    if (from === start || from === end) return false;
    const goesOn = this.#lastLine === line - 1 && this.#isPerf;
    const event = goesOn ? this.#stackOf : line - 1;
    const tabs = tabsIn(bytes, start, from);
    if (tabs === 0 || (event === this.#indentedLine && tabs <= this.#indent)) return false;
    if (!goesOn) {
      const owner = this.#lastEvent(line);
      if (!isAddress(bytes, from, end) && (owner === undefined || !isSymbol(bytes, from, end))) return false;
      this.#open(owner, true);
      this.#stackOf = event;
    }
    this.#addFrame(bytes, from, end);
    return true;
  }

  /** `=> nvme_remove`, from `start` on; nothing begins at -1. */
  #readFrame(bytes: Uint8Array, start: number, end: number): boolean {
    if (start < 0 || start + 3 > end) return false;
    let from = start + 2;
    while (from < end && bytes[from] === SPACE) from++;
    // In what the function_graph tracer prints a stack is a comment.
    const isLast = bytes[end - 1] === SLASH && bytes[end - 2] === STAR;
    let to = isLast ? end - 2 : end;
    while (to > from && bytes[to - 1] === SPACE) to--;
    this.#addFrame(bytes, from, to);
    return true;
  }

  #open(owner: Owner | undefined, isPerf: boolean): void {
    this.count++;
    this.isActive = true;
    this.#owner = owner;
    this.#isPerf = isPerf;
    this.#node = -1;
  }

  #addFrame(bytes: Uint8Array, start: number, end: number): void {
    if (this.#owner === undefined) return;
    const { number, line, kind } = this.#owner;
    this.#node = this.stacks.caller(this.#node, bytes, start, end);
    this.stacks.set(number, line, kind, this.#node);
  }

  /** The event that stands in the line before this one. */
  #lastEvent(line: number): Owner | undefined {
    const { cpu, number, line: last, kind } = this.#event;
    return last === line - 1 && kind !== DMA_LOST ? { cpu, number, line: last, kind } : undefined;
  }

  /** Another event: a stack behind it on its CPU is not that of one of ours. */
  #followOther(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      if (bytes[at] !== OPEN_BRACKET) continue;
      const after = this.#numbers.decimal(bytes, at + 1);
      if (after < 0 || bytes[after] !== CLOSE_BRACKET) continue;
      this.#push(this.#numbers.lo, undefined);
      return;
    }
    this.#pending.clear();
  }

  #push(cpu: number, owner: Owner | undefined): void {
    let pending = this.#pending.get(cpu);
    if (pending === undefined) {
      pending = [];
      this.#pending.set(cpu, pending);
    }
    if (pending.push(owner) > MAX_PENDING) pending.shift();
  }
}

const isArrow = (bytes: Uint8Array, at: number): boolean => bytes[at] === EQUALS && bytes[at + 1] === GREATER;

/** Where an arrow begins, which a logger may have put a word before; -1 for none. */
function arrowAt(bytes: Uint8Array, start: number, end: number): number {
  if (isArrow(bytes, start)) return start;
  let at = start;
  while (at < end && bytes[at] !== SPACE) at++;
  if (bytes[at - 1] !== COLON && bytes[at - 1] !== GREATER) return -1;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return isArrow(bytes, at) ? at : -1;
}

/** Does an address begin here: hexadecimal digits, and a blank after them? */
function isAddress(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && isHexDigit(bytes[at]!)) at++;
  return at - start >= ADDRESS_DIGITS && (at === end || bytes[at] === SPACE);
}

/** Is it a function without its address (`perf script -F ...,sym`): one name, and at most an object in parentheses? */
function isSymbol(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && isOfSymbol(bytes[at]!)) at++;
  return at > start && (at === end || (bytes[at] === SPACE && bytes[at + 1] === OPEN_PARENTHESIS));
}

/** How many tabs stand in `[start, end)`? */
function tabsIn(bytes: Uint8Array, start: number, end: number): number {
  let tabs = 0;
  for (let at = start; at < end; at++) if (bytes[at] === TAB) tabs++;
  return tabs;
}

/** Letters, digits, `_`, `.`, `$`, and the plus before an offset. */
const isOfSymbol = (byte: number): boolean =>
  isDigit(byte) ||
  ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) ||
  byte === 0x5f ||
  byte === 0x2e ||
  byte === 0x24 ||
  byte === 0x2b;

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isHexDigit = (byte: number): boolean => isDigit(byte) || (byte >= 0x61 && byte <= 0x66);
