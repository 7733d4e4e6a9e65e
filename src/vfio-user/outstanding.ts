/** What waits under an id of its own. */
interface Waiting {
  readonly id: number;
}

/** What waits for replies, oldest first. Most often that is one, which needs no map. */
export class Outstanding<T extends Waiting> {
  #oldest: T | undefined;
  /** Those behind it, in order. */
  readonly #others = new Map<number, T>();

  get size(): number {
    return this.#oldest === undefined ? 0 : 1 + this.#others.size;
  }

  /** The one that has waited longest. */
  get oldest(): T | undefined {
    return this.#oldest;
  }

  get(id: number): T | undefined {
    return this.#oldest?.id === id ? this.#oldest : this.#others.get(id);
  }

  /** Adds one whose id is free. */
  add(waiting: T): void {
    if (this.#oldest === undefined) this.#oldest = waiting;
    else this.#others.set(waiting.id, waiting);
  }

  delete(waiting: T): void {
    if (waiting !== this.#oldest) {
      this.#others.delete(waiting.id);
      return;
    }
    this.#oldest = undefined;
    if (this.#others.size === 0) return;
    const next: T = this.#others.values().next().value!;
    this.#others.delete(next.id);
    this.#oldest = next;
  }

  /** Takes all of them out, in order. */
  takeAll(): T[] {
    const all = this.#oldest === undefined ? [] : [this.#oldest, ...this.#others.values()];
    this.#oldest = undefined;
    this.#others.clear();
    return all;
  }
}
