import { MappingRun } from "./mapping-run.ts";

/**
 * One change of an IOMMU while it is told to notifiers, one after another.
 *
 * A callback may change the same pages again. All notifiers hear of that at
 * once, before the rest of them hears of this change; what they would hear of
 * those pages afterwards is old, and is left out.
 */
export class Delivery {
  /** What is told now. */
  readonly run: MappingRun = new MappingRun();
  /** The delivery in one of whose callbacks this one began. */
  outer: Delivery | null = null;
  /** First page and end of each stretch that changed again meanwhile, in the order of the changes. */
  readonly #overtaken: number[] = [];

  begin(outer: Delivery | null): void {
    this.outer = outer;
    if (this.#overtaken.length > 0) this.#overtaken.length = 0;
  }

  /** The pages from `first` to before `end` changed again. */
  overtake(first: number, end: number): void {
    this.#overtaken.push(first, end);
  }

  get isOvertaken(): boolean {
    return this.#overtaken.length > 0;
  }

  /** The first page from `at` on that did not change again; `end` if there is none before. */
  standing(at: number, end: number): number {
    let page = at;
    for (let i = 0; i < this.#overtaken.length && page < end; i += 2) {
      if (this.#overtaken[i]! > page || this.#overtaken[i + 1]! <= page) continue;
      page = this.#overtaken[i + 1]!;
      i = -2; // A stretch that was looked at before may go on here.
    }
    return Math.min(page, end);
  }

  /** Where the stretch of pages ends that begins with `at` and did not change again; at most `end`. */
  standingEnd(at: number, end: number): number {
    let behind = end;
    for (let i = 0; i < this.#overtaken.length; i += 2) {
      const first = this.#overtaken[i]!;
      if (first > at && first < behind) behind = first;
    }
    return behind;
  }
}
