import { type TimedRecords, TimeHeap } from "../event-format/time-heap.ts";
import type { PiecePool, RecordPiece } from "./record-piece.ts";
import type { SampleLayout } from "./sample-layout.ts";

/** Bytes of the pieces that records wait in, at most. */
const MAX_BYTES = 2 ** 25;
const FIRST_SLOTS = 2 ** 14;
/** Rounds that a record waits: what is unpacked can come a round late. */
const ROUNDS = 2;

/** Takes a record in the order of time. */
type TakeRecord = (
  piece: RecordPiece,
  start: number,
  end: number,
  time: number,
  layout: SampleLayout | undefined,
) => void;

/** Records that wait, of one piece and one layout, which were written in the order of time: so each CPU's are. */
class Run implements TimedRecords {
  readonly piece: RecordPiece;
  /** That of the samples; undefined for other records. */
  readonly layout: SampleLayout | undefined;
  /** How many runs there were before. */
  readonly index: number;
  time: number;
  /** The slots of the next record and behind the last one. */
  next: number;
  end: number;

  constructor(
    piece: RecordPiece,
    layout: SampleLayout | undefined,
    index: number,
    slot: number,
    time: number,
  ) {
    this.piece = piece;
    this.layout = layout;
    this.index = index;
    this.time = time;
    this.next = slot;
    this.end = slot + 1;
  }
}

/**
 * Puts the records of all CPUs into the order of time; those of equal times stay as they were written. perf writes what
 * each CPU's buffer has, one after the other, and says when it has been round all: what is older than all of the round
 * before cannot come any more.
 *
 * Where too many records wait, the older half goes on: then, and only then, order is not sure.
 */
export class EventQueue {
  readonly #pool: PiecePool;
  readonly #take: TakeRecord;
  readonly #runs = new TimeHeap<Run>();
  /** How many runs there were. */
  #count = 0;
  /** The run that the next record may belong to, and the time of its last one. */
  #last: Run | undefined;
  #lastTime = Number.NEGATIVE_INFINITY;
  /** Where the records begin and end, and their times, by slots that are given out one after another. */
  #starts = new Uint32Array(FIRST_SLOTS);
  #ends = new Uint32Array(FIRST_SLOTS);
  #times = new Float64Array(FIRST_SLOTS);
  #slots = 0;
  #latest = Number.NEGATIVE_INFINITY;
  /** The latest times of the last rounds. */
  readonly #rounds: number[] = new Array(ROUNDS).fill(Number.NEGATIVE_INFINITY);

  /** Has a record come since the last round? */
  #isInRound = false;
  #hasRounds = false;

  constructor(pool: PiecePool, take: TakeRecord) {
    this.#pool = pool;
    this.#take = take;
  }

  /** @param layout of a sample */
  add(piece: RecordPiece, start: number, end: number, time: number, layout: SampleLayout | undefined): void {
    if (this.#slots === this.#times.length) this.#makeRoom();
    const slot = this.#slots++;
    this.#starts[slot] = start;
    this.#ends[slot] = end;
    this.#times[slot] = time;
    if (time > this.#latest) this.#latest = time;
    this.#isInRound = true;
    const last = this.#last;
    const goesOn = last !== undefined && last.piece === piece && last.layout === layout;
    if (goesOn && time >= this.#lastTime) last.end = slot + 1;
    else this.#begin(piece, layout, slot, time);
    this.#lastTime = time;
  }

  #begin(piece: RecordPiece, layout: SampleLayout | undefined, slot: number, time: number): void {
    this.#pool.hold(piece);
    this.#last = new Run(piece, layout, this.#count++, slot, time);
    this.#runs.add(this.#last);
    while (this.#pool.heldBytes > MAX_BYTES && this.#runs.first !== undefined) this.#flush(this.#middle());
  }

  /** Is a round open, in a recording that has rounds? Its writer would have ended it. */
  get isWithinRound(): boolean {
    return this.#hasRounds && this.#isInRound;
  }

  /** All CPUs' buffers were read once more. */
  round(): void {
    this.#isInRound = false;
    this.#hasRounds = true;
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
    return this.#waiting;
  }

  /** Records that have not gone on. */
  get #waiting(): number {
    return this.#runs.lists.reduce((sum, { next, end }) => sum + end - next, 0);
  }

  /** Hands on what is not later, in order, and keeps the rest. */
  #flush(limit: number): void {
    const runs = this.#runs;
    for (let run = runs.first; run !== undefined && run.time <= limit; run = runs.first) {
      if (this.#takeUpTo(run, limit, runs.second)) runs.moved();
      else {
        runs.removeFirst();
        this.#pool.release(run.piece);
      }
    }
    this.#last = undefined;
    if (runs.first === undefined) this.#slots = 0;
  }

  /** Hands on records of the first run until one of the second run comes first; false if there are no more. */
  #takeUpTo(run: Run, limit: number, second: Run | undefined): boolean {
    const starts = this.#starts;
    const ends = this.#ends;
    const times = this.#times;
    const until = second === undefined ? limit : Math.min(limit, second.time);
    const isFirst = second === undefined || until < second.time || run.index < second.index;
    const { piece, layout, end } = run;
    let slot = run.next;
    let time = run.time;
    do {
      this.#take(piece, starts[slot]!, ends[slot]!, time, layout);
      if (++slot === end) return false;
      time = times[slot]!;
    } while (time < until || (isFirst && time === until));
    run.next = slot;
    run.time = time;
    return true;
  }

  /** Takes back the slots of records that went on, and makes more if most are in use. */
  #makeRoom(): void {
    const runs = [...this.#runs.lists].sort((a, b) => a.index - b.index);
    const [starts, ends, times] = [this.#starts, this.#ends, this.#times];
    if (this.#waiting * 2 > this.#slots) {
      this.#starts = new Uint32Array(this.#slots * 2);
      this.#ends = new Uint32Array(this.#slots * 2);
      this.#times = new Float64Array(this.#slots * 2);
    }
    this.#slots = 0;
    for (const run of runs) {
      const { next, end } = run;
      this.#starts.set(starts.subarray(next, end), this.#slots);
      this.#ends.set(ends.subarray(next, end), this.#slots);
      this.#times.set(times.subarray(next, end), this.#slots);
      run.next = this.#slots;
      this.#slots += end - next;
      run.end = this.#slots;
    }
  }

  /** The time that half of the records are not later than. */
  #middle(): number {
    const times = new Float64Array(this.#slots);
    let count = 0;
    for (const { next, end } of this.#runs.lists) {
      times.set(this.#times.subarray(next, end), count);
      count += end - next;
    }
    return times.subarray(0, count).sort()[count >>> 1]!;
  }
}
