import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { Place } from "../findings/place.ts";
import { PositionScale } from "./entry-history.ts";
import type { RebuildObserver, Removal } from "./observer.ts";
import { RebuiltWindow } from "./rebuilt-window.ts";

/** The windows that are enabled at one moment of a trace. */
export class RebuiltWindows {
  readonly scale: PositionScale = new PositionScale();
  readonly #byLiobn = new Map<number, RebuiltWindow>();
  /**
   * The window found last: nearly all events are of the window of the one before.
   *
   * Invariant *there*: one of {@link #byLiobn} under its own LIOBN, or undefined; {@link add} and {@link remove}, the
   * only ways in which windows come and go, forget it.
   */
  #last: RebuiltWindow | undefined;
  readonly #observer: RebuildObserver | null;

  constructor(observer: RebuildObserver | null) {
    this.#observer = observer;
  }

  get byLiobn(): ReadonlyMap<number, RebuiltWindow> {
    return this.#byLiobn;
  }

  /** The window of an event. */
  find(event: QemuTraceEvent): RebuiltWindow | undefined {
    const last = this.#last;
    if (last !== undefined && event.liobnHi === 0 && event.liobnLo === last.window.liobn) return last;
    this.#last = this.#byLiobn.get(event.liobn);
    return this.#last;
  }

  /**
   * Begins to follow a window.
   *
   * @param certainty how sure we are of its entries
   * @param assumed its geometry is a guess
   * @param createdAt undefined for one that was there before
   */
  add(window: DmaWindow, certainty: number, assumed: boolean, createdAt: Place | undefined): RebuiltWindow {
    const rebuilt = new RebuiltWindow(window, certainty, assumed, this.scale, createdAt);
    this.#last = undefined;
    this.#byLiobn.set(window.liobn, rebuilt);
    this.#observer?.created(rebuilt);
    return rebuilt;
  }

  /** Stops to follow a window; returns false if there is none. */
  remove(liobn: number, how: Removal, place: Place): boolean {
    const rebuilt = this.#byLiobn.get(liobn);
    if (rebuilt === undefined) return false;
    this.#observer?.removing(rebuilt, place, how);
    this.#last = undefined;
    return this.#byLiobn.delete(liobn);
  }
}
