import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";

/** Calls that a phase has at least: fewer are ordinary work. */
const MIN_CALLS = 64;
/** Phases that are kept of a window. */
const MAX_PHASES = 1000;
/** Pages of one H_PUT_TCE_INDIRECT: a page of TCEs (PAPR). */
const LIST_PAGES = 512;

/**
 * Calls of one kind, each for the pages behind those of the one before: a window that is cleared or mapped entry by
 * entry, with what it cost.
 *
 * @public
 */
export interface PagePhase {
  /** `clear`: what was empty already. */
  readonly what: "map" | "unmap" | "clear";
  readonly calls: number;
  readonly pages: number;
  readonly firstEvent: number;
  readonly lastEvent: number;
  /** Line (of a binary trace: byte offset) of its first event. */
  readonly line: number;
  /** From its first event to its last one; NaN without times. */
  readonly seconds: number;
  /** Calls that it takes if each is for as many pages as a list holds. */
  readonly leastCalls: number;
}

/** Finds the phases of one window. */
export class PagePhases {
  /** Those that ended. */
  readonly found: PagePhase[] = [];
  #what: PagePhase["what"] = "map";
  #calls = 0;
  #pages = 0;
  #end = -1;
  #firstEvent = 0;
  #lastEvent = 0;
  #line = 0;
  #begin = Number.NaN;
  #last = Number.NaN;

  add(event: QemuTraceEvent, what: PagePhase["what"], first: number, count: number): void {
    if (this.#calls === 0 || first !== this.#end || what !== this.#what) {
      this.finish();
      this.#what = what;
      this.#firstEvent = event.number;
      this.#line = event.position;
      this.#begin = timeOf(event);
    }
    this.#calls++;
    this.#pages += count;
    this.#end = first + count;
    this.#lastEvent = event.number;
    this.#last = timeOf(event);
  }

  /** What goes on ends here. */
  finish(): void {
    if (this.#calls >= MIN_CALLS && this.found.length < MAX_PHASES) {
      this.found.push({
        what: this.#what,
        calls: this.#calls,
        pages: this.#pages,
        firstEvent: this.#firstEvent,
        lastEvent: this.#lastEvent,
        line: this.#line,
        seconds: this.#last - this.#begin,
        leastCalls: Math.ceil(this.#pages / LIST_PAGES),
      });
    }
    this.#calls = 0;
    this.#pages = 0;
  }
}

const timeOf = ({ seconds, nanoseconds }: QemuTraceEvent): number => seconds + nanoseconds / 1e9;
