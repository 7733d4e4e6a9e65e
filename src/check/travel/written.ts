/** The start of what was mapped before the recording began, or by nobody knows which event. */
export const BEFORE_ALL: number = 2 ** 32 - 1;

/** Takes the rows of `EntryWrites`. */
export interface WriteVisitor {
  /**
   * Entries take values, the first of them `(hi, lo)`.
   *
   * @param step 1: each further one is a page size more; 0: all are the same
   */
  value(span: number, first: number, count: number, hi: number, lo: number, step: number): void;
  /** We are so sure of entries. */
  sure(span: number, first: number, count: number, certainty: number): void;
  /** It was that event that changed entries last. */
  made(span: number, first: number, count: number, event: number): void;
}

/** A stretch of a window, and the event that does something to it. */
export interface WrittenStretch {
  readonly event: number;
  readonly span: number;
  readonly first: number;
  readonly count: number;
}

/** What the first entry of a stretch holds, and whether each further one is a page size more (1) or the same (0). */
export interface RunValue {
  readonly hi: number;
  readonly lo: number;
  readonly step: number;
}
