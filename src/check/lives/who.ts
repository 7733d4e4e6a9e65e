import { maxBig, minBig } from "../../base/u64.ts";
import { AliveLives, cut, without } from "./alive-lives.ts";
import {
  type AddressRange,
  distanceOf,
  type Life,
  type LifeCall,
  type LifeSink,
  type LifeStretch,
  memoryOf,
  overlap,
  type UseKind,
} from "./life.ts";

/**
 * Which addresses are asked for.
 *
 * @public
 */
export interface WhoQuery extends AddressRange {
  /** They are addresses of memory, and not of a bus; default false. */
  readonly physical?: boolean;
  /** Only of this device, window (LIOBN) or container; default: all. */
  readonly space?: string | undefined;
  /** Mappings before the moment, and after it, that are told of; others are counted. Default 3. */
  readonly most?: number;
}

/**
 * How a mapping, or a part of it, ended.
 *
 * @public
 */
export interface WhoEnd {
  /** The addresses; undefined for the whole mapping. */
  readonly gone: AddressRange | undefined;
  /** `unmapped`, `replaced`, `window-gone` or `cleared`. */
  readonly fate: string;
  readonly call: LifeCall;
}

/**
 * What was done with addresses.
 *
 * @public
 */
export interface WhoUse {
  readonly kind: UseKind;
  readonly count: number;
  readonly first: LifeCall;
  readonly last: LifeCall;
}

/**
 * A mapping that had an address, its end and what was done through it.
 *
 * @public
 */
export interface WhoLife {
  readonly life: Life;
  /** The first few ends of parts that were asked for. */
  readonly ends: readonly WhoEnd[];
  /** All of them. */
  readonly endCount: number;
  readonly uses: readonly WhoUse[];
}

/**
 * A mapping beside the addresses.
 *
 * @public
 */
export interface WhoNeighbour extends AddressRange {
  readonly life: Life;
  /** Bytes between it and the addresses; 0 if they touch. */
  readonly distance: bigint;
  /** Was it mapped at the moment? */
  readonly isAlive: boolean;
}

/**
 * What is known of the addresses in one space.
 *
 * @public
 */
export interface WhoSpace {
  readonly space: string;
  /** Mapped at the moment. */
  readonly now: readonly WhoLife[];
  /** Mapped before it, the last one last. */
  readonly earlier: readonly WhoLife[];
  readonly earlierCount: number;
  /** Mapped after it, the first one first. */
  readonly later: readonly WhoLife[];
  readonly laterCount: number;
  /** Uses while nothing is known to be mapped there. */
  readonly strayUses: readonly WhoUse[];
  /**
   * The nearest mapping in front of the addresses, and behind them, of those that there were at the moment; without
   * one, of all that there ever were. None for addresses of memory.
   */
  readonly before: WhoNeighbour | undefined;
  readonly after: WhoNeighbour | undefined;
}

/** Ends of parts that are kept of one mapping. */
const MAX_ENDS = 4;

/** Waits for what happens to addresses. Memory follows what is alive, and what is told of. */
export class WhoWatch implements LifeSink {
  readonly #query: WhoQuery;
  readonly #spaces = new Map<string, SpaceWatch>();

  constructor(query: WhoQuery) {
    this.#query = query;
  }

  /** All that there are, also those that were not asked for. */
  get names(): string[] {
    return [...this.#spaces.keys()];
  }

  begin(life: Life): void {
    this.#of(life.space).begin(life);
  }

  end(life: Life, gone: AddressRange | undefined, fate: string, call: LifeCall): void {
    this.#of(life.space).end(life, { gone, fate, call });
  }

  use(space: string, first: bigint, last: bigint, kind: UseKind, call: () => LifeCall): void {
    this.#of(space).use({ first, last }, kind, call);
  }

  reached(): void {
    for (const watch of this.#spaces.values()) watch.reach();
    this.#isReached = true;
  }
  #isReached = false;

  /** Spaces in the order in which they came. To be asked for at the end. */
  answer(): WhoSpace[] {
    const { space } = this.#query;
    const all = [...this.#spaces].filter(([name]) => space === undefined || isSpace(name, space));
    return all.map(([name, watch]) => ({ space: name, ...watch.answer() }));
  }

  #of(space: string): SpaceWatch {
    let watch = this.#spaces.get(space);
    if (watch === undefined) {
      watch = new SpaceWatch(this.#query);
      if (this.#isReached) watch.reach();
      this.#spaces.set(space, watch);
    }
    return watch;
  }
}

/** Is a name, as people give it, that of a space? LIOBNs are numbers; a PCI domain of 0 can be left out. */
export const isSpace = (space: string, name: string): boolean =>
  space === name ||
  space === `0000:${name}` ||
  (/^(?:0x[0-9a-f]+|[0-9]+)$/i.test(name) && /^0x/.test(space) && BigInt(name) === BigInt(space));

/** A mapping that has an address. */
class Had {
  readonly life: Life;
  /** What is left of the part that was asked for. */
  rest: readonly LifeStretch[];
  readonly ends: WhoEnd[] = [];
  endCount = 0;
  readonly uses: Uses = new Uses();

  constructor(life: Life, part: readonly LifeStretch[]) {
    this.life = life;
    this.rest = part;
  }

  /** @returns false if nothing of it was asked for */
  end(end: WhoEnd): boolean {
    const { gone } = end;
    if (gone !== undefined && !this.rest.some((stretch) => overlap(stretch, gone))) return false;
    this.rest = gone === undefined ? [] : without(this.rest, gone);
    if (this.endCount++ < MAX_ENDS) this.ends.push(end);
    return true;
  }

  told(): WhoLife {
    const { life, ends, endCount } = this;
    return { life, ends, endCount, uses: this.uses.told() };
  }
}

/** Counts uses by their kind. */
class Uses {
  readonly #byKind = new Map<UseKind, { count: number; readonly first: LifeCall; last: LifeCall }>();

  add(kind: UseKind, call: LifeCall): void {
    const known = this.#byKind.get(kind);
    if (known === undefined) this.#byKind.set(kind, { count: 1, first: call, last: call });
    else {
      known.count++;
      known.last = call;
    }
  }

  told(): WhoUse[] {
    return [...this.#byKind].map(([kind, use]) => ({ kind, ...use }));
  }
}

/** The addresses in one space. */
class SpaceWatch {
  readonly #query: WhoQuery;
  readonly #most: number;
  readonly #alive = new AliveLives();
  /** Mappings that have an address now. */
  readonly #open = new Map<Life, Had>();
  #now: Had[] = [];
  readonly #earlier: Had[] = [];
  #earlierCount = 0;
  readonly #later: Had[] = [];
  #laterCount = 0;
  readonly #stray = new Uses();
  #isReached = false;
  /** Of those that are alive at the moment, and of all that there ever were. */
  #beside: Neighbours | undefined;
  readonly #ever: Neighbours;

  constructor(query: WhoQuery) {
    this.#query = query;
    this.#most = query.most ?? 3;
    this.#ever = new Neighbours(query);
  }

  begin(life: Life): void {
    if (!this.#isReached) this.#alive.begin(life);
    const part = partOf(life, this.#query);
    if (part.length === 0) {
      this.#ever.see(life, life.stretches, false);
      return;
    }
    const had = new Had(life, part);
    this.#open.set(life, had);
    if (this.#isReached && this.#laterCount++ < this.#most) this.#later.push(had);
  }

  end(life: Life, end: WhoEnd): void {
    if (!this.#isReached) this.#alive.end(life, end.gone);
    const had = this.#open.get(life);
    if (had === undefined || !had.end(end) || had.rest.length > 0) return;
    this.#open.delete(life);
    if (this.#isReached) return;
    this.#earlierCount++;
    this.#earlier.push(had);
    if (this.#earlier.length > this.#most) this.#earlier.shift();
  }

  use(range: AddressRange, kind: UseKind, call: () => LifeCall): void {
    if (this.#query.physical !== true && !overlap(range, this.#query)) return;
    let isStray = true;
    for (const had of this.#open.values()) {
      if (!had.rest.some((stretch) => overlap(stretch, range))) continue;
      had.uses.add(kind, call());
      isStray = false;
    }
    if (isStray && this.#query.physical !== true) this.#stray.add(kind, call());
  }

  reach(): void {
    this.#isReached = true;
    this.#now = [...this.#open.values()];
    this.#beside = new Neighbours(this.#query);
    for (const life of this.#alive) this.#beside.see(life, this.#alive.stretches(life), true);
  }

  answer(): Omit<WhoSpace, "space"> {
    const [now, earlier, later] = [this.#now, this.#earlier, this.#later].map((all) =>
      all.map((had) => had.told()),
    );
    const { before, after } = this.#beside ?? this.#ever;
    return {
      now: now!,
      earlier: earlier!,
      earlierCount: this.#earlierCount,
      later: later!,
      laterCount: this.#laterCount,
      strayUses: this.#stray.told(),
      before: before ?? this.#ever.before,
      after: after ?? this.#ever.after,
    };
  }
}

/** Finds the nearest mappings on both sides of addresses. */
class Neighbours {
  readonly #query: WhoQuery;
  before: WhoNeighbour | undefined;
  after: WhoNeighbour | undefined;

  constructor(query: WhoQuery) {
    this.#query = query;
  }

  see(life: Life, stretches: readonly LifeStretch[], isAlive: boolean): void {
    const query = this.#query;
    if (query.physical === true) return;
    for (const { first, last } of stretches) {
      const isBefore = last < query.first;
      if (!isBefore && first <= query.last) continue;
      const distance = distanceOf({ first, last }, query);
      const known = isBefore ? this.before : this.after;
      // Of equal ones the last one made: it is the one that was there last.
      if (known !== undefined && known.distance < distance) continue;
      const found = { life, first, last, distance, isAlive };
      if (isBefore) this.before = found;
      else this.after = found;
    }
  }
}

/** Which addresses of a mapping were asked for. */
function partOf(life: Life, query: WhoQuery): LifeStretch[] {
  if (query.physical !== true) {
    return life.stretches.flatMap((stretch) =>
      overlap(stretch, query)
        ? cut(stretch, maxBig(stretch.first, query.first), minBig(stretch.last, query.last))
        : [],
    );
  }
  const parts = life.stretches.flatMap((stretch) => partOfMemory(stretch, query));
  if (parts.length > 0 || life.entries.length === 0) return parts;
  // Which range an entry of a joined list went to is not printed.
  for (const memory of memoryOf(life)) if (overlap(memory, query)) return [...life.stretches];
  return [];
}

/** Which addresses of a stretch map memory that was asked for. */
function partOfMemory(stretch: LifeStretch, query: AddressRange): LifeStretch[] {
  const { first, last, target, repeats } = stretch;
  if (target === undefined) return [];
  const memory = { first: target, last: target + (repeats ?? last - first + 1n) - 1n };
  if (!overlap(memory, query)) return [];
  if (repeats !== undefined) return [stretch];
  const from = first + (maxBig(memory.first, query.first) - target);
  return [cut(stretch, from, first + (minBig(memory.last, query.last) - target))];
}
