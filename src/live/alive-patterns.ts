import { hex, hex64 } from "../base/u64.ts";
import type { Fate, LifetimeSink, LifetimeWindow, Mapping } from "../check/lifetimes/qemu-mapping.ts";

/** Patterns that are shown: those with the most bytes. */
const SHOWN_PATTERNS = 100;

/**
 * Mappings of one window, of as many pages and with one permission, that are alive.
 *
 * @public
 */
export interface AlivePattern {
  readonly liobn: string;
  /** Pages of the call that mapped them. */
  readonly pages: number;
  /** 1 read, 2 write. */
  readonly perm: number;
  readonly count: number;
  /** Bytes that are still mapped. */
  readonly bytes: number;
  /** The one that was mapped first. */
  readonly oldest: {
    readonly ioba: string;
    /** Number of the event that mapped it. */
    readonly event: number;
    /** Since it was read that it was mapped. */
    readonly seconds: number;
  };
}

/** Mappings of one pattern. */
interface Group {
  readonly window: LifetimeWindow;
  readonly pages: number;
  readonly perm: number;
  /** Pages that are still mapped. */
  left: number;
  /** When each was read, in milliseconds; the oldest comes first. */
  readonly mappings: Map<Mapping, number>;
}

/** Keeps what is alive by pattern; what an event costs does not depend on how many are. */
export class AlivePatterns implements LifetimeSink {
  readonly #groups = new Map<LifetimeWindow, Map<number, Group>>();
  /** When what comes now was read, in milliseconds. */
  now = 0;
  /** Mappings that are alive. */
  count = 0;
  /** Pages that these map. */
  pages = 0;

  begin(mapping: Mapping): void {
    const { window, pages, perm } = mapping;
    const group = this.#find(mapping) ?? { window, pages, perm, left: 0, mappings: new Map() };
    if (group.mappings.size === 0) this.#add(group);
    group.mappings.set(mapping, this.now);
    group.left += pages;
    this.count++;
    this.pages += pages;
  }

  end(mapping: Mapping, _first: number, pages: number, _fate: Fate): void {
    const group = this.#find(mapping);
    // What was forgotten meanwhile ends here, too.
    if (group === undefined || !group.mappings.has(mapping)) return;
    group.left -= pages;
    this.pages -= pages;
    if (mapping.left > 0) return;
    this.count--;
    group.mappings.delete(mapping);
    if (group.mappings.size === 0) this.#remove(group);
  }

  /** Forgets all: events are missing, and any of them may be gone. */
  clear(): void {
    this.#groups.clear();
    this.count = 0;
    this.pages = 0;
  }

  /** The largest first. */
  patterns(now: number): { readonly shown: AlivePattern[]; readonly more: number } {
    const bytesOf = ({ window, left }: Group): number => left * 2 ** window.pageShift;
    const groups = [...this.#groups.values()]
      .flatMap((ofWindow) => [...ofWindow.values()])
      .sort((a, b) => bytesOf(b) - bytesOf(a));
    const shown = groups.slice(0, SHOWN_PATTERNS).map((group): AlivePattern => {
      const { window, pages, perm, mappings } = group;
      const [oldest, at] = mappings.entries().next().value!;
      return {
        liobn: hex(window.liobn),
        pages,
        perm,
        count: mappings.size,
        bytes: bytesOf(group),
        oldest: {
          ioba: hex64(window.busOffset + (BigInt(oldest.first) << BigInt(window.pageShift))),
          event: oldest.made.event,
          seconds: Math.round(now - at) / 1000,
        },
      };
    });
    return { shown, more: groups.length - shown.length };
  }

  #find({ window, pages, perm }: Mapping): Group | undefined {
    return this.#groups.get(window)?.get(keyOf(pages, perm));
  }

  #add(group: Group): void {
    const { window, pages, perm } = group;
    const ofWindow = this.#groups.get(window) ?? new Map<number, Group>();
    ofWindow.set(keyOf(pages, perm), group);
    this.#groups.set(window, ofWindow);
  }

  #remove({ window, pages, perm }: Group): void {
    const ofWindow = this.#groups.get(window)!;
    ofWindow.delete(keyOf(pages, perm));
    if (ofWindow.size === 0) this.#groups.delete(window);
  }
}

/** Pages of a call are below 2^32, permissions below 4. */
const keyOf = (pages: number, perm: number): number => pages * 4 + perm;
