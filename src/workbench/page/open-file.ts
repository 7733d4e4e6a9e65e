import type { Progress, ShownFinding, Summary } from "../protocol.ts";

/** A file that was opened, or is being read. */
export interface OpenFile {
  readonly number: number;
  readonly name: string;
  readonly example: string | undefined;
  readonly progress: Progress | undefined;
  readonly summary: Summary | undefined;
  readonly isDone: boolean;
  /** When it was opened, and when its summary was taken over; milliseconds of `performance.now`. */
  readonly openedAt: number;
  readonly shownAt: number | undefined;
  /** Why it cannot be read. */
  readonly error: string | undefined;
  readonly findings: readonly ShownFinding[];
  /** Findings beyond those. */
  readonly left: number;
  readonly notJudged: readonly string[];
}

/** A file that is opened, of which nothing is known. */
export const newFile = (number: number, name: string, example: string | undefined): OpenFile => ({
  number,
  name,
  example,
  progress: undefined,
  summary: undefined,
  isDone: false,
  openedAt: performance.now(),
  shownAt: undefined,
  error: undefined,
  findings: [],
  left: 0,
  notJudged: [],
});
