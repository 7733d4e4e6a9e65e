/**
 * What a check looked at, and what it could not judge.
 *
 * @module
 */

import { hex } from "../../base/u64.ts";

/** Windows that are named of those of which something is assumed. */
const MAX_NAMED = 4;

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
  /** Events of the host's side in a log of QEMU (`vfio_*`), and QEMU's messages of calls to the host that failed. */
  readonly hostEvents: number;
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
  /** Lines of the kernel's log and of its other events that say something of DMA, */
  readonly kernelLines: number;
  /** and ranges that the IOMMU's own events mapped, and of these the ones that are alive at the end. */
  readonly ranges: number;
  readonly rangesAlive: number;
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
  /** Would more of the recording be wanted to judge it? Then nothing is fine, though nothing was found. */
  readonly isMissing?: boolean | undefined;
}

/** What was judged of QEMU's windows. */
export const judgedWindows = (events: number, windows: number, answers: number, hostEvents = 0): Judged => ({
  events,
  windows,
  answers,
  hostEvents,
  devices: 0,
  maps: 0,
  unmaps: 0,
  syncs: 0,
  failed: 0,
  alive: 0,
  alivePatterns: 0,
  kernelLines: 0,
  ranges: 0,
  rangesAlive: 0,
});

/** Windows of which something is assumed, and what. */
export function assumedWindows(
  windows: readonly { liobn: number; assumedParts: readonly string[] }[],
): NotJudged[] {
  const parts = new Map<number, string>();
  for (const { liobn, assumedParts } of windows)
    if (assumedParts.length > 0) parts.set(liobn, assumedParts.join(", "));
  const named = [...parts].slice(0, MAX_NAMED).map(([liobn, what]) => `${hex(liobn)}: ${what}`);
  const more = parts.size > MAX_NAMED ? ", …" : "";
  return thatOccur([
    { count: parts.size, reason: `windows whose geometry is partly assumed (${named.join("; ")}${more})` },
  ]);
}

/** What a reason in the plural begins with, and its verb if that stands next. */
const PLURAL = /^(\w+)s\b( that (?:name|are|stand|share)\b)?/;
const SINGULAR: Readonly<Record<string, string>> = {
  " that name": " that names",
  " that are": " that is",
  " that stand": " that stands",
  " that share": " that shares",
};

/** Those of a list that there are any of; what is given in the plural is told of one in the singular. */
export const thatOccur = (list: readonly NotJudged[]): NotJudged[] =>
  list
    .filter(({ count }) => count > 0)
    .map(({ count, reason, isMissing }) => ({
      count,
      ...(isMissing === true ? { isMissing } : {}),
      reason: count === 1 ? reason.replace(PLURAL, singular) : reason,
    }));

const singular = (_: string, noun: string, verb: string | undefined): string =>
  noun + (verb === undefined ? "" : SINGULAR[verb]!);
