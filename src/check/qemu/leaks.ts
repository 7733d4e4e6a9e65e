import { type Permission, permText } from "../../base/permission.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { permOf } from "../../tce/tce.ts";
import type { CheckOptions } from "../check-options.ts";
import { type Finding, pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { type Place, placeText } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { isDirectMap } from "../windows/direct-map.ts";
import { forEachEntryRun } from "../windows/entry-runs.ts";
import { MadeCounter } from "./made-counter.ts";
import { findNeverUnmapped } from "./never-unmapped.ts";

/** How much longer than any other of its kind that was unmapped a leaked mapping must have lived. */
const AGE = 4;

/** Mappings of one window and permission. */
interface KindOfMapping {
  readonly made: MadeCounter;
  /** Entries that were unmapped. */
  gone: number;
  /** Events from a map to its unmap, at most. */
  longest: number;
}

/** Mappings of one call that are still alive. */
interface Survivor {
  readonly first: number;
  pages: number;
  readonly place: Place;
}

/**
 * Finds mappings that outlived their use.
 *
 * That something is alive at the end of a trace says nothing: drivers hold
 * buffers for as long as they run. A leak is what is alive when its window is
 * removed, and what all of its kind overtook: many mappings of the same
 * permission were made before and later, and are gone, and none of them lived
 * nearly as long. (What drivers hold from their start has none before it.) The kind of a mapping is its window
 * and its permission; a ring of receive buffers gives back the oldest first,
 * so that nothing in it is overtaken.
 */
export class LeakFindings {
  readonly #log: FindingLog;
  readonly #options: CheckOptions;
  readonly #kinds = new WeakMap<RebuiltWindow, readonly KindOfMapping[]>();
  /** The window of the last event, and its kinds by permission. */
  #window: RebuiltWindow | undefined;
  #ofWindow: readonly KindOfMapping[] = [];

  constructor(log: FindingLog, options: CheckOptions) {
    this.#log = log;
    this.#options = options;
  }

  created(rebuilt: RebuiltWindow): void {
    this.#kinds.set(
      rebuilt,
      Array.from({ length: 4 }, () => ({ made: new MadeCounter(), gone: 0, longest: 0 })),
    );
  }

  mapping(event: QemuTraceEvent, rebuilt: RebuiltWindow, count: number): void {
    this.#kindsOf(rebuilt)[permOf(event.tceLo)]!.made.add(event.number, count);
  }

  /** An entry of a permission is about to be unmapped: how long did it live? */
  unmapping(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, perm: Permission): void {
    const made = perm === 0 ? -1 : rebuilt.history.eventAt(index);
    if (made < 0) return;
    const kind = this.#kindsOf(rebuilt)[perm]!;
    kind.gone++;
    if (event.number - made > kind.longest) kind.longest = event.number - made;
  }

  #kindsOf(rebuilt: RebuiltWindow): readonly KindOfMapping[] {
    if (this.#window !== rebuilt) {
      this.#window = rebuilt;
      this.#ofWindow = this.#kinds.get(rebuilt)!;
    }
    return this.#ofWindow;
  }

  /** The window is being removed, while its driver should have unmapped everything. */
  removing(rebuilt: RebuiltWindow, place: Place): void {
    if (isDirectMap(rebuilt)) return;
    for (let perm = 1; perm < 4; perm++) {
      this.#report(rebuilt, perm, survivorsOf(rebuilt, perm), [place], (made) => {
        return `mapped by ${made}, still there when the window was removed by ${placeText(place)}`;
      });
    }
  }

  /** The trace ends with an event of this number. */
  end(rebuilt: RebuiltWindow, now: number): void {
    if (isDirectMap(rebuilt)) return;
    const { overtaken, pool } = this.#options;
    for (let perm = 1; perm < 4; perm++) {
      const { made, gone, longest } = this.#kindsOf(rebuilt)[perm]!;
      if (made.total < overtaken) continue;
      const survivors = survivorsOf(rebuilt, perm).sort((a, b) => a.place.event - b.place.event);
      const first = survivors[0]?.place;
      if (
        first !== undefined &&
        findNeverUnmapped(rebuilt, { made, gone, first }, now, this.#options, this.#log)
      )
        continue;
      let younger = survivors.reduce((sum, { pages }) => sum + pages, 0);
      const leaked: Survivor[] = [];
      for (const survivor of survivors) {
        younger -= survivor.pages;
        const since = made.madeSince(survivor.place.event);
        const old = now - survivor.place.event >= longest * AGE;
        if (old && since - younger >= overtaken && made.total - since >= overtaken) leaked.push(survivor);
      }
      const pages = leaked.reduce((sum, survivor) => sum + survivor.pages, 0);
      if (pages > pool) continue;
      this.#report(rebuilt, perm, leaked, [], (text) => {
        return `mapped by ${text} and never unmapped, while ${pagesText(made.madeSince(leaked[0]!.place.event))} of its kind were mapped later and nearly all of them are gone`;
      });
    }
  }

  /** One finding for the survivors of a kind that lie side by side. */
  #report(
    rebuilt: RebuiltWindow,
    perm: number,
    survivors: readonly Survivor[],
    places: readonly Place[],
    why: (made: string) => string,
  ): void {
    let last: Finding | undefined;
    let end = -1;
    for (const { first, pages, place } of [...survivors].sort((a, b) => a.first - b.first)) {
      if (last !== undefined && first === end) this.#log.extend(last, [place], pages);
      else {
        last = this.#log.add({
          kind: "leak",
          liobn: rebuilt.window.liobn,
          ioba: rebuilt.iobaOf(first),
          pages,
          places: [place, ...places],
          message: `${pagesText(pages)} (${permText(permOf(perm))}) ${why(placeText(place))}`,
        });
      }
      end = first + pages;
    }
  }
}

/** What a trace shows to be alive with a permission, and who made it. */
function survivorsOf(rebuilt: RebuiltWindow, perm: number): Survivor[] {
  const { window, history } = rebuilt;
  const survivors: Survivor[] = [];
  forEachEntryRun(window.table, 0, window.entries, ({ first: from, pages: length, perm: has }) => {
    if (has !== perm) return;
    history.forEachRun(from, from + length, (first, pages, place) => survivors.push({ first, pages, place }));
  });
  return survivors;
}
