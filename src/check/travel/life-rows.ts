import { Column } from "./column.ts";

/** The start of what was mapped before the recording began, or by nobody knows which event. */
export const BEFORE_ALL: number = 2 ** 32 - 1;

/** Mappings that ended, in the order of their ends: pieces of a window (a span) that one event mapped and another unmapped. */
export class LifeRows {
  readonly spans: Column = Column.u16();
  readonly firsts: Column = Column.u32();
  readonly counts: Column = Column.u32();
  /** Number of the event that mapped it; {@link BEFORE_ALL}. */
  readonly starts: Column = Column.u32();
  readonly ends: Column = Column.u32();

  get length(): number {
    return this.ends.length;
  }

  push(span: number, first: number, count: number, start: number, end: number): void {
    this.spans.push(span);
    this.firsts.push(first);
    this.counts.push(count);
    this.starts.push(start);
    this.ends.push(end);
  }
}
