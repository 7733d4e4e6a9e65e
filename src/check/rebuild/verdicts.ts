import { type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import { type Mismatch, mismatchOf } from "./mismatch.ts";
import type { RebuildObserver } from "./observer.ts";
import { Certainty, type RebuiltWindow } from "./rebuilt-window.ts";

/** Mismatches that are kept with their text; all are counted. */
const MAX_KEPT_MISMATCHES = 1000;

/**
 * What was compared, and how it came out.
 *
 * @public
 */
export interface RebuildCounts {
  /** Statuses and H_GET_TCE values that the trace determines, and the engine gave. */
  statuses: number;
  /** Translations of known entries (and of known emptiness) that the engine gave. */
  translations: number;
  /** Translations and reads that confirmed inferred entries, which are known from then on. */
  confirmed: number;
  /** Translations and reads that contradicted an inferred entry. */
  contradicted: number;
  /** Translations and reads of unknown entries, which are known from then on. */
  learned: number;
  /** Events about windows of which the trace has not shown enough. */
  undetermined: number;
  /** VIO tables found empty that the trace left full: `quiesce` and resets leave no line. */
  silentClears: number;
  mismatches: number;
}

/** Keeps count of what was compared. */
export class Verdicts {
  readonly counts: RebuildCounts = {
    statuses: 0,
    translations: 0,
    confirmed: 0,
    contradicted: 0,
    learned: 0,
    undetermined: 0,
    silentClears: 0,
    mismatches: 0,
  };
  readonly mismatches: Mismatch[] = [];
  readonly #observer: RebuildObserver | null;

  constructor(observer: RebuildObserver | null) {
    this.#observer = observer;
  }

  /** The trace does not determine this answer. */
  skip(): void {
    this.counts.undetermined++;
  }

  /** Books a look at an entry that is not known: it is from now on, as the event shows it. */
  learn(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, same: boolean): void {
    if (rebuilt.certainty(index) === Certainty.UNKNOWN) this.counts.learned++;
    else if (same) this.counts.confirmed++;
    else {
      this.counts.contradicted++;
      this.#observer?.contradicted(event, rebuilt, index);
    }
    rebuilt.learned.note(index, 1, event.number, event.position);
    if (!same) {
      // A translation prints the permission apart from the target, a read the whole entry.
      const tceLo = event.kind === XLATE ? (event.tceLo | event.perm) >>> 0 : event.tceLo;
      rebuilt.window.table!.put(index, event.tceHi, tceLo);
    }
    rebuilt.mark(index, 1, Certainty.KNOWN);
  }

  /**
   * Books an entry that was found empty, and is not by the trace. Of a VIO device that is no mismatch: `quiesce` and a
   * device reset clear its table and leave no line.
   *
   * @returns false if that is not the reason
   */
  cleared(rebuilt: RebuiltWindow, index: number): boolean {
    if (rebuilt.window.isPci || rebuilt.certainty(index) === Certainty.UNKNOWN) return false;
    this.counts.silentClears++;
    rebuilt.clearedSince(index);
    return true;
  }

  mismatch(event: QemuTraceEvent, expected: string, actual: string, start?: bigint): void {
    this.tell(mismatchOf(event, expected, actual, start));
  }

  /** Books a mismatch of an event that may be past. */
  tell(mismatch: Mismatch): void {
    this.counts.mismatches++;
    if (this.mismatches.length < MAX_KEPT_MISMATCHES) this.mismatches.push(mismatch);
    this.#observer?.mismatch(mismatch);
  }

  /** A window turned out to start so many bytes later than was assumed. */
  moved(rebuilt: RebuiltWindow, bytes: bigint): void {
    this.#observer?.moved(rebuilt, bytes);
  }
}
