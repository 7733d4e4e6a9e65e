import { hex } from "../base/u64.ts";
import type { SavedWindow } from "../formats/migration/stream.ts";
import { DEFAULT_PAGE_SHIFT, PCI_LIOBN_FLAG } from "../spapr/papr.ts";
import { diff } from "../tce/diff.ts";
import { permOf } from "../tce/tce.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { TceView } from "../tce/tce-view.ts";
import { type FindingLog, type Place, pagesText } from "./finding.ts";
import type { Rebuild } from "./rebuild.ts";
import { Certainty, type RebuiltWindow } from "./rebuilt-window.ts";
import { bridgeOf } from "./stream-headers.ts";

/** Differing stretches of one window that are told each by itself; further ones are told together. */
const MAX_TOLD = 100;
/** Events that are named for one stretch. */
const MAX_PLACES = 16;

/** How one window of a saved machine compares with what the trace says of it. The six classes add up to `entries`. */
export interface WindowAgreement {
  readonly liobn: number;
  readonly entries: number;
  /** Printed by the trace, not zero, and the same in the saved machine. */
  agreed: number;
  /** Concluded from the last entry of a list, and right. */
  confirmed: number;
  /** Zero in both. */
  empty: number;
  /** The trace does not tell. */
  unknown: number;
  /** The trace tells otherwise. */
  differing: number;
  /** Concluded from the last entry of a list, and wrong: the list was not linear, or the saved machine is another one. */
  contradicted: number;
  /** Of the unknown ones, those that are not zero in the saved machine. */
  unknownMapped: number;
}

/**
 * Compares the windows of a trace, as they are now, with those of a saved machine.
 *
 * @param log takes a finding for each stretch of entries that differ
 */
export function compareWithSaved(
  rebuild: Rebuild,
  saved: readonly SavedWindow[],
  log: FindingLog,
): WindowAgreement[] {
  const agreements = saved.map((window) => new WindowComparison(rebuild, window, log).compare());
  findMissing(rebuild, saved, log);
  return agreements;
}

/** Windows of which the trace knows that they are there, but which the saved machine has no section for. */
function findMissing(rebuild: Rebuild, saved: readonly SavedWindow[], log: FindingLog): void {
  for (const rebuilt of rebuild.windows.values()) {
    const { liobn, isPci } = rebuilt.window;
    // A bridge or device of which nothing was saved was unplugged, which leaves no line.
    const ownerIsThere = saved.some((one) => isPci && bridgeOf(one.liobn) === bridgeOf(liobn));
    if (rebuilt.assumed || !ownerIsThere || saved.some((one) => one.liobn === liobn)) continue;
    log.add({
      kind: "mismatch",
      severity: "error",
      places: placesOf(rebuilt),
      message: "the window is there by all that the trace tells, and the saved machine does not have it",
    });
  }
}

const placesOf = ({ createdAt }: RebuiltWindow): Place[] => (createdAt === undefined ? [] : [createdAt]);

class WindowComparison {
  readonly #rebuild: Rebuild;
  readonly #saved: SavedWindow;
  readonly #log: FindingLog;
  readonly #agreement: WindowAgreement;
  #told = 0;
  /** Entries that differ beyond those that are told. */
  #untold = 0;

  constructor(rebuild: Rebuild, saved: SavedWindow, log: FindingLog) {
    this.#rebuild = rebuild;
    this.#saved = saved;
    this.#log = log;
    const { liobn, entries } = saved;
    const none = {
      agreed: 0,
      confirmed: 0,
      empty: 0,
      unknown: 0,
      differing: 0,
      contradicted: 0,
      unknownMapped: 0,
    };
    this.#agreement = { liobn, entries, ...none };
  }

  compare(): WindowAgreement {
    const agreement = this.#agreement;
    const { liobn, entries, table } = this.#saved;
    const rebuilt = this.#rebuild.windows.get(liobn);
    if (rebuilt === undefined) this.#compareMissing();
    else if (table === null) this.#compareGone(rebuilt);
    else if (this.#isElsewhere(rebuilt)) this.#compareElsewhere(rebuilt);
    else this.#compareEntries(rebuilt, table);
    if (agreement.unknown === entries) agreement.unknownMapped = table?.storedCount ?? 0;
    return agreement;
  }

  /** The trace has no such window: is that because it cannot know? */
  #compareMissing(): void {
    const { entries } = this.#saved;
    const sibling = this.#seenSibling();
    if (entries === 0 || sibling === undefined) {
      this.#agreement.unknown = entries;
      return;
    }
    this.#agreement.differing = entries;
    const also = `the trace tells of its bridge from the start on (LIOBN ${hex(sibling.window.liobn)})`;
    this.#mismatch(
      "error",
      placesOf(sibling),
      undefined,
      entries,
      `the saved machine has the window, the trace does not, and ${also}`,
    );
  }

  /** A window of the same bridge that was seen to come: then all windows of the bridge were. */
  #seenSibling(): RebuiltWindow | undefined {
    const { liobn } = this.#saved;
    if (liobn < PCI_LIOBN_FLAG) return undefined;
    const windows = [...this.#rebuild.windows.values()];
    return windows.find(
      ({ window, assumed, createdAt }) =>
        window.isPci && bridgeOf(window.liobn) === bridgeOf(liobn) && !assumed && createdAt !== undefined,
    );
  }

  /** The saved machine says that the window is not there. */
  #compareGone(rebuilt: RebuiltWindow): void {
    if (rebuilt.assumed) return;
    const { entries } = rebuilt.window;
    const message =
      "the window is there by all that the trace tells, and the saved machine says that it is not";
    this.#mismatch("error", placesOf(rebuilt), undefined, entries, message);
  }

  #isElsewhere({ window, assumed }: RebuiltWindow): boolean {
    const { busOffset, pageShift } = this.#saved.geometry ?? { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };
    const same = window.busOffset === busOffset && window.pageShift === pageShift;
    return !same || (!assumed && window.entries !== this.#saved.entries);
  }

  #compareElsewhere(rebuilt: RebuiltWindow): void {
    const { entries, geometry } = this.#saved;
    if (rebuilt.assumed) {
      this.#agreement.unknown = entries;
      return;
    }
    this.#agreement.differing = entries;
    const shape = (count: number, shift: number, start: bigint): string =>
      `${pagesText(count)} of 2^${shift} bytes at ${hex(start)}`;
    const { window } = rebuilt;
    const ours = shape(window.entries, window.pageShift, window.busOffset);
    const theirs = shape(entries, geometry?.pageShift ?? DEFAULT_PAGE_SHIFT, geometry?.busOffset ?? 0n);
    this.#mismatch(
      "error",
      placesOf(rebuilt),
      undefined,
      entries,
      `the window has ${ours} by the trace, and ${theirs} in the saved machine`,
    );
  }

  #compareEntries(rebuilt: RebuiltWindow, table: TceView): void {
    const agreement = this.#agreement;
    const { window } = rebuilt;
    // quiesce and the reset of a device clear its table and leave no line.
    if (!window.isPci && table.storedCount === 0 && window.table!.storedCount > 0) {
      agreement.unknown = agreement.entries;
      return;
    }
    // Of a window whose end is assumed only what both have can be compared.
    const length = Math.min(window.entries, table.length);
    const ours = shortened(window.table!.snapshot(), length);
    const theirs = shortened(table, length);
    const certainties = shortened(rebuilt.certainties(), length);
    agreement.agreed = countKnown(ours, certainties);
    agreement.unknown = table.length - length;
    agreement.unknownMapped = countStored(table, length, table.length);
    certainties.forEachStoredRun(0, length, (first, count, _hi, certainty) => {
      if (certainty === Certainty.INFERRED) agreement.confirmed += count;
      else {
        agreement.unknown += count;
        agreement.unknownMapped += countStored(theirs, first, first + count);
      }
    });
    diff(ours, theirs, (first, count) => {
      let at = first;
      certainties.forEachStoredRun(first, first + count, (from, some, _hi, certainty) => {
        this.#differs(rebuilt, theirs, at, from - at, Certainty.KNOWN);
        this.#differs(rebuilt, theirs, from, some, certainty);
        at = from + some;
      });
      this.#differs(rebuilt, theirs, at, first + count - at, Certainty.KNOWN);
    });
    if (this.#untold > 0) {
      const message = `${this.#untold} more entries of this window differ`;
      this.#mismatch("error", [], undefined, this.#untold, message);
    }
    const { agreed, confirmed, unknown, differing, contradicted } = agreement;
    agreement.empty = agreement.entries - agreed - confirmed - unknown - differing - contradicted;
    const behind = countKnown(window.table!, rebuilt.certainties()) - countKnown(ours, certainties);
    if (behind > 0) {
      const message = `the trace maps ${pagesText(behind)} behind the end that the window has in the saved machine`;
      this.#mismatch("error", placesOf(rebuilt), rebuilt.iobaOf(length), behind, message);
    }
  }

  /** Books a stretch of entries that differ. */
  #differs(rebuilt: RebuiltWindow, theirs: TceView, first: number, count: number, certainty: number): void {
    if (count === 0 || certainty === Certainty.UNKNOWN) return;
    const was = rebuilt.window.table!.get(first);
    const is = theirs.get(first);
    const agreement = this.#agreement;
    const places: Place[] = [];
    rebuilt.history.forEachRun(first, first + count, (_from, _count, place) => {
      if (places.length < MAX_PLACES) places.push(place);
    });
    if (
      certainty === Certainty.KNOWN &&
      places.length === 0 &&
      mapsTheSame(was, is, rebuilt.window.pageShift)
    )
      return;
    if (certainty === Certainty.INFERRED) {
      agreement.confirmed -= count;
      agreement.contradicted += count;
    } else {
      agreement.differing += count;
      if (was !== 0n) agreement.agreed -= count;
    }
    if (this.#told === MAX_TOLD) {
      this.#untold += count;
      return;
    }
    this.#told++;
    const guess = certainty === Certainty.INFERRED ? " (concluded from the last entry of a list)" : "";
    const many = count === 1 ? "" : `, and so on for ${pagesText(count)}`;
    this.#mismatch(
      certainty === Certainty.INFERRED ? "warning" : "error",
      places.length > 0 ? places : placesOf(rebuilt),
      rebuilt.iobaOf(first),
      count,
      `entry ${first} is ${hex(was)} by the trace${guess} and ${hex(is)} in the saved machine${many}`,
    );
  }

  #mismatch(
    severity: "error" | "warning",
    places: readonly Place[],
    ioba: bigint | undefined,
    pages: number,
    message: string,
  ): void {
    const { busOffset } = this.#saved.geometry ?? { busOffset: 0n };
    const { liobn } = this.#saved;
    this.#log.add({ kind: "mismatch", severity, liobn, ioba: ioba ?? busOffset, pages, places, message });
  }
}

/** An entry that only a translation told of: the bits that no translation shows may be any. */
function mapsTheSame(was: bigint, is: bigint, pageShift: number): boolean {
  const shift = BigInt(pageShift);
  return permOf(Number(was & 3n)) !== 0 && (was & 3n) === (is & 3n) && was >> shift === is >> shift;
}

const shortened = (table: TceView, length: number): TceView =>
  table.length === length ? table : TceTable.cut(table, length);

/** Entries that are not zero and that the trace printed. */
function countKnown(table: TceView, certainties: TceView): number {
  let known = table.storedCount;
  certainties.forEachStoredRun(0, table.length, (first, count) => {
    known -= countStored(table, first, first + count);
  });
  return known;
}

function countStored(table: TceView, first: number, end: number): number {
  let stored = 0;
  table.forEachStoredRun(first, end, (_first, count) => {
    stored += count;
  });
  return stored;
}
