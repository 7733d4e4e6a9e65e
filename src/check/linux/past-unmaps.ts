import { HalvesMap } from "./halves-map.ts";
import { IntervalIndex, pieceOf } from "./interval-index.ts";
import { isInRanges, type LiveMapping, lastPieceOf, offsetIn } from "./live-mapping.ts";

/** What was undone last at an address, by whom and when. */
export interface PastUnmap {
  readonly event: number;
  readonly line: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly task: number;
  readonly pid: number;
  readonly mapping: LiveMapping;
}

/** Past unmaps that are remembered, in two generations of this size. */
const MAX_PAST = 32_768;

/** What was undone last, by address; the oldest is forgotten. */
export class PastUnmaps {
  #young = new HalvesMap<PastUnmap>();
  #old = new HalvesMap<PastUnmap>();
  #count = 0;
  /** All by pieces of DMA addresses; made when it is first asked for, and again when a generation went. */
  #byPiece: IntervalIndex<PastUnmap> | undefined;

  get(hi: number, lo: number): PastUnmap | undefined {
    return this.#young.get(hi, lo) ?? this.#old.get(hi, lo);
  }

  set(hi: number, lo: number, past: PastUnmap): void {
    if (this.#byPiece !== undefined) this.#index(hi, lo, past);
    if (++this.#count > MAX_PAST) {
      this.#old = this.#young;
      this.#young = new HalvesMap();
      this.#count = 1;
      this.#byPiece = undefined;
    }
    this.#young.set(hi, lo, past);
  }

  delete(hi: number, lo: number): void {
    if (this.#byPiece !== undefined) this.#unindex(hi, lo);
    this.#young.delete(hi, lo);
    this.#old.delete(hi, lo);
  }

  /** The last one of those that had an address. */
  covering(hi: number, lo: number): PastUnmap | undefined {
    const piece = pieceOf(hi, lo);
    let last: PastUnmap | undefined;
    this.#all().find(piece, piece, (past) => {
      const offset = offsetIn(past.mapping, hi, lo);
      const is = offset >= 0 && offset < past.mapping.size;
      if (is && (last === undefined || past.event > last.event)) last = past;
      return false;
    });
    return last;
  }

  /** The last one of the lists that had an address in one of several ranges. */
  listCovering(hi: number, lo: number): PastUnmap | undefined {
    let last: PastUnmap | undefined;
    const look = (past: PastUnmap): void => {
      if (isInRanges(past.mapping, hi, lo) && (last === undefined || past.event > last.event)) last = past;
    };
    this.#old.forEach(look);
    this.#young.forEach(look);
    return last;
  }

  #all(): IntervalIndex<PastUnmap> {
    if (this.#byPiece !== undefined) return this.#byPiece;
    const index = new IntervalIndex<PastUnmap>();
    this.#byPiece = index;
    const add = (past: PastUnmap): void =>
      index.add(pieceOf(past.mapping.dmaHi, past.mapping.dmaLo), lastPieceOf(past.mapping), past);
    this.#young.forEach(add);
    this.#old.forEach((past) => {
      if (this.get(past.mapping.dmaHi, past.mapping.dmaLo) === past) add(past);
    });
    return index;
  }

  #index(hi: number, lo: number, past: PastUnmap): void {
    this.#unindex(hi, lo);
    this.#byPiece!.add(pieceOf(hi, lo), lastPieceOf(past.mapping), past);
  }

  #unindex(hi: number, lo: number): void {
    const known = this.get(hi, lo);
    if (known !== undefined) this.#byPiece!.remove(pieceOf(hi, lo), lastPieceOf(known.mapping), known);
  }
}
