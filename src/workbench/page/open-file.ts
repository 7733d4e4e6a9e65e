import type { Progress, ShownFinding, Summary } from "../protocol.ts";

/** A file that was opened, or is being read. */
export interface OpenFile {
  readonly number: number;
  readonly name: string;
  readonly example: string | undefined;
  readonly progress: Progress | undefined;
  readonly summary: Summary | undefined;
  readonly isDone: boolean;
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
  error: undefined,
  findings: [],
  left: 0,
  notJudged: [],
});
