/** A list of records in the order of time, of which one is next. */
export interface TimedRecords {
  /** Time of the next one. */
  readonly time: number;
  /** Of equal times the list with the lower number comes first. */
  readonly index: number;
}

/** Is the next record of one list to be read before that of another? */
export const isBefore = (one: TimedRecords, other: TimedRecords): boolean =>
  one.time < other.time || (one.time === other.time && one.index < other.index);

/** Lists of records, of which the one with the earliest record is known: a heap. */
export class TimeHeap<Records extends TimedRecords> {
  readonly #lists: Records[] = [];

  /** All of them, in no order. */
  get lists(): readonly Records[] {
    return this.#lists;
  }

  /** The earliest one. */
  get first(): Records | undefined {
    return this.#lists[0];
  }

  /** The one that is the earliest without {@link first}. */
  get second(): Records | undefined {
    const left = this.#lists[1];
    const right = this.#lists[2];
    return left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
  }

  add(records: Records): void {
    const lists = this.#lists;
    let at = lists.push(records) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(records, lists[parent]!)) break;
      lists[at] = lists[parent]!;
      at = parent;
    }
    lists[at] = records;
  }

  /** The first one has gone to another record. */
  moved(): void {
    const lists = this.#lists;
    const records = lists[0]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= lists.length) break;
      if (child + 1 < lists.length && isBefore(lists[child + 1]!, lists[child]!)) child++;
      if (!isBefore(lists[child]!, records)) break;
      lists[at] = lists[child]!;
      at = child;
    }
    lists[at] = records;
  }

  /** Takes the first one out. */
  removeFirst(): void {
    const last = this.#lists.pop()!;
    if (this.#lists.length === 0) return;
    this.#lists[0] = last;
    this.moved();
  }
}
