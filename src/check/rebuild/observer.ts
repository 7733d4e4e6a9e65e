import type { Permission } from "../../base/permission.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { Refusal } from "../../spapr/observer.ts";
import type { Place } from "../findings/place.ts";
import type { RebuiltWindow } from "./rebuilt-window.ts";
import type { Mismatch } from "./verdicts.ts";

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
  mismatch(event: QemuTraceEvent, mismatch: Mismatch): void;
}
