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
import { MappedAgain } from "./mapped-again.ts";
import { findNeverUnmapped } from "./never-unmapped.ts";

/** Mappings of one window and permission. */
interface KindOfMapping {
  /** Entries. */
  readonly made: MadeCounter;
  /** Entries that were unmapped. */
  gone: number;
  /** Times of the first and the last map, in seconds; NaN without times. */
  begun: number;
  last: number;
  /** By the pages of a call. */
  readonly patterns: Map<number, Pattern>;
  /** The pattern that was asked for last: nearly always the next one, too. */
  pattern: Pattern;
  readonly again: MappedAgain;
}

/** Mappings of one window, permission and number of pages. */
interface Pattern {
  readonly pages: number;
  /** Calls that mapped so many pages. */
  readonly made: MadeCounter;
  /** Events from a map to an unmap of so many pages, at most. */
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
 * permission were made before and later, and are gone, and none of them lived nearly as long; or some of as many
 * pages were, and its memory was mapped again meanwhile. (What drivers hold from their start has none before it.)
 * A ring of receive buffers gives back the oldest first, so that nothing in it is overtaken.
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
      Array.from({ length: 4 }, () => {
        const pattern = newPattern(1);
        return {
          made: new MadeCounter(),
          gone: 0,
          begun: Number.NaN,
          last: Number.NaN,
          patterns: new Map([[1, pattern]]),
          pattern,
          again: new MappedAgain(),
        };
      }),
    );
  }

  mapping(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const kind = this.#kindsOf(rebuilt)[permOf(event.tceLo)]!;
    kind.last = event.seconds + event.nanoseconds / 1e9;
    if (kind.made.total === 0) kind.begun = kind.last;
    kind.made.add(event.number, count);
    patternOf(kind, count).made.add(event.number, 1);
    kind.again.mapping(event, rebuilt, first, count);
  }

  /** Entries, the first of this permission, are about to be unmapped: how long did it live? */
  unmapping(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    index: number,
    count: number,
    perm: Permission,
  ): void {
    const made = perm === 0 ? -1 : rebuilt.history.eventAt(index);
    if (made < 0) return;
    const kind = this.#kindsOf(rebuilt)[perm]!;
    kind.gone++;
    const pattern = patternOf(kind, count);
    if (event.number - made > pattern.longest) pattern.longest = event.number - made;
    const table = rebuilt.window.table!;
    table.load(index);
    kind.again.unmapping(table.hi, table.lo, index, count);
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
    const byPerm = survivorsOf(rebuilt);
    for (let perm = 1; perm < 4; perm++) {
      this.#report(rebuilt, perm, byPerm[perm]!, [place], (made) => {
        return `mapped by ${made}, still there when the window was removed by ${placeText(place)}`;
      });
    }
  }

  /** The trace ends with an event of this number. */
  end(rebuilt: RebuiltWindow, now: number): void {
    if (isDirectMap(rebuilt)) return;
    const byPerm = survivorsOf(rebuilt);
    for (let perm = 1; perm < 4; perm++) {
      const kind = this.#kindsOf(rebuilt)[perm]!;
      const { made, gone, begun, last } = kind;
      const survivors = byPerm[perm]!.sort((a, b) => a.place.event - b.place.event);
      const first = survivors[0]?.place;
      if (
        first === undefined ||
        findNeverUnmapped(
          rebuilt,
          { made, gone, first, seconds: last - begun },
          now,
          this.#options,
          this.#log,
        )
      )
        continue;
      const overtaken = this.#overtakenOf(survivors, kind, now);
      this.#report(rebuilt, perm, overtaken, [], (text) => {
        return `mapped by ${text} and never unmapped, while ${pagesText(made.madeSince(overtaken[0]!.place.event))} of its kind were mapped later and nearly all of them are gone`;
      });
      const outlived = this.#outlivedOf(
        overtaken.length === 0 ? survivors : survivors.filter((one) => !overtaken.includes(one)),
        kind,
        now,
      );
      this.#report(rebuilt, perm, outlived, [], (text) => {
        return `mapped by ${text} and never unmapped, though its memory was mapped again, and those of as many pages that were mapped later are gone`;
      });
    }
  }

  /** Survivors that many pages of their kind overtook; of more than a pool those whose memory was mapped again. */
  #overtakenOf(survivors: readonly Survivor[], kind: KindOfMapping, now: number): Survivor[] {
    const { overtaken, pool, older } = this.#options;
    const { made, patterns, again } = kind;
    const longest = longestOf(patterns, Number.POSITIVE_INFINITY);
    let younger = survivors.reduce((sum, { pages }) => sum + pages, 0);
    const found = survivors.filter(({ pages, place }) => {
      younger -= pages;
      const since = made.madeSince(place.event);
      const isOld = now - place.event >= longest * older;
      return isOld && since - younger >= overtaken && made.total - since >= overtaken;
    });
    const isPool = found.reduce((sum, { pages }) => sum + pages, 0) > pool;
    return isPool ? found.filter(({ place }) => again.has(place.event)) : found;
  }

  /** Survivors whose memory was mapped again, and that others of as many pages overtook. */
  #outlivedOf(survivors: readonly Survivor[], kind: KindOfMapping, now: number): Survivor[] {
    const { outlived, older } = this.#options;
    const { made, patterns, again } = kind;
    if (again.isEmpty) return [];
    const younger = new Map<number, number>();
    return survivors
      .toReversed()
      .filter(({ pages, place }) => {
        const alive = younger.get(pages) ?? 0;
        younger.set(pages, alive + 1);
        if (now - place.event < longestOf(patterns, pages) * older) return false;
        const later = (patterns.get(pages)?.made.madeSince(place.event) ?? 0) - alive;
        const earlier = made.total - made.madeSince(place.event) - pages;
        return later >= outlived && earlier >= outlived && again.has(place.event);
      })
      .reverse();
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

const newPattern = (pages: number): Pattern => ({ pages, made: new MadeCounter(), longest: 0 });

function patternOf(kind: KindOfMapping, pages: number): Pattern {
  if (kind.pattern.pages === pages) return kind.pattern;
  const pattern = kind.patterns.get(pages) ?? newPattern(pages);
  kind.patterns.set(pages, pattern);
  kind.pattern = pattern;
  return pattern;
}

/** How long a mapping of no more pages lived, at most: what is unmapped may be a part of what was mapped. */
function longestOf(patterns: ReadonlyMap<number, Pattern>, pages: number): number {
  let longest = 0;
  for (const [size, pattern] of patterns) {
    if (size <= pages && pattern.longest > longest) longest = pattern.longest;
  }
  return longest;
}

/** What a trace shows to be alive, and who made it, by permission. */
function survivorsOf({ window, history }: RebuiltWindow): readonly Survivor[][] {
  const byPerm: readonly Survivor[][] = [[], [], [], []];
  forEachEntryRun(window.table, 0, window.entries, ({ first: from, pages: length, perm }) => {
    const survivors = byPerm[perm]!;
    history.forEachRun(from, from + length, (first, pages, place) => survivors.push({ first, pages, place }));
  });
  return byPerm;
}
