import type { ToldWindow } from "../../formats/machine/told-window.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { type Gap, losesEvents } from "../../formats/trace/trace-reader.ts";
import type { RebuildObserver, RebuildWatch } from "../rebuild/observer.ts";
import { Rebuild } from "../rebuild/rebuild.ts";

/** What nobody asks for. */
const nothing = (): void => {};

/**
 * A rebuild of its own for somebody who watches one. The check doubts more than `map` where a binary trace says that
 * events were dropped somewhere near: who wants the windows as `map` has them feeds this.
 */
export class FollowedRebuild {
  readonly rebuild: Rebuild;
  readonly #watch: RebuildWatch;

  /** @param told of windows that the trace does not tell of itself */
  constructor(watch: RebuildWatch, told?: readonly ToldWindow[]) {
    this.#watch = watch;
    const observer: RebuildObserver = {
      changing: (event, rebuilt, first, count, was) => watch.changing(event, rebuilt, first, count, was),
      created: () => watch.created(),
      removing: (rebuilt, place, how) => watch.removing(rebuilt, place, how),
      translated: () => false,
      changed: (event, rebuilt) => watch.changed(event, rebuilt),
      outside: nothing,
      refused: nothing,
      mismatch: nothing,
      contradicted: nothing,
      moved: nothing,
    };
    this.rebuild = new Rebuild(undefined, observer, told);
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    this.#watch.before(event);
    this.rebuild.handle(event);
    this.#watch.after(event);
  }

  /** To be called before the next event, if something is missing there. */
  gap(gap: Gap): void {
    if (!losesEvents(gap)) return;
    this.#watch.losing();
    this.rebuild.lose();
  }

  /** To be called after the last event. */
  end(): void {
    this.#watch.ending();
    this.rebuild.end();
    this.#watch.ended();
  }
}
