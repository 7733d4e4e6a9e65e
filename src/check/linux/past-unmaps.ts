import { HalvesMap } from "./halves-map.ts";

/** What was undone last at an address. */
export interface PastUnmap {
  readonly event: number;
  readonly line: number;
  /** Event that had made the mapping. */
  readonly madeEvent: number;
  readonly madeLine: number;
}

/** Past unmaps that are remembered, in two generations of this size. */
const MAX_PAST = 32_768;

/** What was undone last, by address; the oldest is forgotten. */
export class PastUnmaps {
  #young = new HalvesMap<PastUnmap>();
  #old = new HalvesMap<PastUnmap>();
  #count = 0;

  get(hi: number, lo: number): PastUnmap | undefined {
    return this.#young.get(hi, lo) ?? this.#old.get(hi, lo);
  }

  set(hi: number, lo: number, past: PastUnmap): void {
    if (++this.#count > MAX_PAST) {
      this.#old = this.#young;
      this.#young = new HalvesMap();
      this.#count = 1;
    }
    this.#young.set(hi, lo, past);
  }

  delete(hi: number, lo: number): void {
    this.#young.delete(hi, lo);
    this.#old.delete(hi, lo);
  }
}
