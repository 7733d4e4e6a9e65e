import { numberOf } from "../../base/u64.ts";
import type { DmaArguments } from "./dma-arguments.ts";
import { type LinuxDmaEvent, NO_DIRECTION } from "./dma-event.ts";
import { KEY_DEVICE, KEY_DIRECTION, KEY_DMA_ADDRESS, KEY_PHYS_ADDRESS, KEY_SIZE } from "./dma-keys.ts";
import { findValues, placeOf } from "./dma-line-values.ts";
import {
  HEAD,
  type LineMatcher,
  MAX_VALUES,
  NANOSECONDS,
  REST,
  SECONDS,
  TIME,
  WORD,
} from "./line-matcher.ts";
import type { MatchedText } from "./matched-text.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** Bytes of a head, and of a line. */
const MIN_HEAD = 8;
const MAX_HEAD = 60;
const MAX_LINE = 16_384;

/** Where a line begins, its time, what follows that, and where the line ends. */
interface LinePlaces {
  readonly start: number;
  readonly timeAt: number;
  readonly timeEnd: number;
  readonly end: number;
}

/** What a line says up to its time: the head of many lines. */
interface KnownHead {
  /** Did perf write it? The same text may say something else if the kernel did. */
  readonly isPerf: boolean;
  /** Number of the buffer that it names, or -1. */
  readonly buffer: number;
  readonly task: number;
  readonly pid: number;
  readonly cpu: number;
}

/** What it says from there on, but for its values. */
interface KnownRest {
  readonly isPerf: boolean;
  readonly kind: number;
  readonly device: number;
  readonly direction: number;
  readonly attributes: number;
  readonly otherAttributes: string;
  /** Keys that were read, a bit for each. */
  readonly seen: number;
  /** Where addresses and size are among the words of the values. */
  readonly dmaAt: number;
  readonly physAt: number;
  readonly sizeAt: number;
  /** Key of each value, and which of them are words that are to be read. */
  readonly keys: Uint8Array;
  readonly words: Uint8Array;
}

/**
 * Reads lines of `dma` events again that differ from lines before in their values only.
 *
 * Invariant *again*: reading such a line is reading its values, which say the same as when they are read the first time;
 * all else of it is there byte for byte, and says the same once more.
 */
export class DmaLines {
  readonly #event: LinuxDmaEvent;
  readonly #arguments: DmaArguments;
  readonly #text: MatchedText;
  #heads: KnownHead[] = [];
  #rests: KnownRest[] = [];

  /** @param text in which lines are found again */
  constructor(event: LinuxDmaEvent, dmaArguments: DmaArguments, text: MatchedText) {
    this.#text = text;
    this.#event = event;
    this.#arguments = dmaArguments;
  }

  /** Head of the line that was looked for last, if that has {@link time}. */
  get head(): KnownHead {
    return this.#heads[this.#text.matcher!.found[HEAD]!]!;
  }

  /** Where the time ends of the line that was looked for last, if its head was found; 0 if not. */
  get time(): number {
    return this.#text.matcher?.found[TIME] ?? 0;
  }

  /** Reads the line that begins at `start`; returns where the next one does, or -1. */
  readAgain(bytes: Uint8Array, start: number): number {
    const { matcher } = this.#text;
    if (matcher === undefined) return -1;
    const next = matcher.findLine(start);
    if (next === 0) return -1;
    this.#text.found();
    const { found } = matcher;
    const head = this.#heads[found[HEAD]!]!;
    const rest = this.#rests[found[REST]!]!;
    if (rest.isPerf !== head.isPerf) return -1;
    const event = this.#event;
    setOrigin(event, head, found);
    event.kind = rest.kind;
    event.device = rest.device;
    event.direction = rest.direction;
    const { values } = matcher;
    event.dmaHi = values[rest.dmaAt]!;
    event.dmaLo = values[rest.dmaAt + 1]!;
    event.physHi = values[rest.physAt]!;
    event.physLo = values[rest.physAt + 1]!;
    event.size = numberOf(values[rest.sizeAt]!, values[rest.sizeAt + 1]!);
    event.attributes = rest.attributes;
    event.otherAttributes = rest.otherAttributes;
    event.clearRest();
    return rest.words.length === 0 || this.#readWords(bytes, rest, values) ? next : -1;
  }

  /** Reads who made the event of the line that was looked for last, and when, if that has {@link time}. */
  readOrigin(): void {
    setOrigin(this.#event, this.head, this.#text.matcher!.found);
  }

  /** Reads the values that are words; false if they are not the whole of them. */
  #readWords(bytes: Uint8Array, { keys, words, seen }: KnownRest, values: Uint32Array): boolean {
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      const end = this.#arguments.values.readNoted(keys[word]!, bytes, values[word * 2]!);
      if (end !== values[word * 2 + 1]) return false;
    }
    return this.#arguments.isWhole(seen);
  }

  /**
   * Keeps a line, which was read last, if its like can come again; nothing that loggers write may stand before its head, and
   * a colon and a blank stand after its time.
   *
   * @param buffer that it names, or -1
   * @param isPerf perf wrote it
   */
  keep(
    bytes: Uint8Array,
    { start, timeAt, timeEnd, end }: LinePlaces,
    buffer: number,
    isPerf: boolean,
  ): void {
    const head = timeAt - start;
    const isKept = head >= MIN_HEAD && head <= MAX_HEAD && end - start <= MAX_LINE;
    if (!isKept || bytes[timeAt - 1] !== SPACE || !isPlain(bytes, start, end)) return;
    const matcher = this.#text.keeper();
    if (matcher === undefined) return;
    if (!matcher.makeRoom(end - start)) {
      this.#heads = [];
      this.#rests = [];
    }
    // What is kept twice takes room, and the place of others.
    const next = matcher.findLine(start);
    const hasHead = matcher.found[TIME]! > 0 && this.head.isPerf === isPerf;
    if (!hasHead && matcher.keepHead(start, timeAt) >= 0) {
      const { task, pid, cpu } = this.#event;
      this.#heads.push({ isPerf, buffer, task, pid, cpu });
    }
    if (next === 0 && matcher.findRest(timeEnd) === 0) this.#keepRest(matcher, bytes, timeEnd, end, isPerf);
  }

  /** Keeps a rest of which the first word with `=` names device or direction, and of which the values of others may differ. */
  #keepRest(matcher: LineMatcher, bytes: Uint8Array, start: number, end: number, isPerf: boolean): void {
    const { kind, device, direction, attributes, otherAttributes, truncated } = this.#event;
    const { keys, places, seen } = this.#arguments;
    const first = keys[0];
    const isKnown = first === KEY_DIRECTION || (first === KEY_DEVICE && !keys.includes(KEY_DEVICE, 1));
    if (!isKnown || truncated) return;
    const found = findValues(bytes, keys, places);
    if (found === undefined || found.keys.length > MAX_VALUES) return;
    if (matcher.keepRest(start, found.places, endOfLine(bytes, end)) < 0) return;
    this.#rests.push({
      isPerf,
      kind,
      device,
      direction: first === KEY_DIRECTION ? direction : NO_DIRECTION,
      attributes,
      otherAttributes,
      seen,
      dmaAt: placeOf(KEY_DMA_ADDRESS, found),
      physAt: placeOf(KEY_PHYS_ADDRESS, found),
      sizeAt: placeOf(KEY_SIZE, found),
      keys: Uint8Array.from(found.keys),
      words: Uint8Array.from(found.keys.keys()).filter((i) => found.places[i * 3 + 2] === WORD),
    });
  }
}

function setOrigin(event: LinuxDmaEvent, head: KnownHead, found: Int32Array): void {
  event.seconds = found[SECONDS]!;
  event.nanoseconds = found[NANOSECONDS]!;
  event.ticks = Number.NaN;
  event.cpu = head.cpu;
  event.pid = head.pid;
  event.task = head.task;
}

/** Has a text no control characters? */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! < SPACE) return false;
  return true;
}

/** After the line end that begins at `at`, of one byte or two. */
const endOfLine = (bytes: Uint8Array, at: number): number =>
  at + (bytes[at] === RETURN && bytes[at + 1] === NEWLINE ? 2 : 1);
