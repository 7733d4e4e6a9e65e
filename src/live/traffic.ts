import { hex } from "../base/u64.ts";
import { isStore, storedPages } from "../check/rebuild/call-range.ts";
import { type QemuTraceEvent, XLATE } from "../formats/trace/trace-event.ts";
import { permOf } from "../tce/tce.ts";

/** LIOBNs that are counted; a machine has some hundreds. */
const MAX_WINDOWS = 10_000;
/** Rates are those of about the last so many milliseconds. */
const PERIOD_MS = 1000;
/** Time between two looks at the counters, in milliseconds. */
const STEP_MS = 200;

/**
 * What goes on in a window. Of a window that was made anew under the same LIOBN the numbers go on.
 *
 * @public
 */
export interface WindowTraffic {
  readonly liobn: string;
  /** Pages that calls mapped since the beginning; a page that is mapped twice counts twice. */
  readonly pagesMapped: number;
  /** Pages that calls stored zeros for, also where nothing was mapped. */
  readonly pagesUnmapped: number;
  /** Translations of DMAs. */
  readonly translations: number;
  /** The same by the second, over about the last one. */
  readonly mappedPerSecond: number;
  readonly unmappedPerSecond: number;
  readonly translatedPerSecond: number;
}

/** A window's counters. */
interface Counts {
  mapped: number;
  unmapped: number;
  translations: number;
}

/** All counters at one moment. */
interface Look {
  readonly at: number;
  readonly events: number;
  readonly windows: ReadonlyMap<number, Counts>;
}

const NOTHING: Counts = { mapped: 0, unmapped: 0, translations: 0 };

/** Counts what calls and devices do in each window, in total and by the second. Rates are those at which events are read. */
export class Traffic {
  readonly #windows = new Map<number, Counts>();
  #events = 0;
  /** The oldest one is what rates are counted from; there is always one. */
  #looks: Look[] = [{ at: 0, events: 0, windows: new Map() }];

  /**
   * What was counted so far is past: rates are counted from here.
   *
   * @param now in milliseconds, of any clock that only grows
   */
  begin(now: number): void {
    this.#looks = [this.#copy(now)];
  }

  count(event: QemuTraceEvent): void {
    this.#events++;
    const isCall = isStore(event);
    if (!isCall && event.kind !== XLATE) return;
    const counts = this.#windows.get(event.liobn) ?? this.#add(event.liobn);
    if (!isCall) counts.translations++;
    else if (permOf(event.tceLo) === 0) counts.unmapped += storedPages(event, 0);
    else counts.mapped += storedPages(event, 0);
  }

  /** To be called a few times a second. */
  look(now: number): void {
    const looks = this.#looks;
    if (now - looks.at(-1)!.at < STEP_MS) return;
    looks.push(this.#copy(now));
    while (looks.length > 1 && looks[1]!.at <= now - PERIOD_MS) looks.shift();
  }

  /** Did nothing happen within the time that rates are counted over? */
  get isQuiet(): boolean {
    return this.#looks[0]!.events === this.#events;
  }

  /** Events by the second, of all kinds. */
  eventsPerSecond(now: number): number {
    const { at, events } = this.#looks[0]!;
    return perSecond(this.#events - events, now - at);
  }

  /** By LIOBN. */
  windows(now: number): WindowTraffic[] {
    const { at, windows } = this.#looks[0]!;
    const ms = now - at;
    return [...this.#windows]
      .sort(([a], [b]) => a - b)
      .map(([liobn, { mapped, unmapped, translations }]): WindowTraffic => {
        const before = windows.get(liobn) ?? NOTHING;
        return {
          liobn: hex(liobn),
          pagesMapped: mapped,
          pagesUnmapped: unmapped,
          translations,
          mappedPerSecond: perSecond(mapped - before.mapped, ms),
          unmappedPerSecond: perSecond(unmapped - before.unmapped, ms),
          translatedPerSecond: perSecond(translations - before.translations, ms),
        };
      });
  }

  #copy(at: number): Look {
    const windows = new Map([...this.#windows].map(([liobn, counts]) => [liobn, { ...counts }]));
    return { at, events: this.#events, windows };
  }

  #add(liobn: number): Counts {
    const counts = { ...NOTHING };
    if (this.#windows.size < MAX_WINDOWS) this.#windows.set(liobn, counts);
    return counts;
  }
}

/** Over less than a step nothing can be said, and so it is as if over one. */
const perSecond = (count: number, ms: number): number => Math.round((count * 1000) / Math.max(ms, STEP_MS));
