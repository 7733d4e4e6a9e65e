import { HalvesIndex } from "./halves-index.ts";

/** Values by keys of 64 bits, in halves of either sign. Values that are not worth it any more go when the map is full. */
export class HalvesMap<T> {
  readonly #index: HalvesIndex;
  readonly #values: T[] = [];

  /** @param isKept is a value still worth its place, when the map is full? */
  constructor(isKept: (value: T) => boolean) {
    const values = this.#values;
    this.#index = new HalvesIndex({
      isKept: (number) => isKept(values[number]!),
      move: (from, to) => {
        values[to] = values[from]!;
      },
      cut: (count) => {
        values.length = count;
      },
    });
  }

  get(hi: number, lo: number): T | undefined {
    const number = this.#index.find(hi, lo);
    return number < 0 ? undefined : this.#values[number];
  }

  /** A value for a key that has none. */
  add(hi: number, lo: number, value: T): void {
    this.#values[this.#index.add(hi, lo)] = value;
  }
}

/**
 * Takes a value out of a short list; the others stay in order.
 *
 * @returns false if it is not there
 */
export function takeOut<T>(list: T[], value: T): boolean {
  let at = list.length - 1;
  while (at >= 0 && list[at] !== value) at--;
  if (at < 0) return false;
  for (let next = at + 1; next < list.length; next++) list[next - 1] = list[next]!;
  list.pop();
  return true;
}
