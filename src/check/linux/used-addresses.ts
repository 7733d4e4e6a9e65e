import { HalvesIndex, type Numbered } from "./halves-index.ts";
import { IntervalIndex } from "./interval-index.ts";
import { isInRanges, type LiveMapping, offsetIn } from "./live-mapping.ts";

/** Who undid something, and when. */
export type Unmapping = Pick<LiveMapping, "event" | "line" | "seconds" | "nanoseconds" | "task" | "pid">;

/** What a past mapping was. */
export type PastMapping = Pick<
  LiveMapping,
  "family" | "direction" | "dmaHi" | "dmaLo" | "size" | "ranges" | keyof Unmapping
>;

/** What was undone last at an address, by whom and when. */
export interface PastUnmap extends Unmapping {
  readonly mapping: PastMapping;
}

/** What undid something: an event of the DMA API, or of the IOMMU. */
type Undoing = Omit<Unmapping, "event"> & { readonly number: number };

/** Past unmaps that are remembered: those of the generation that is filled, and of the one before it. */
const GENERATION = 32_768;
/** Whole numbers of an address: five of the map and three of what was mapped, and five of the unmap. */
const WHOLES = 13;
const UNMAP_WHOLES = 8;
/** Others: which unmap it was, counted from 1, or 0; times of unmap and map; and a size. */
const REALS = 4;
const UNMAP_TIME = 1;
const MAP_TIME = 2;
const SIZE = 3;

/** Rows that are made first. */
const FEWEST_ROWS = 64;

const NOTHING: readonly LiveMapping[] = [];

/**
 * What begins at addresses, and what was undone there last; of that the oldest is forgotten. All lies by the numbers of the
 * addresses, and what was undone as rows of numbers: objects for it would be most of what a check allocates and touches.
 */
export class UsedAddresses implements Numbered {
  readonly #index: HalvesIndex = new HalvesIndex(this);
  /** The oldest mapping that begins at an address, */
  readonly #oldest: (LiveMapping | undefined)[] = [];
  /** and the others, which few addresses have, in the order in which they came. */
  readonly #others = new Map<number, LiveMapping[]>();
  /** What {@link at} hands out of most addresses: one mapping. */
  readonly #here: LiveMapping[] = [];
  /** Rows of what was undone, up to the highest number of which something was. */
  #wholes = new Uint32Array(0);
  #reals = new Float64Array(0);
  /** Of lists with several ranges. */
  readonly #ranges = new Map<number, Uint32Array>();
  /** Unmaps so far. */
  #count = 0;
  /** What was undone by pieces of DMA addresses; made when it is asked for, and again for each generation. */
  #byPiece: IntervalIndex<PastUnmap> | undefined;

  /** What begins at an address, if that is one mapping and no more. */
  only(hi: number, lo: number): LiveMapping | undefined {
    const number = this.#index.find(hi, lo);
    if (number < 0 || (this.#others.size > 0 && this.#others.has(number))) return undefined;
    return this.#oldest[number];
  }

  /** What begins at an address, in the order in which it came; the list is used again. */
  at(hi: number, lo: number): readonly LiveMapping[] {
    const number = this.#index.find(hi, lo);
    const oldest = number < 0 ? undefined : this.#oldest[number];
    if (oldest === undefined) return NOTHING;
    if (this.#others.size > 0 && this.#others.has(number)) return [oldest, ...this.#others.get(number)!];
    const here = this.#here;
    here[0] = oldest;
    return here;
  }

  /** What was undone last at an address, if nothing was mapped there since. */
  past(hi: number, lo: number): PastUnmap | undefined {
    const number = this.#index.find(hi, lo);
    return this.#hasPast(number) ? this.#pastOf(number) : undefined;
  }

  hasPast(hi: number, lo: number): boolean {
    return this.#hasPast(this.#index.find(hi, lo));
  }

  /** Something begins at an address. */
  add(hi: number, lo: number, mapping: LiveMapping): void {
    let number = this.#index.find(hi, lo);
    if (number < 0) {
      number = this.#index.add(hi, lo);
      this.#oldest[number] = undefined;
    }
    if (this.#oldest[number] === undefined) this.#oldest[number] = mapping;
    else if (this.#others.get(number)?.push(mapping) === undefined) this.#others.set(number, [mapping]);
    this.#writeMap(number, mapping);
  }

  /** What {@link add} was told of goes without being undone. */
  takeOut(hi: number, lo: number, mapping: LiveMapping): void {
    const number = this.#index.find(hi, lo);
    const others = this.#others.size > 0 ? this.#others.get(number) : undefined;
    if (this.#oldest[number] === mapping) this.#oldest[number] = others?.shift();
    else if (others !== undefined) takeOut(others, mapping);
    if (others?.length === 0) this.#others.delete(number);
  }

  /** What {@link add} was told of is undone. */
  undo(hi: number, lo: number, undoing: Undoing, mapping: LiveMapping): void {
    this.takeOut(hi, lo, mapping);
    const number = this.#index.find(hi, lo);
    const at = number * WHOLES;
    // Where several begin, the row is that of another one.
    if (this.#wholes[at] !== mapping.event || this.#wholes[at + 1] !== mapping.line)
      this.#writeMap(number, mapping);
    if (this.#count++ % GENERATION === 0) this.#byPiece = undefined;
    this.#writeUnmap(number, undoing);
    if (this.#byPiece !== undefined) this.#indexPast(this.#byPiece, this.#pastOf(number));
  }

  /** The last one of those that had an address. */
  covering(hi: number, lo: number): PastUnmap | undefined {
    let last: PastUnmap | undefined;
    this.#all().find(hi, lo, 1, (past) => {
      const offset = offsetIn(past.mapping, hi, lo);
      const is = offset >= 0 && offset < past.mapping.size && this.#isLast(past);
      if (is && (last === undefined || past.line > last.line)) last = past;
      return false;
    });
    return last;
  }

  /** The last one of the lists that had an address in one of several ranges. */
  listCovering(hi: number, lo: number): PastUnmap | undefined {
    let last: PastUnmap | undefined;
    for (const [number, ranges] of this.#ranges) {
      if (!isInRanges({ ranges }, hi, lo) || !this.#hasPast(number)) continue;
      const past = this.#pastOf(number);
      if (last === undefined || past.line > last.line) last = past;
    }
    return last;
  }

  /** Was nothing mapped or undone at its address since? */
  #isLast({ line, mapping: { dmaHi, dmaLo } }: PastUnmap): boolean {
    return this.past(dmaHi, dmaLo)?.line === line;
  }

  #all(): IntervalIndex<PastUnmap> {
    if (this.#byPiece !== undefined) return this.#byPiece;
    const index = new IntervalIndex<PastUnmap>();
    this.#byPiece = index;
    this.#forEach((past) => this.#indexPast(index, past));
    return index;
  }

  #indexPast(index: IntervalIndex<PastUnmap>, past: PastUnmap): void {
    const { dmaHi, dmaLo, size } = past.mapping;
    index.add(dmaHi, dmaLo, size, past);
  }

  #forEach(visit: (past: PastUnmap) => void): void {
    for (let number = 0; number < this.#index.count; number++) {
      if (this.#hasPast(number)) visit(this.#pastOf(number));
    }
  }

  /** Was anything undone at an address that is remembered? */
  #hasPast(number: number): boolean {
    if (number < 0 || number * REALS >= this.#reals.length) return false;
    const unmap = this.#reals[number * REALS]!;
    return (
      unmap > 0 && Math.floor((unmap - 1) / GENERATION) + 1 >= Math.floor((this.#count - 1) / GENERATION)
    );
  }

  /**
   * Writes what was mapped at an address, of which nothing is undone yet. It is written when it is mapped, as its event is at
   * hand then: what a mapping keeps of it must be fetched later.
   */
  #writeMap(number: number, mapping: LiveMapping): void {
    if (number * REALS >= this.#reals.length) this.#grow(number);
    const wholes = this.#wholes;
    let at = number * WHOLES;
    wholes[at++] = mapping.event;
    wholes[at++] = mapping.line;
    wholes[at++] = mapping.nanoseconds;
    wholes[at++] = mapping.task;
    wholes[at++] = mapping.pid;
    wholes[at++] = mapping.family * 4 + mapping.direction;
    wholes[at++] = mapping.dmaHi;
    wholes[at] = mapping.dmaLo;
    const reals = this.#reals;
    at = number * REALS;
    reals[at] = 0;
    reals[at + MAP_TIME] = mapping.seconds;
    reals[at + SIZE] = mapping.size;
    if (mapping.ranges !== undefined) this.#ranges.set(number, mapping.ranges);
    else if (this.#ranges.size > 0) this.#ranges.delete(number);
  }

  /** Writes what undid it. */
  #writeUnmap(number: number, undoing: Undoing): void {
    const wholes = this.#wholes;
    let at = number * WHOLES + UNMAP_WHOLES;
    wholes[at++] = undoing.number;
    wholes[at++] = undoing.line;
    wholes[at++] = undoing.nanoseconds;
    wholes[at++] = undoing.task;
    wholes[at] = undoing.pid;
    this.#reals[number * REALS] = this.#count;
    this.#reals[number * REALS + UNMAP_TIME] = undoing.seconds;
  }

  /** Makes rows up to a number, and as many more. */
  #grow(number: number): void {
    const rows = Math.max(FEWEST_ROWS, (number + 1) * 2);
    const wholes = new Uint32Array(rows * WHOLES);
    wholes.set(this.#wholes);
    this.#wholes = wholes;
    const reals = new Float64Array(rows * REALS);
    reals.set(this.#reals);
    this.#reals = reals;
  }

  #pastOf(number: number): PastUnmap {
    const real = number * REALS;
    const whole = number * WHOLES;
    const kind = this.#wholes[whole + 5]!;
    const mapping = {
      ...this.#actAt(whole, this.#reals[real + MAP_TIME]!),
      family: Math.floor(kind / 4),
      direction: kind % 4,
      dmaHi: this.#wholes[whole + 6]!,
      dmaLo: this.#wholes[whole + 7]!,
      size: this.#reals[real + SIZE]!,
      ranges: this.#ranges.get(number),
    };
    return { ...this.#actAt(whole + UNMAP_WHOLES, this.#reals[real + UNMAP_TIME]!), mapping };
  }

  #actAt(at: number, seconds: number): Unmapping {
    const wholes = this.#wholes;
    return {
      event: wholes[at]!,
      line: wholes[at + 1]!,
      seconds,
      nanoseconds: wholes[at + 2]!,
      // -1 where nothing tells
      task: wholes[at + 3]! | 0,
      pid: wholes[at + 4]! | 0,
    };
  }

  /** An address goes at which nothing begins and of which it is forgotten what was undone. */
  tidy(count: number): number[] {
    const left: number[] = [];
    for (let number = 0; number < count; number++) {
      if (this.#oldest[number] === undefined && !this.#hasPast(number)) continue;
      if (number !== left.length) this.#move(number, left.length);
      left.push(number);
    }
    this.#oldest.length = left.length;
    this.#reals.fill(0, left.length * REALS);
    return left;
  }

  #move(from: number, to: number): void {
    this.#oldest[to] = this.#oldest[from];
    moveIn(this.#others, from, to);
    moveIn(this.#ranges, from, to);
    if (from * REALS < this.#reals.length) {
      this.#wholes.copyWithin(to * WHOLES, from * WHOLES, from * WHOLES + WHOLES);
      this.#reals.copyWithin(to * REALS, from * REALS, from * REALS + REALS);
    } else if (to * REALS < this.#reals.length) this.#reals[to * REALS] = 0;
  }
}

/** Takes a value out of a short list; the others stay in order. */
function takeOut<T>(list: T[], value: T): void {
  const at = list.indexOf(value);
  if (at >= 0) list.splice(at, 1);
}

function moveIn<T>(map: Map<number, T>, from: number, to: number): void {
  if (map.size === 0) return;
  const value = map.get(from);
  map.delete(from);
  if (value === undefined) map.delete(to);
  else map.set(to, value);
}
