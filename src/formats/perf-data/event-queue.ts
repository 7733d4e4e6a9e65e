/** Bytes of the pieces that records wait in, at most. */
const MAX_BYTES = 2 ** 25;
const FIRST_RECORDS = 2 ** 14;
/** Rounds that a record waits: what is unpacked can come a round late. */
const ROUNDS = 2;

/** Bytes in which records stand; they stay as they are. */
export interface RecordPiece {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Records of it that wait. */
  waiting: number;
}

/** Takes a record in the order of time. */
type TakeRecord = (piece: RecordPiece, start: number, end: number, time: number) => void;

/**
 * Puts the records of all CPUs into the order of time. perf writes what each CPU's buffer has, one after the other, and
 * says when it has been round all: what is older than all of the round before cannot come any more.
 *
 * Where too many records wait, the older half goes on: then, and only then, order is not sure.
 */
export class EventQueue {
  readonly #take: TakeRecord;
  /** Of each record that waits: its piece, where it begins and ends, and its time. */
  #pieces: RecordPiece[] = [];
  #places = new Uint32Array(2 * FIRST_RECORDS);
  #times = new Float64Array(FIRST_RECORDS);
  #count = 0;
  /** Bytes of pieces with records that wait. */
  #bytes = 0;
  #latest = Number.NEGATIVE_INFINITY;
  /** The latest times of the last rounds. */
  readonly #rounds: number[] = new Array(ROUNDS).fill(Number.NEGATIVE_INFINITY);

  /** Has a record come since the last round? */
  #isInRound = false;

  constructor(take: TakeRecord) {
    this.#take = take;
  }

  add(piece: RecordPiece, start: number, end: number, time: number): void {
    if (piece.waiting++ === 0) this.#bytes += piece.bytes.length;
    if (this.#count === this.#times.length) this.#grow();
    const at = this.#count++;
    this.#pieces[at] = piece;
    this.#places[2 * at] = start;
    this.#places[2 * at + 1] = end;
    this.#times[at] = time;
    if (time > this.#latest) this.#latest = time;
    this.#isInRound = true;
    while (this.#bytes > MAX_BYTES) {
      const half = Float64Array.from(this.#times.subarray(0, this.#count)).sort()[this.#count >>> 1]!;
      this.#flush(half);
    }
  }

  /** All CPUs' buffers were read once more. */
  round(): void {
    this.#isInRound = false;
    const limit = this.#rounds.shift()!;
    this.#rounds.push(this.#latest);
    this.#flush(limit);
  }

  /**
   * The end: everything goes on. Of records that end early only what the last whole round made sure does, as of what is later
   * the records of other CPUs are missing: what these unmapped would seem to be alive.
   *
   * @returns records that are left out
   */
  end(isWhole: boolean): number {
    this.#flush(isWhole || !this.#isInRound ? Number.POSITIVE_INFINITY : this.#rounds[0]!);
    return this.#count;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    this.#times = times;
    const places = new Uint32Array(times.length * 2);
    places.set(this.#places);
    this.#places = places;
  }

  /** Hands on what is not later, in order, and keeps the rest. */
  #flush(limit: number): void {
    const order = this.#inOrder(limit);
    const places = this.#places;
    for (let i = 0; i < order.length; i++) {
      const record = order[i]!;
      const piece = this.#pieces[record]!;
      this.#take(piece, places[2 * record]!, places[2 * record + 1]!, this.#times[record]!);
      if (--piece.waiting === 0) this.#bytes -= piece.bytes.length;
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
        this.#merge(order, spare, runs[run]!, runs[run + 1] ?? length, runs[run + 2] ?? length);
      }
      [order, spare] = [spare, order];
      runs = merged;
    }
    return order;
  }

  /** Moves what is later to the front. */
  #keepAfter(limit: number): void {
    const places = this.#places;
    let count = 0;
    for (let i = 0; i < this.#count; i++) {
      const time = this.#times[i]!;
      if (time <= limit) continue;
      this.#pieces[count] = this.#pieces[i]!;
      places[2 * count] = places[2 * i]!;
      places[2 * count + 1] = places[2 * i + 1]!;
      this.#times[count++] = time;
    }
    this.#pieces.length = count;
    this.#count = count;
  }

  /** Merges `[from, middle)` and `[middle, to)` of records that are ordered by time into another list. */
  #merge(order: Uint32Array, into: Uint32Array, from: number, middle: number, to: number): void {
    const times = this.#times;
    let a = from;
    let b = middle;
    for (let at = from; at < to; at++) {
      const takesFirst = b >= to || (a < middle && times[order[a]!]! <= times[order[b]!]!);
      into[at] = takesFirst ? order[a++]! : order[b++]!;
    }
  }
}
