import { numberOf } from "../../base/u64.ts";
import {
  HEAD,
  type LineMatcher,
  MAX_VALUES,
  NANOSECONDS,
  REST,
  SECONDS,
  TIME,
  VALUES,
  WORD,
} from "../lines/line-matcher.ts";
import type { DmaArguments } from "./dma-arguments.ts";
import { type LinuxDmaEvent, NO_DIRECTION } from "./dma-event.ts";
import { KEY_DEVICE, KEY_DIRECTION, KEY_DMA_ADDRESS, KEY_PHYS_ADDRESS, KEY_SIZE } from "./dma-keys.ts";
import { findValues, placeOf } from "./dma-line-values.ts";
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
  /** Where addresses and size are among the words of a record. */
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

  /** Head of the line with this record. */
  headOf(records: Uint32Array, record: number): KnownHead {
    return this.#heads[records[record + HEAD]!]!;
  }

  /** Reads a line that was found; false if it has to be read in another way. */
  readAgain(bytes: Uint8Array, records: Uint32Array, record: number): boolean {
    const head = this.headOf(records, record);
    const rest = this.#rests[records[record + REST]!]!;
    if (rest.isPerf !== head.isPerf) return false;
    const event = this.#event;
    setOrigin(event, head, records, record);
    event.kind = rest.kind;
    event.device = rest.device;
    event.direction = rest.direction;
    const dmaAt = record + rest.dmaAt;
    event.dmaHi = records[dmaAt]!;
    event.dmaLo = records[dmaAt + 1]!;
    const physAt = record + rest.physAt;
    event.physHi = records[physAt]!;
    event.physLo = records[physAt + 1]!;
    const sizeAt = record + rest.sizeAt;
    event.size = numberOf(records[sizeAt]!, records[sizeAt + 1]!);
    event.attributes = rest.attributes;
    event.otherAttributes = rest.otherAttributes;
    event.clearRest();
    return rest.words.length === 0 || this.#readWords(bytes, rest, records, record + VALUES);
  }

  /** Reads who made the event of a line of which the head was found, and when. */
  readOrigin(records: Uint32Array, record: number): void {
    setOrigin(this.#event, this.headOf(records, record), records, record);
  }

  /** Reads the values that are words; false if they are not the whole of them. */
  #readWords(
    bytes: Uint8Array,
    { keys, words, seen }: KnownRest,
    records: Uint32Array,
    values: number,
  ): boolean {
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      const end = this.#arguments.values.readNoted(keys[word]!, bytes, records[values + word * 2]!);
      if (end !== records[values + word * 2 + 1]) return false;
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
    const { records } = matcher;
    const isFound = matcher.findLines(start, end, true) > 0;
    const hasHead = records[TIME]! > 0 && this.headOf(records, 0).isPerf === isPerf;
    if (!hasHead && matcher.keepHead(start, timeAt) >= 0) {
      const { task, pid, cpu } = this.#event;
      this.#heads.push({ isPerf, buffer, task, pid, cpu });
    }
    if (!isFound && matcher.findLines(timeEnd, end, false) === 0)
      this.#keepRest(matcher, bytes, timeEnd, end, isPerf);
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

function setOrigin(event: LinuxDmaEvent, head: KnownHead, records: Uint32Array, record: number): void {
  event.seconds = records[record + SECONDS]!;
  event.nanoseconds = records[record + NANOSECONDS]!;
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
