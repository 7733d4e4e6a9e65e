import { HalvesMap } from "./halves-map.ts";
import { IntervalIndex, pieceOf } from "./interval-index.ts";
import { isInRanges, type LiveMapping, lastPieceOf, offsetIn } from "./live-mapping.ts";

/** Who undid something, and when. */
export interface Unmapping {
  readonly event: number;
  readonly line: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly task: number;
  readonly pid: number;
}

/** What a past mapping was. */
export type PastMapping = Pick<
  LiveMapping,
  "family" | "direction" | "dmaHi" | "dmaLo" | "size" | "ranges" | keyof Unmapping
>;

/** What was undone last at an address, by whom and when. */
export interface PastUnmap extends Unmapping {
  readonly mapping: PastMapping;
}

/** Past unmaps that are remembered, in two generations of this size. */
const MAX_PAST = 32_768;
/** Numbers of a row: six of the unmap, six of the map, and five of what was mapped. */
const ROW = 17;

/** Rows of numbers: an object for each unmap of a recording would be most of what is allocated. */
class Generation {
  readonly byAddress = new HalvesMap<number>();
  count = 0;
  #rows = new Float64Array(64 * ROW);
  /** Of lists with several ranges, by row. */
  readonly #ranges = new Map<number, Uint32Array>();

  /** @returns the row */
  add(unmap: Unmapping, mapping: PastMapping): number {
    const row = this.count++;
    if (this.count * ROW > this.#rows.length) {
      const more = new Float64Array(this.#rows.length * 2);
      more.set(this.#rows);
      this.#rows = more;
    }
    const rows = this.#rows;
    let at = row * ROW;
    rows[at++] = unmap.event;
    rows[at++] = unmap.line;
    rows[at++] = unmap.seconds;
    rows[at++] = unmap.nanoseconds;
    rows[at++] = unmap.task;
    rows[at++] = unmap.pid;
    rows[at++] = mapping.event;
    rows[at++] = mapping.line;
    rows[at++] = mapping.seconds;
    rows[at++] = mapping.nanoseconds;
    rows[at++] = mapping.task;
    rows[at++] = mapping.pid;
    rows[at++] = mapping.family;
    rows[at++] = mapping.direction;
    rows[at++] = mapping.dmaHi;
    rows[at++] = mapping.dmaLo;
    rows[at] = mapping.size;
    if (mapping.ranges !== undefined) this.#ranges.set(row, mapping.ranges);
    return row;
  }

  at(row: number): PastUnmap {
    const unmap = this.#actAt(row * ROW);
    const made = this.#actAt(row * ROW + 6);
    const [family, direction, dmaHi, dmaLo, size] = this.#rows.subarray(row * ROW + 12, (row + 1) * ROW);
    const mapping = {
      ...made,
      family: family!,
      direction: direction!,
      dmaHi: dmaHi!,
      dmaLo: dmaLo!,
      size: size!,
      ranges: this.#ranges.get(row),
    };
    return { ...unmap, mapping };
  }

  #actAt(at: number): Unmapping {
    const [event, line, seconds, nanoseconds, task, pid] = this.#rows.subarray(at, at + 6);
    return {
      event: event!,
      line: line!,
      seconds: seconds!,
      nanoseconds: nanoseconds!,
      task: task!,
      pid: pid!,
    };
  }
}

/** What was undone last, by address; the oldest is forgotten. */
export class PastUnmaps {
  #young = new Generation();
  #old = new Generation();
  /** Keys of all by pieces of DMA addresses; made when it is asked for, and again after something changed. */
  #byPiece: IntervalIndex<PastUnmap> | undefined;

  get(hi: number, lo: number): PastUnmap | undefined {
    const row = this.#young.byAddress.get(hi, lo);
    if (row !== undefined) return this.#young.at(row);
    const older = this.#old.byAddress.get(hi, lo);
    return older === undefined ? undefined : this.#old.at(older);
  }

  set(hi: number, lo: number, unmap: Unmapping, mapping: PastMapping): void {
    if (this.#young.count === MAX_PAST) {
      this.#old = this.#young;
      this.#young = new Generation();
      this.#byPiece = undefined;
    }
    this.#young.byAddress.set(hi, lo, this.#young.add(unmap, mapping));
    if (this.#byPiece !== undefined) this.#index(this.#byPiece, this.get(hi, lo)!);
  }

  delete(hi: number, lo: number): void {
    this.#young.byAddress.delete(hi, lo);
    this.#old.byAddress.delete(hi, lo);
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
    for (const generation of [this.#old, this.#young]) {
      generation.byAddress.forEach((row) => {
        const past = generation.at(row);
        if (isInRanges(past.mapping, hi, lo) && (last === undefined || past.line > last.line)) last = past;
      });
    }
    return last;
  }

  /** Was nothing mapped or undone at its address since? */
  #isLast({ line, mapping: { dmaHi, dmaLo } }: PastUnmap): boolean {
    return this.get(dmaHi, dmaLo)?.line === line;
  }

  #all(): IntervalIndex<PastUnmap> {
    if (this.#byPiece !== undefined) return this.#byPiece;
    const index = new IntervalIndex<PastUnmap>();
    this.#byPiece = index;
    for (const generation of [this.#old, this.#young]) {
      generation.byAddress.forEach((row) => {
        this.#index(index, generation.at(row));
      });
    }
    return index;
  }

  #index(index: IntervalIndex<PastUnmap>, past: PastUnmap): void {
    index.add(pieceOf(past.mapping.dmaHi, past.mapping.dmaLo), lastPieceOf(past.mapping), past);
  }
}
