import type { Permission } from "../../base/permission.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { Refusal } from "../../spapr/observer.ts";
import type { Place } from "../findings/place.ts";
import type { Mismatch } from "./mismatch.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";

/** Why a window went. */
export type Removal =
  /** `ibm,remove-pe-dma-window`. */
  | "removed"
  /** `ibm,reset-pe-dma-window`, a reset of the machine, a bridge that was plugged anew, a migration. */
  | "reset";

/**
 * Is notified of what a rebuilt trace does to its windows: of changes before they
 * are made, and only if the recorded call succeeded.
 */
export interface RebuildObserver {
  /**
   * Entries `[first, first + count)` are about to be stored.
   *
   * @param was permission that the first of them has until then; nearly every call stores but one
   */
  changing(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    first: number,
    count: number,
    was: Permission,
  ): void;
  /** They were stored, and the engine gave the recorded status. */
  changed(event: QemuTraceEvent, rebuilt: RebuiltWindow): void;
  /**
   * A translation that failed, or that the engine (`same` is false) does not
   * give, of an entry of a window; called before it is compared.
   *
   * @returns true if that explains it, so that it is not to be compared
   */
  translated(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, same: boolean): boolean;
  /** A translation outside of the table. */
  outside(event: QemuTraceEvent, rebuilt: RebuiltWindow): void;
  /** A call that both the real system and the engine refused. */
  refused(event: QemuTraceEvent, refusal: Refusal | undefined): void;
  created(rebuilt: RebuiltWindow): void;
  /** The window is still as it was. */
  removing(rebuilt: RebuiltWindow, place: Place, how: Removal): void;
  mismatch(mismatch: Mismatch): void;
  /** A translation or a read shows that an entry is not what was concluded from the last one of its list. */
  contradicted(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number): void;
  /** A window starts so many bytes later than was assumed; what calls did is at its bus address all the same. */
  moved(rebuilt: RebuiltWindow, bytes: bigint): void;
}

/** Watches a rebuild while somebody else feeds it: what happens between two events, and to which windows. */
export interface RebuildWatch extends Pick<RebuildObserver, "changing" | "changed" | "removing"> {
  /** A window is followed from here on. */
  created(): void;
  /** The next event is about to happen. */
  before(event: QemuTraceEvent): void;
  /** It happened. */
  after(event: QemuTraceEvent): void;
  /** Events are missing here, and the windows are about to be doubted. */
  losing(): void;
  /** There was the last event, and what waited for a next one is about to happen; */
  ending(): void;
  /** it did. */
  ended(): void;
}
