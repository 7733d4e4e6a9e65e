/**
 * What a check looked at, and what it could not judge.
 *
 * @module
 */

/**
 * What was judged, in numbers.
 *
 * @public
 */
export interface Judged {
  /** Events (of a saved machine: sections). */
  readonly events: number;
  /** Windows; of Linux' recordings 0. */
  readonly windows: number;
  /** Recorded answers that were compared and are right. */
  readonly answers: number;
  /** Of Linux' recordings, else 0: devices, calls that mapped and unmapped, syncs, calls that failed, */
  readonly devices: number;
  readonly maps: number;
  readonly unmaps: number;
  readonly syncs: number;
  readonly failed: number;
  /** mappings that are alive at the end, */
  readonly alive: number;
  /** and how many devices, directions and sizes these have. */
  readonly alivePatterns: number;
}

/**
 * Something that was not judged.
 *
 * @public
 */
export interface NotJudged {
  /** How much of it there is. */
  readonly count: number;
  /** What it is and why, as words after the number. */
  readonly reason: string;
}

/** What was judged of QEMU's windows. */
export const judgedWindows = (events: number, windows: number, answers: number): Judged => ({
  events,
  windows,
  answers,
  devices: 0,
  maps: 0,
  unmaps: 0,
  syncs: 0,
  failed: 0,
  alive: 0,
  alivePatterns: 0,
});

/** Those of a list that there are any of. */
export const thatOccur = (list: readonly NotJudged[]): NotJudged[] => list.filter(({ count }) => count > 0);
