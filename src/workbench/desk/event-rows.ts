import { GrowingRows } from "../../base/growing-rows.ts";
import { type Axis, EVENT_CLASSES, type Lanes } from "../protocol.ts";

/** Events of which the sums are kept. */
const BLOCK = 256;
const CLASSES = EVENT_CLASSES.length;

const [LINE, KIND, MAPPED, WORDS] = [0, 1, 2, 3];
const [LANE_SHIFT, KIND_MASK] = [4, 15];

/** Lines, and pages, that a row can say. */
const TWO32 = 2 ** 32;
const MAX_PAGES = TWO32 - 1;

/** A lane: whose events stand together. */
class Lane {
  readonly name: string;
  /** By class: how many there were before each block. */
  readonly sums: readonly GrowingRows[] = EVENT_CLASSES.map(() => GrowingRows.u32());
  /** Of the block that is filled now. */
  readonly counts: number[] = EVENT_CLASSES.map(() => 0);
  /** Pages that are mapped after each block. */
  readonly mapped: GrowingRows = GrowingRows.f64();
  latest = 0;

  constructor(name: string, blocks: number) {
    this.name = name;
    for (let i = 0; i < blocks; i++) this.endBlock();
  }

  endBlock(): void {
    for (const [kind, sum] of this.sums.entries()) sum.push(this.counts[kind]!);
    this.mapped.push(this.latest);
  }
}

/**
 * What is kept of each event: where it stands in the file, what it is, and whose, and its time, if it has one. 12 bytes an event, 20
 * with times, and sums for each {@link BLOCK}, so that any stretch of time is counted at once.
 */
export class EventRows {
  /** Line (its low half), what it is and whose, and the pages that are mapped in its lane after it. */
  readonly #rows = GrowingRows.u32(WORDS);
  /** First event at or after each multiple of 2^32 lines. */
  readonly #passed: number[] = [];
  /** Seconds since the first event, which are never less than those before; of the events before the first one without a time. */
  readonly #times = GrowingRows.f64();
  readonly #lanes: Lane[] = [];
  readonly #byName = new Map<string, number>();
  #blocks = 0;
  #start = Number.NaN;
  #last = 0;
  #hasTimes = true;

  get length(): number {
    return this.#rows.length;
  }

  get lanes(): string[] {
    return this.#lanes.map(({ name }) => name);
  }

  /** Have all events times? */
  get hasTimes(): boolean {
    return this.#hasTimes && this.length > 0;
  }

  /** Seconds of the whole; NaN without times. */
  get seconds(): number {
    return this.hasTimes ? this.#last : Number.NaN;
  }

  /** The number of a lane; beyond 255 all that come are one. */
  lane(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#lanes.length >= 255) return 254;
    const number = this.#lanes.push(new Lane(name, this.#blocks)) - 1;
    this.#byName.set(name, number);
    return number;
  }

  /**
   * Takes an event; its number is how many came before.
   *
   * @param seconds NaN without a time
   * @param kind place in {@link EVENT_CLASSES}
   * @param mapped pages that are mapped in its lane after it
   */
  push(line: number, seconds: number, nanoseconds: number, lane: number, kind: number, mapped: number): void {
    if (line >= TWO32) this.#pass(line);
    if (this.#hasTimes) this.#time(seconds, nanoseconds);
    const at = this.#rows.add();
    const { numbers } = this.#rows;
    numbers[at + LINE] = line;
    numbers[at + KIND] = (lane << LANE_SHIFT) | kind;
    numbers[at + MAPPED] = Math.min(mapped, MAX_PAGES);
    const one = this.#lanes[lane]!;
    one.counts[kind]!++;
    one.latest = mapped;
    if (this.length % BLOCK !== 0) return;
    this.#blocks++;
    for (const each of this.#lanes) each.endBlock();
  }

  #pass(line: number): void {
    while (line >= (this.#passed.length + 1) * TWO32) this.#passed.push(this.length);
  }

  #time(seconds: number, nanoseconds: number): void {
    if (Number.isNaN(seconds)) {
      this.#hasTimes = false;
      return;
    }
    const time = seconds + nanoseconds / 1e9;
    if (Number.isNaN(this.#start)) this.#start = time;
    if (time - this.#start > this.#last) this.#last = time - this.#start;
    this.#times.push(this.#last);
  }

  /** Pages that are mapped in a lane after the last event. */
  latest(lane: number): number {
    return this.#lanes[lane]!.latest;
  }

  #laneOf(event: number): number {
    return this.#rows.at(event, KIND) >>> LANE_SHIFT;
  }

  lineOf(event: number): number {
    if (this.length === 0) return 0;
    const at = Math.max(0, Math.min(event, this.length - 1));
    let high = 0;
    while (high < this.#passed.length && this.#passed[high]! <= at) high++;
    return high * TWO32 + this.#rows.at(at, LINE);
  }

  secondsOf(event: number): number {
    return this.hasTimes ? this.#times.at(Math.max(0, Math.min(event, this.length - 1))) : Number.NaN;
  }

  /** The last event at or before a time, or place in the file. */
  eventAtSeconds(seconds: number): number {
    return this.hasTimes ? Math.max(0, this.#times.upTo(seconds) - 1) : 0;
  }

  eventAtLine(line: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.lineOf(middle) <= line) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** How many events of each class a lane has in `[first, end)`. */
  count(lane: number, first: number, end: number, into: Uint32Array, at: number): void {
    this.#countUpTo(lane, end, into, at, 1);
    this.#countUpTo(lane, first, into, at, -1);
  }

  #countUpTo(lane: number, end: number, into: Uint32Array, at: number, sign: number): void {
    const block = Math.floor(end / BLOCK);
    const { sums } = this.#lanes[lane]!;
    if (block > 0)
      for (let kind = 0; kind < CLASSES; kind++) into[at + kind]! += sign * sums[kind]!.at(block - 1);
    for (let event = block * BLOCK; event < end; event++) {
      const word = this.#rows.at(event, KIND);
      if (word >>> LANE_SHIFT === lane) into[at + (word & KIND_MASK)]! += sign;
    }
  }

  /** Pages that are mapped in a lane after an event. */
  mappedAt(lane: number, event: number): number {
    const block = Math.floor(event / BLOCK);
    for (let at = Math.min(event, this.length - 1); at >= block * BLOCK; at--)
      if (this.#laneOf(at) === lane) return this.#rows.at(at, MAPPED);
    return block === 0 ? 0 : this.#lanes[lane]!.mapped.at(block - 1);
  }

  /** The most pages that were mapped in a lane after any of the events `[first, end)`. */
  peak(lane: number, first: number, end: number): number {
    let most = first === 0 ? 0 : this.mappedAt(lane, first - 1);
    for (let event = first; event < end; event++)
      if (this.#laneOf(event) === lane) most = Math.max(most, this.#rows.at(event, MAPPED));
    return most;
  }

  /** Cuts a stretch of time into columns. */
  columns(axis: Axis, from: number, to: number, columns: number): Lanes {
    const events = new Float64Array(columns + 1);
    for (let i = 0; i <= columns; i++) {
      const at = from + ((to - from) * i) / columns;
      const event = axis === "event" ? Math.ceil(at) : this.#times.below(at);
      events[i] = Math.max(0, Math.min(this.length, event));
    }
    const counts = new Uint32Array(this.#lanes.length * CLASSES * columns);
    const mapped = new Float64Array(this.#lanes.length * columns);
    const row = new Uint32Array(CLASSES);
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      for (let i = 0; i < columns; i++) {
        const [first, end] = [events[i]!, events[i + 1]!];
        mapped[lane * columns + i] = this.mappedAt(lane, Math.max(0, end - 1));
        if (first === end) continue;
        row.fill(0);
        this.count(lane, first, end, row, 0);
        for (let kind = 0; kind < CLASSES; kind++) counts[(lane * CLASSES + kind) * columns + i] = row[kind]!;
      }
    }
    return { axis, from, to, columns, events, counts, mapped };
  }
}
