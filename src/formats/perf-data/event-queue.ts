/** Bytes of records that wait at most. */
const MAX_BYTES = 2 ** 25;
const FIRST_BYTES = 2 ** 20;
const FIRST_RECORDS = 2 ** 14;
/** Rounds that a record waits: what is unpacked can come a round late. */
const ROUNDS = 2;

/** Takes a record in the order of time. */
export type TakeRecord = (
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  time: number,
) => void;

/**
 * Puts the records of all CPUs into the order of time. perf writes what each CPU's buffer has, one after the other, and
 * says when it has been round all: what is older than all of the round before cannot come any more.
 *
 * Where too many records wait, the older half goes on: then, and only then, order is not sure.
 */
export class EventQueue {
  /** The records that wait, one after another: where each begins, and its time. */
  readonly #take: TakeRecord;
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #times = new Float64Array(FIRST_RECORDS);
  #starts = new Uint32Array(FIRST_RECORDS + 1);
  #count = 0;
  #latest = Number.NEGATIVE_INFINITY;
  /** The latest times of the last rounds. */
  readonly #rounds: number[] = new Array(ROUNDS).fill(Number.NEGATIVE_INFINITY);

  constructor(take: TakeRecord) {
    this.#take = take;
  }

  add(bytes: Uint8Array, start: number, end: number, time: number): void {
    const length = end - start;
    if (this.#used + length > this.#bytes.length) this.#makeRoom(length);
    if (this.#count === this.#times.length) this.#growRecords();
    this.#bytes.set(bytes.subarray(start, end), this.#used);
    this.#times[this.#count] = time;
    this.#starts[this.#count++] = this.#used;
    this.#used += length;
    this.#starts[this.#count] = this.#used;
    if (time > this.#latest) this.#latest = time;
  }

  /** All CPUs' buffers were read once more. */
  round(): void {
    const limit = this.#rounds.shift()!;
    this.#rounds.push(this.#latest);
    this.#flush(limit);
  }

  /** The end: everything goes on. */
  end(): void {
    this.#flush(Number.POSITIVE_INFINITY);
  }

  #makeRoom(length: number): void {
    if (this.#bytes.length < MAX_BYTES) {
      const more = new Uint8Array(this.#bytes.length * 2);
      more.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = more;
      this.#view = new DataView(more.buffer);
    }
    while (this.#used + length > this.#bytes.length) {
      const half = Float64Array.from(this.#times.subarray(0, this.#count)).sort()[this.#count >>> 1]!;
      this.#flush(half);
    }
  }

  #growRecords(): void {
    const times = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    this.#times = times;
    const starts = new Uint32Array(times.length + 1);
    starts.set(this.#starts);
    this.#starts = starts;
  }

  /** Hands on what is not later, in order, and keeps the rest. */
  #flush(limit: number): void {
    const order = this.#inOrder(limit);
    for (let i = 0; i < order.length; i++) {
      const record = order[i]!;
      this.#take(
        this.#bytes,
        this.#view,
        this.#starts[record]!,
        this.#starts[record + 1]!,
        this.#times[record]!,
      );
    }
    if (order.length > 0) this.#keepAfter(limit);
  }

  /** The records that are not later, by time; of equal times the one that was written first. */
  #inOrder(limit: number): Uint32Array {
    const times = this.#times;
    let order = new Uint32Array(this.#count);
    let length = 0;
    // A CPU's records stand in their order: all that is needed is to merge such runs.
    let runs: number[] = [];
    let last = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#count; i++) {
      const time = times[i]!;
      if (time > limit) continue;
      if (time < last) runs.push(length);
      last = time;
      order[length++] = i;
    }
    order = order.subarray(0, length);
    for (let spare = new Uint32Array(runs.length > 1 ? length : 0); runs.length > 1; ) {
      const merged: number[] = [];
      for (let run = 0; run < runs.length; run += 2) {
        merged.push(runs[run]!);
        mergeRuns(times, order, spare, runs[run]!, runs[run + 1] ?? length, runs[run + 2] ?? length);
      }
      [order, spare] = [spare, order];
      runs = merged;
    }
    return order;
  }

  /** Moves what is later to the front. */
  #keepAfter(limit: number): void {
    let count = 0;
    let used = 0;
    for (let i = 0; i < this.#count; i++) {
      const time = this.#times[i]!;
      if (time <= limit) continue;
      const start = this.#starts[i]!;
      const end = this.#starts[i + 1]!;
      if (used !== start) this.#bytes.copyWithin(used, start, end);
      this.#times[count] = time;
      this.#starts[count++] = used;
      used += end - start;
    }
    this.#starts[count] = used;
    this.#count = count;
    this.#used = used;
  }
}

/** Merges `[from, middle)` and `[middle, to)` of records that are ordered by time into another list. */
function mergeRuns(
  times: Float64Array,
  order: Uint32Array,
  into: Uint32Array,
  from: number,
  middle: number,
  to: number,
): void {
  let a = from;
  let b = middle;
  for (let at = from; at < to; at++) {
    const takesFirst = b >= to || (a < middle && times[order[a]!]! <= times[order[b]!]!);
    into[at] = takesFirst ? order[a++]! : order[b++]!;
  }
}
