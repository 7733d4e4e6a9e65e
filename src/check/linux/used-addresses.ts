import type { AddressUse } from "./address-use.ts";
import { HalvesMap, takeOut } from "./halves-map.ts";
import { IntervalIndex, pieceOf } from "./interval-index.ts";
import { isInRanges, type LiveMapping, lastPieceOf, offsetIn } from "./live-mapping.ts";

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
const MAX_ROWS = 2 * GENERATION;
/** Whole numbers of a row: five of the unmap, five of the map, and three of what was mapped. */
const WHOLES = 13;
/** Others: times of unmap and map, and a size. */
const REALS = 3;
const FEWEST_ROWS = 64;

const NOTHING: readonly LiveMapping[] = [];

/** What is known of an address. */
type Use = AddressUse<LiveMapping>;

/**
 * What begins at addresses, and what was undone there last; of that the oldest is forgotten. It is kept as rows of
 * numbers: an object for each unmap of a recording would be most of what is allocated.
 */
export class UsedAddresses {
  readonly #uses = new HalvesMap<Use>(({ live, unmap }) => live.length > 0 || this.#isRemembered(unmap));
  #count = 0;
  #wholes = new Uint32Array(FEWEST_ROWS * WHOLES);
  #reals = new Float64Array(FEWEST_ROWS * REALS);
  /** Of lists with several ranges, by row. */
  readonly #ranges = new Map<number, Uint32Array>();
  /** What was undone by pieces of DMA addresses; made when it is asked for, and again for each generation. */
  #byPiece: IntervalIndex<PastUnmap> | undefined;

  /** What begins at an address. */
  at(hi: number, lo: number): readonly LiveMapping[] {
    return this.#uses.get(hi, lo)?.live ?? NOTHING;
  }

  /** What was undone last at an address, if nothing was mapped there since. */
  past(hi: number, lo: number): PastUnmap | undefined {
    const unmap = this.#uses.get(hi, lo)?.unmap ?? -1;
    return this.#isRemembered(unmap) ? this.#at(unmap) : undefined;
  }

  hasPast(hi: number, lo: number): boolean {
    return this.#isRemembered(this.#uses.get(hi, lo)?.unmap ?? -1);
  }

  /** @returns what is known of the address, which {@link undo} takes */
  add(hi: number, lo: number, mapping: LiveMapping): Use {
    let use = this.#uses.get(hi, lo);
    if (use === undefined) {
      use = { live: [mapping], unmap: -1 };
      this.#uses.set(hi, lo, use);
    } else {
      use.live.push(mapping);
      use.unmap = -1;
    }
    return use;
  }

  /** Something is undone at its address. */
  undo(use: Use, undoing: Undoing, mapping: LiveMapping): void {
    takeOut(use.live, mapping);
    const unmap = this.#count++;
    if (unmap % GENERATION === 0) this.#byPiece = undefined;
    this.#write(unmap % MAX_ROWS, undoing, mapping);
    use.unmap = unmap;
    if (this.#byPiece !== undefined) this.#index(this.#byPiece, this.#at(unmap));
  }

  /** The last one of those that had an address. */
  covering(hi: number, lo: number): PastUnmap | undefined {
    const piece = pieceOf(hi, lo);
    let last: PastUnmap | undefined;
    this.#all().find(piece, piece, (past) => {
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
    this.#forEach((past) => {
      if (isInRanges(past.mapping, hi, lo) && (last === undefined || past.line > last.line)) last = past;
    });
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
    this.#forEach((past) => this.#index(index, past));
    return index;
  }

  #index(index: IntervalIndex<PastUnmap>, past: PastUnmap): void {
    index.add(pieceOf(past.mapping.dmaHi, past.mapping.dmaLo), lastPieceOf(past.mapping), past);
  }

  #forEach(visit: (past: PastUnmap) => void): void {
    this.#uses.forEach(({ unmap }) => {
      if (this.#isRemembered(unmap)) visit(this.#at(unmap));
    });
  }

  #isRemembered(unmap: number): boolean {
    return unmap >= 0 && Math.floor(unmap / GENERATION) + 1 >= Math.floor((this.#count - 1) / GENERATION);
  }

  #write(row: number, undoing: Undoing, mapping: PastMapping): void {
    if ((row + 1) * REALS > this.#reals.length) this.#grow();
    const wholes = this.#wholes;
    let at = row * WHOLES;
    wholes[at++] = undoing.number;
    wholes[at++] = undoing.line;
    wholes[at++] = undoing.nanoseconds;
    wholes[at++] = undoing.task;
    wholes[at++] = undoing.pid;
    wholes[at++] = mapping.event;
    wholes[at++] = mapping.line;
    wholes[at++] = mapping.nanoseconds;
    wholes[at++] = mapping.task;
    wholes[at++] = mapping.pid;
    wholes[at++] = mapping.family * 4 + mapping.direction;
    wholes[at++] = mapping.dmaHi;
    wholes[at] = mapping.dmaLo;
    const reals = this.#reals;
    reals[row * REALS] = undoing.seconds;
    reals[row * REALS + 1] = mapping.seconds;
    reals[row * REALS + 2] = mapping.size;
    if (mapping.ranges !== undefined) this.#ranges.set(row, mapping.ranges);
    else if (this.#ranges.size > 0) this.#ranges.delete(row);
  }

  #grow(): void {
    const wholes = new Uint32Array(this.#wholes.length * 2);
    wholes.set(this.#wholes);
    this.#wholes = wholes;
    const reals = new Float64Array(this.#reals.length * 2);
    reals.set(this.#reals);
    this.#reals = reals;
  }

  #at(unmap: number): PastUnmap {
    const row = unmap % MAX_ROWS;
    const what = row * WHOLES + 10;
    const kind = this.#wholes[what]!;
    const mapping = {
      ...this.#actAt(row * WHOLES + 5, this.#reals[row * REALS + 1]!),
      family: Math.floor(kind / 4),
      direction: kind % 4,
      dmaHi: this.#wholes[what + 1]!,
      dmaLo: this.#wholes[what + 2]!,
      size: this.#reals[row * REALS + 2]!,
      ranges: this.#ranges.get(row),
    };
    return { ...this.#actAt(row * WHOLES, this.#reals[row * REALS]!), mapping };
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
}
