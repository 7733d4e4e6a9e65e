import { formatCount, formatTime } from "../../base/units.ts";
import type { CheckOptions } from "../check-options.ts";
import { pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { type Place, placeText } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { MadeCounter } from "./made-counter.ts";

/** Parts of a trace in each of which entries must be mapped: a pool that is filled once is no leak. */
const PARTS = 4;
/** Of all mappings each part has at least the share of an even spread, divided by this. */
const UNEVEN = 4;
/** Of so many mapped entries one may be unmapped: a driver tries things out when it starts. */
const GONE = 100;
/** Of so many mapped entries one may be one that was mapped before. */
const REUSED = 10;
/** Pages for each mapping that the threshold counts: a ring or two are filled while a driver starts. */
const PAGES = 16;

/** What was mapped in a window with one permission. */
export interface MappedSoFar {
  readonly made: MadeCounter;
  /** Entries that were unmapped. */
  readonly gone: number;
  /** The first one that was mapped and lives. */
  readonly first: Place;
  /** From the first map to the last one; NaN without times. */
  readonly seconds: number;
}

/**
 * Finds out whether next to nothing of what a window maps is ever unmapped, though more is mapped all the time.
 *
 * @param now events of the trace
 */
export function findNeverUnmapped(
  { window }: RebuiltWindow,
  { made, gone, first, seconds }: MappedSoFar,
  now: number,
  { neverUnmapped }: CheckOptions,
  log: FindingLog,
): boolean {
  const { total } = made;
  const { liobn, busOffset, entries, table } = window;
  const live = table!.validCount;
  const enough = total >= neverUnmapped * PAGES;
  // Entries that are mapped again and again use up no addresses.
  if (!enough || live * REUSED < total * (REUSED - 1) || gone * GONE > total) return false;
  if (!isSteady(made, first.event, now)) return false;
  const events = now - first.event;
  const left = Math.ceil(((entries - live) * events) / total);
  const unmapped = gone === 0 ? "none of them was" : `${formatCount(gone)} of them were`;
  log.add({
    kind: "never-unmapped",
    liobn,
    ioba: busOffset,
    pages: live,
    places: [first],
    message: `${pagesText(total)} were mapped from ${placeText(first)} on, and ${unmapped} unmapped: ${formatCount(live)} of ${formatCount(entries)} are in use, and at this rate all of them after ${formatCount(left)} events more${timeText(total, entries - live, seconds)}`,
  });
  return true;
}

/** ` (53.8 pages a second: 41 min 20 s)`: how fast that goes, and how long until no page is left. */
function timeText(total: number, left: number, seconds: number): string {
  if (!(seconds > 0)) return "";
  const rate = total / seconds;
  return ` (${Number(rate.toPrecision(3))} pages a second: ${formatTime(left / rate)})`;
}

/** Was something mapped in all parts of the trace? */
function isSteady(made: MadeCounter, first: number, now: number): boolean {
  const since = (part: number): number =>
    made.madeSince(first - 1 + Math.floor(((now - first + 1) * part) / PARTS));
  for (let part = 0; part < PARTS; part++) {
    const later = part + 1 < PARTS ? since(part + 1) : 0;
    if (since(part) - later < made.total / PARTS / UNEVEN) return false;
  }
  return true;
}
