/** What a {@link LiveList} holds: in one list at a time. */
export interface Linked<T> {
  older: T | undefined;
  newer: T | undefined;
  /** Does somebody keep it? Else it is used again once it is gone. */
  isHeld: boolean;
}

/** Things in the order in which they came, of which any can go. */
export class LiveList<T extends Linked<T>> implements Iterable<T> {
  size = 0;
  #oldest: T | undefined;
  #newest: T | undefined;

  add(item: T): void {
    const before = this.#newest;
    item.older = before;
    item.newer = undefined;
    if (before === undefined) this.#oldest = item;
    else before.newer = item;
    this.#newest = item;
    this.size++;
  }

  /** Takes out what is in the list. */
  delete(item: T): void {
    const { older, newer } = item;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    item.older = undefined;
    item.newer = undefined;
    this.size--;
  }

  clear(): void {
    this.#oldest = undefined;
    this.#newest = undefined;
    this.size = 0;
  }

  /** All of them, which are held from then on. */
  *[Symbol.iterator](): Iterator<T> {
    for (let item = this.#oldest; item !== undefined; item = item.newer) {
      item.isHeld = true;
      yield item;
    }
  }
}
