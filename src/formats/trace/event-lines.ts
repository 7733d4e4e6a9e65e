import { BrokenLine, LineCopy } from "./broken-line.ts";
import { LinePrefix } from "./line-prefix.ts";
import { type DamagedLine, keepDamaged, LineReader } from "./line-reader.ts";

/** What a text of events has of lines that could not be read. */
interface UnreadLines {
  /** Lines that name an event and do not read as one. */
  damaged: number;
  /** Lines too long to be kept. */
  long: number;
  /** 1 if the last line has no line end. */
  torn: number;
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

  override end(): void {
    super.end();
    this.giveUp();
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
    keepDamaged(this.damagedLines, broken.line, broken.bytes, 0, broken.first);
    broken.close();
  }
}
