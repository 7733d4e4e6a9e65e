import { type AddressRange, type Life, type LifeStretch, overlap } from "./life.ts";

/** The mappings that are alive, and what is left of those that are unmapped piece by piece. */
export class AliveLives {
  readonly #lives = new Set<Life>();
  /** What is left of lives of which parts are gone. */
  readonly #rests = new Map<Life, readonly LifeStretch[]>();

  /** In the order in which they were made. */
  [Symbol.iterator](): IterableIterator<Life> {
    return this.#lives.values();
  }

  begin(life: Life): void {
    this.#lives.add(life);
  }

  /** @param gone undefined for all that the life had */
  end(life: Life, gone: AddressRange | undefined): void {
    const rest = gone === undefined ? [] : without(this.stretches(life), gone);
    if (rest.length > 0) {
      this.#rests.set(life, rest);
      return;
    }
    this.#lives.delete(life);
    this.#rests.delete(life);
  }

  /** What is left of a life that is alive. */
  stretches(life: Life): readonly LifeStretch[] {
    return this.#rests.get(life) ?? life.stretches;
  }
}

/** Takes addresses away from stretches. */
export const without = (stretches: readonly LifeStretch[], gone: AddressRange): LifeStretch[] =>
  stretches.flatMap((stretch) => {
    if (!overlap(stretch, gone)) return stretch;
    const parts: LifeStretch[] = [];
    if (stretch.first < gone.first) parts.push(cut(stretch, stretch.first, gone.first - 1n));
    if (stretch.last > gone.last) parts.push(cut(stretch, gone.last + 1n, stretch.last));
    return parts;
  });

/** A part of a stretch, with the memory behind it. */
export function cut(stretch: LifeStretch, first: bigint, last: bigint): LifeStretch {
  const { target, repeats } = stretch;
  const isShifted = target !== undefined && repeats === undefined;
  return { first, last, target: isShifted ? target + (first - stretch.first) : target, repeats };
}
