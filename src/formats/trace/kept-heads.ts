import type { LinuxDmaEvent } from "./dma-event.ts";
import { hashOn, type Kept, KeptByHash } from "./kept-by-hash.ts";
import { isPlain, KeptText } from "./kept-text.ts";
import { NANOSECONDS } from "./origin-text.ts";

const SPACE = 0x20;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;

/** Bytes of a kept head; as many can be read after a line. */
const MAX_HEAD = 60;
/** Lengths of heads that are tried: one for each form, and one more for each long name or number. */
const MAX_LENGTHS = 4;
/** Digits of seconds and of a part of one. */
const MAX_DIGITS = 9;

/** What a line says up to its time: the head of many lines. */
interface KeptHead extends Kept {
  /** Number of the buffer that it names, or -1. */
  readonly buffer: number;
  readonly task: number;
  readonly pid: number;
  readonly cpu: number;
}

/**
 * Reads origins again, from the start of a line on, of which the head, up to the time, is one that was read before.
 *
 * Invariant *again*: what is kept of a head is what reading any line says that begins so and goes on with a time in
 * seconds, a colon and a blank.
 */
export class KeptHeads {
  /** Buffer of the head that {@link readAgain} found. */
  buffer = -1;
  readonly #event: LinuxDmaEvent;
  readonly #heads = new KeptByHash<KeptHead>();
  /** Lengths of heads, the one that was found last first. */
  readonly #lengths: number[] = [];

  constructor(event: LinuxDmaEvent) {
    this.#event = event;
  }

  /** @returns the end of its time, or -1 */
  readAgain(bytes: Uint8Array, view: DataView, start: number): number {
    const head = this.#find(view, start);
    if (head === undefined) return -1;
    const secondsAt = start + head.text.length;
    let at = secondsAt;
    let seconds = 0;
    // What is less than zero is more than nine without a sign.
    let digit = (bytes[at]! - ZERO) >>> 0;
    for (; digit <= 9; digit = (bytes[++at]! - ZERO) >>> 0) seconds = seconds * 10 + digit;
    if (bytes[at] !== DOT || at === secondsAt || at > secondsAt + MAX_DIGITS) return -1;
    const fractionAt = ++at;
    let fraction = 0;
    digit = (bytes[at]! - ZERO) >>> 0;
    for (; digit <= 9; digit = (bytes[++at]! - ZERO) >>> 0) fraction = fraction * 10 + digit;
    if (bytes[at] !== COLON || at === fractionAt || at > fractionAt + MAX_DIGITS) return -1;
    if (bytes[at + 1] !== SPACE) return -1;
    const event = this.#event;
    event.seconds = seconds;
    event.nanoseconds = fraction * NANOSECONDS[at - fractionAt]!;
    event.ticks = Number.NaN;
    event.cpu = head.cpu;
    event.pid = head.pid;
    event.task = head.task;
    this.buffer = head.buffer;
    return at;
  }

  /**
   * Keeps the head in `[start, end)`, which was read last, if its like can come again; nothing that loggers write may
   * stand before it.
   *
   * @returns false if no line is found again that begins so
   */
  keep(bytes: Uint8Array, view: DataView, start: number, end: number, buffer: number): boolean {
    const length = end - start;
    if (length < 4 || length > MAX_HEAD || bytes[end - 1] !== SPACE || !isPlain(bytes, start, end))
      return false;
    const { task, pid, cpu } = this.#event;
    this.#heads.keep(hashOfHead(view, start, length), () => ({
      text: new KeptText(view, start, end),
      next: undefined,
      buffer,
      task,
      pid,
      cpu,
    }));
    if (!this.#lengths.includes(length)) {
      if (this.#lengths.length === MAX_LENGTHS) this.#lengths.pop();
      this.#lengths.unshift(length);
    }
    return true;
  }

  #find(view: DataView, start: number): KeptHead | undefined {
    const heads = this.#heads;
    const guess = heads.guess;
    if (guess !== undefined && isAt(guess, view, start)) {
      heads.found(guess);
      return guess;
    }
    const lengths = this.#lengths;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i]!;
      const head = heads.get(hashOfHead(view, start, length));
      if (head === undefined || head.text.length !== length || !isAt(head, view, start)) continue;
      if (i > 0) {
        lengths[i] = lengths[0]!;
        lengths[0] = length;
      }
      heads.found(head);
      return head;
    }
    return undefined;
  }
}

/** Does a line begin with this head, and is that all before its time? */
function isAt({ text }: KeptHead, view: DataView, start: number): boolean {
  const end = text.endAt(view, start);
  return end >= 0 && view.getUint8(end) !== SPACE;
}

/** A hash of so many bytes, at least four. */
function hashOfHead(view: DataView, start: number, length: number): number {
  const last = start + length - 4;
  let hash = length;
  for (let at = start; at < last; at += 4) hash = hashOn(hash, view.getInt32(at, true));
  return hashOn(hash, view.getInt32(last, true));
}
