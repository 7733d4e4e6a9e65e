import type { Some } from "../stage-protocol.ts";

/** The first few of many, and how many there are. */
export class Sample<Item> implements Some<Item> {
  readonly first: Item[] = [];
  all = 0;
  readonly #limit: number;

  constructor(limit = 16) {
    this.#limit = limit;
  }

  add(item: Item): void {
    if (this.all++ < this.#limit) this.first.push(item);
  }

  /** As a message has it. */
  get plain(): Some<Item> {
    return { first: this.first, all: this.all };
  }
}
