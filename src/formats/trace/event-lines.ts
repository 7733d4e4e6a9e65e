import { type FoundLines, RUN_BASE, RUN_FROM, RUN_RECORDS, RUN_WORDS } from "../lines/found-lines.ts";
import { BrokenLine } from "./broken-line.ts";
import { LineCopy } from "./line-copy.ts";
import { LinePrefix } from "./line-prefix.ts";
import { type DamagedLine, keepDamaged, LineReader } from "./line-reader.ts";
import { LineTwins } from "./line-twins.ts";
import { MatchedText } from "./matched-text.ts";

const NEWLINE = 0x0a;

/** What a text of events has of lines that could not be read. */
interface UnreadLines {
  /** Lines that name an event and do not read as one. */
  damaged: number;
  /** Lines too long to be kept. */
  long: number;
  /** 1 if the last line has no line end. */
  torn: number;
  /** Lines that stand twice, each of which is read once. */
  twins: number;
}

/** Reads a text whose lines are events; mailers may have broken one into several lines. */
export abstract class EventLines extends LineReader {
  abstract readonly counts: UnreadLines;
  /** The first few damaged lines. */
  readonly damagedLines: DamagedLine[] = [];
  /** What loggers put before an event. */
  protected readonly prefix: LinePrefix = new LinePrefix();
  /** A line that names an event and may go on in the next ones. */
  protected readonly broken: BrokenLine = new BrokenLine();
  /** A line without its colours. */
  protected readonly plain: LineCopy = new LineCopy();
  /** What finds lines again. */
  protected readonly matched: MatchedText = new MatchedText();
  #twins: LineTwins | undefined;

  /** From here on a line that stands twice is read once. */
  readTwinsOnce(): void {
    this.#twins ??= new LineTwins();
  }

  override push(data: Uint8Array): void {
    const found = this.#twins === undefined ? this.matched.foundIn(data) : undefined;
    if (found === undefined) super.push(data);
    else this.#pushFound(data, found);
  }

  override end(): void {
    super.end();
    this.giveUp();
  }

  /** Reads the whole lines in `[start, end)`; counts {@link line} up at each. */
  protected abstract readEvents(bytes: Uint8Array, start: number, end: number): void;

  /**
   * Reads lines that were found, of which the first begins at `start`; returns where the first one begins that is to be read in
   * another way, or where they end.
   *
   * @param bytes that positions in the records are of; nothing need follow them
   * @param first where the first one's record is, from which on these count
   * @param stop where the first one is that is not of them
   */
  protected abstract readFound(
    bytes: Uint8Array,
    start: number,
    records: Uint32Array,
    first: number,
    stop: number,
  ): number;

  protected override blockFor(bytes: number): Uint8Array<ArrayBuffer> | undefined {
    return this.matched.blockFor(bytes);
  }

  protected override readLines(bytes: Uint8Array, start: number, end: number): void {
    this.matched.begin(bytes);
    const twins = this.#twins;
    if (twins === undefined) {
      this.readEvents(bytes, start, end);
      return;
    }
    for (let at = start; at < end; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      if (twins.isSecond(bytes, at, newline)) this.line++;
      else this.readEvents(bytes, at, newline + 1);
      at = newline + 1;
    }
    this.counts.twins = twins.count;
  }

  protected override longLine(): void {
    this.counts.long++;
  }

  protected override tornLine(): void {
    this.counts.torn++;
  }

  /** The line that was broken does not go on: it is damaged. */
  protected giveUp(): void {
    const { broken } = this;
    if (broken.line === 0) return;
    this.counts.damaged++;
    keepDamaged(this.damagedLines, broken.line, broken.whole[0]!.bytes, 0, broken.first);
    broken.close();
  }

  /** Reads what was found before, and what is between in the usual way. */
  #pushFound(data: Uint8Array, found: FoundLines): void {
    const { words } = found;
    let at = 0;
    let base = 0;
    let bytes = data;
    for (let run = 0, next = 0; run < words.length; run = next) {
      const from = words[run + RUN_FROM]!;
      const first = run + RUN_RECORDS;
      next = first + words[run + RUN_WORDS]!;
      this.pushPart(data, at, from);
      at = from;
      if (!this.isBetweenLines || !found.isCurrent) continue;
      if (words[run + RUN_BASE] !== base) {
        base = words[run + RUN_BASE]!;
        bytes = data.subarray(base);
      }
      const before = this.line;
      at = base + this.readFound(bytes, from - base, words, first, next);
      this.matched.found(this.line - before);
    }
    this.pushPart(data, at, data.length);
  }
}
