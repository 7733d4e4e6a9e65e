/** 64-bit keys in halves: the high ones are few. */
export class HalvesMap<T> {
  readonly #byHi = new Map<number, Map<number, T>>();

  get(hi: number, lo: number): T | undefined {
    return this.#byHi.get(hi)?.get(lo);
  }

  set(hi: number, lo: number, value: T): void {
    let byLo = this.#byHi.get(hi);
    if (byLo === undefined) {
      byLo = new Map();
      this.#byHi.set(hi, byLo);
    }
    byLo.set(lo, value);
  }

  delete(hi: number, lo: number): void {
    this.#byHi.get(hi)?.delete(lo);
  }

  forEach(visit: (value: T) => void): void {
    for (const byLo of this.#byHi.values()) byLo.forEach(visit);
  }
}

/** A {@link HalvesMap} of several values for a key, in the order in which they came. */
export class HalvesMultiMap<T> {
  readonly #map = new HalvesMap<T[]>();

  get(hi: number, lo: number): readonly T[] {
    return this.#map.get(hi, lo) ?? [];
  }

  add(hi: number, lo: number, value: T): void {
    const there = this.#map.get(hi, lo);
    if (there === undefined) this.#map.set(hi, lo, [value]);
    else there.push(value);
  }

  remove(hi: number, lo: number, value: T): void {
    const there = this.#map.get(hi, lo);
    if (there === undefined) return;
    there.splice(there.indexOf(value), 1);
    if (there.length === 0) this.#map.delete(hi, lo);
  }
}
