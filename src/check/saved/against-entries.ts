import { hex } from "../../base/u64.ts";
import { counted } from "../../base/units.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { pagesText } from "../findings/finding.ts";
import type { Severity } from "../findings/kinds.ts";
import type { Place } from "../findings/place.ts";
import { Certainty, forEachCertainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Differing stretches of one window that are reported each by itself; further ones are reported together. */
const MAX_REPORTED = 100;
/** Events that are named for one stretch. */
const MAX_PLACES = 16;

/**
 * How one window of a saved machine compares with what the trace says of it. The six classes add up to `entries`.
 *
 * @public
 */
export interface WindowAgreement {
  readonly liobn: number;
  readonly entries: number;
  /** Printed by the trace, not zero, and the same in the saved machine. */
  agreed: number;
  /** Concluded from the last entry of a list, and right. */
  confirmed: number;
  /** Zero in both. */
  empty: number;
  /** The trace does not say. */
  unknown: number;
  /** The trace says otherwise. */
  differing: number;
  /** Concluded from the last entry of a list, and wrong: the list was not linear, or the saved machine is another one. */
  contradicted: number;
  /** Of the unknown ones, those that are not zero in the saved machine. */
  unknownMapped: number;
}

/** What a comparison begins with. */
export const NO_AGREEMENT: Readonly<Omit<WindowAgreement, "liobn">> = {
  entries: 0,
  agreed: 0,
  confirmed: 0,
  empty: 0,
  unknown: 0,
  differing: 0,
  contradicted: 0,
  unknownMapped: 0,
};

/** Takes what differs; without an address it is the whole window. */
export type MismatchSink = (
  severity: Severity,
  places: readonly Place[],
  ioba: bigint | undefined,
  pages: number,
  message: string,
) => void;

/** Where a trace shows that a window came. */
export const placesOf = ({ createdAt }: RebuiltWindow): Place[] =>
  createdAt === undefined ? [] : [createdAt];

/** Compares the entries of a window with those that a saved machine has for it. */
export class EntryComparison {
  readonly #rebuilt: RebuiltWindow;
  readonly #table: TceView;
  readonly #agreement: WindowAgreement;
  readonly #mismatch: MismatchSink;
  #reported = 0;
  /** Entries that differ beyond those that are reported. */
  #untold = 0;

  /**
   * @param table of the saved machine, for a window at the same place with pages of the same size
   * @param agreement in which all entries are counted
   */
  constructor(rebuilt: RebuiltWindow, table: TceView, agreement: WindowAgreement, mismatch: MismatchSink) {
    this.#rebuilt = rebuilt;
    this.#table = table;
    this.#agreement = agreement;
    this.#mismatch = mismatch;
  }

  /** Counts all entries, and reports those that differ. */
  compare(): void {
    const agreement = this.#agreement;
    const rebuilt = this.#rebuilt;
    const table = this.#table;
    const { window } = rebuilt;
    // Of a window whose end is assumed only what both have can be compared.
    const length = Math.min(window.entries, table.length);
    const ours = shortened(window.table!.snapshot(), length);
    const theirs = shortened(table, length);
    const certainties = certaintiesBeside(rebuilt, ours, theirs);
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
      forEachCertainty(certainties, first, first + count, (from, some, certainty) => {
        this.#differs(from, some, certainty);
      });
    });
    if (this.#untold > 0) {
      const message = counted(
        this.#untold,
        "more entry of this window differs",
        "more entries of this window differ",
      );
      this.#mismatch("error", [], undefined, this.#untold, message);
    }
    const { agreed, confirmed, unknown, differing, contradicted } = agreement;
    agreement.empty = agreement.entries - agreed - confirmed - unknown - differing - contradicted;
    const all = rebuilt.certainties();
    const past = countKnown(window.table!, all) - countKnown(ours, shortened(all, length));
    if (past > 0) {
      const message = `the trace maps ${pagesText(past)} past the end that the window has in the saved machine`;
      this.#mismatch("error", placesOf(rebuilt), rebuilt.iobaOf(length), past, message);
    }
  }

  /** Books a stretch of entries that differ. */
  #differs(first: number, count: number, certainty: number): void {
    if (certainty === Certainty.UNKNOWN) return;
    const rebuilt = this.#rebuilt;
    const was = rebuilt.window.table!.get(first);
    const is = this.#table.get(first);
    const agreement = this.#agreement;
    const places: Place[] = [];
    const add = (_first: number, _count: number, place: Place): void => {
      if (places.length < MAX_PLACES) places.push(place);
    };
    rebuilt.history.forEachRun(first, first + count, add);
    const last = first + count - 1;
    if (
      certainty === Certainty.KNOWN &&
      places.length === 0 &&
      this.#mapTheSame(first) &&
      this.#mapTheSame(last)
    )
      return;
    if (places.length === 0) rebuilt.learned.forEachRun(first, first + count, add);
    if (certainty === Certainty.INFERRED) {
      agreement.confirmed -= count;
      agreement.contradicted += count;
    } else {
      agreement.differing += count;
      if (was !== 0n) agreement.agreed -= count;
    }
    if (this.#reported === MAX_REPORTED) {
      this.#untold += count;
      return;
    }
    this.#reported++;
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

  /** An entry that only a translation showed: the bits that no translation shows may be any. */
  #mapTheSame(index: number): boolean {
    const was = this.#rebuilt.window.table!.get(index);
    const is = this.#table.get(index);
    const shift = BigInt(this.#rebuilt.window.pageShift);
    return permOf(Number(was & 3n)) !== 0 && (was & 3n) === (is & 3n) && was >> shift === is >> shift;
  }
}

/**
 * How sure we are of entries beside those of a saved machine. `quiesce` and the reset of a device clear the table of a VIO
 * device and leave no line: what was stored before everything that the saved machine has may be gone.
 */
function certaintiesBeside(rebuilt: RebuiltWindow, ours: TceView, theirs: TceView): TceView {
  const { window, history } = rebuilt;
  const certainties = shortened(rebuilt.certainties(), ours.length);
  if (window.isPci) return certainties;
  let oldest = Number.POSITIVE_INFINITY;
  forEachStored(theirs, (index) => {
    oldest = Math.min(oldest, history.eventAt(index));
  });
  const doubtful = TceTable.from(certainties);
  forEachStored(ours, (index) => {
    if (history.eventAt(index) < oldest && theirs.get(index) === 0n)
      doubtful.put(index, 0, Certainty.UNKNOWN);
  });
  return doubtful;
}

/** A VIO window has few entries. */
function forEachStored(table: TceView, visit: (index: number) => void): void {
  table.forEachStoredRun(0, table.length, (first, count) => {
    for (let index = first; index < first + count; index++) visit(index);
  });
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
