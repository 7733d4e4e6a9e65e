import { GrowingRows } from "../../base/growing-rows.ts";
import { type Axis, EVENT_CLASSES, type Lanes } from "../protocol.ts";

/** Events of which the sums are kept. */
const BLOCK = 256;
const CLASSES = EVENT_CLASSES.length;

/** An event is one word: its lane, its class, and the low bits of its line. */
const [LANE_SHIFT, KIND_SHIFT] = [24, 20];
const [KIND_MASK, LINES] = [15, 2 ** 20];

/** The last lane that a row can say: of all for which there is no other one. */
const OTHERS = 254;

/** Pages that a row can say. */
const MAX_PAGES = 2 ** 32 - 1;

/** A value from an event on, as a row of two numbers. */
const [SINCE, VALUE, WORDS] = [0, 1, 2];

/** A lane: whose events stand together. */
class Lane {
  readonly name: string;
  /** By class: how many there were up to the end of each block. */
  readonly sums: GrowingRows = GrowingRows.u32(CLASSES);
  /** Up to the end of the last one that was summed. */
  readonly counts: Uint32Array<ArrayBuffer> = new Uint32Array(CLASSES);
  /** Pages that are mapped from an event on: a row for each change. */
  readonly mapped: GrowingRows = GrowingRows.u32(WORDS);
  latest = 0;
  /** The event that changed it last. */
  changed = -1;

  constructor(name: string, blocks: number) {
    this.name = name;
    for (let i = 0; i < blocks; i++) this.endBlock();
  }

  endBlock(): void {
    const at = this.sums.add();
    this.sums.numbers.set(this.counts, at);
  }
}

/**
 * What is kept of each event: where it stands in the file, what it is, and whose, and its time, if it has one. 4 bytes an event, 12
 * with times, 8 more where it changes how many pages are mapped, and sums for each {@link BLOCK}, so that any stretch of time is
 * counted at once.
 */
export class EventRows {
  readonly #rows = GrowingRows.u32();
  /** How many times {@link LINES} the lines of events are, from one on: records of several processors come in the order of their times. */
  readonly #steps = GrowingRows.u32(WORDS);
  /** The same of the last event, as lines. */
  #line = 0;
  /** Seconds since the first event, which are never less than those before; of the events before the first one without a time. */
  readonly #times = GrowingRows.f64();
  readonly #lanes: Lane[] = [];
  readonly #byName = new Map<string, number>();
  /** Blocks that were summed: that is done when somebody asks, since a loop over many takes less than a step at each event. */
  #blocks = 0;
  #start = Number.NaN;
  #last = 0;

  get length(): number {
    return this.#rows.length;
  }

  get lanes(): string[] {
    return this.#lanes.map(({ name }) => name);
  }

  /** Have all events so far times? Where one has none, those of later ones are not asked for. */
  get areTimed(): boolean {
    return this.#times.length === this.length;
  }

  /** Have all events times, and are there any? */
  get hasTimes(): boolean {
    return this.areTimed && this.length > 0;
  }

  /** Seconds of the whole; NaN without times. */
  get seconds(): number {
    return this.hasTimes ? this.#last : Number.NaN;
  }

  /** The number of a lane; all that come when there are 254 are one. */
  lane(name: string): number {
    let number = this.#byName.get(name);
    if (number === undefined) {
      number = Math.min(this.#lanes.length, OTHERS);
      if (this.#lanes.length === number)
        this.#lanes.push(new Lane(number === OTHERS ? "others" : name, this.#blocks));
      this.#byName.set(name, number);
    }
    return number;
  }

  /**
   * Says how many pages are mapped in a lane after an event, by default the one that comes next. In the order of events; of an event
   * the last word counts.
   */
  mapped(lane: number, pages: number, event: number = this.length): void {
    const one = this.#lanes[lane]!;
    if (pages === one.latest) return;
    one.latest = pages;
    const value = Math.min(pages, MAX_PAGES);
    if (event === one.changed) one.mapped.set(one.mapped.length - 1, value, VALUE);
    else addSince(one.mapped, event, value);
    one.changed = event;
  }

  /**
   * Says the time of the event that comes next, as long as all before it have one.
   *
   * @param seconds NaN without a time
   */
  time(seconds: number, nanoseconds: number): void {
    if (Number.isNaN(seconds)) return;
    const time = seconds + nanoseconds / 1e9;
    if (Number.isNaN(this.#start)) this.#start = time;
    if (time - this.#start > this.#last) this.#last = time - this.#start;
    this.#times.push(this.#last);
  }

  /**
   * Takes an event; its number is how many came before.
   *
   * @param kind place in {@link EVENT_CLASSES}
   */
  push(line: number, lane: number, kind: number): void {
    let low = line - this.#line;
    if (low < 0 || low >= LINES) {
      this.#pass(line);
      low = line - this.#line;
    }
    this.#rows.push((lane << LANE_SHIFT) | (kind << KIND_SHIFT) | low);
  }

  #pass(line: number): void {
    const steps = Math.floor(line / LINES);
    addSince(this.#steps, this.length, steps);
    this.#line = steps * LINES;
  }

  /** Pages that are mapped in a lane after the last event. */
  latest(lane: number): number {
    return this.#lanes[lane]!.latest;
  }

  lineOf(event: number): number {
    if (this.length === 0) return 0;
    const at = Math.max(0, Math.min(event, this.length - 1));
    return valueAt(this.#steps, at) * LINES + (this.#rows.at(at) & (LINES - 1));
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
    this.#sum();
    this.#countUpTo(lane, end, into, at, 1);
    this.#countUpTo(lane, first, into, at, -1);
  }

  /** Sums the blocks that were filled since that was done last. */
  #sum(): void {
    const whole = Math.floor(this.length / BLOCK);
    const lanes = this.#lanes;
    // A block lies in one piece.
    this.#rows.forEachPiece(this.#blocks * BLOCK, whole * BLOCK, (words, from, to) => {
      for (let first = from; first < to; first += BLOCK) {
        for (let at = first; at < first + BLOCK; at++) {
          const word = words[at]!;
          lanes[word >>> LANE_SHIFT]!.counts[(word >>> KIND_SHIFT) & KIND_MASK]!++;
        }
        for (const each of lanes) each.endBlock();
      }
    });
    this.#blocks = whole;
  }

  #countUpTo(lane: number, end: number, into: Uint32Array, at: number, sign: number): void {
    const block = Math.floor(end / BLOCK);
    const { sums } = this.#lanes[lane]!;
    if (block > 0)
      for (let kind = 0; kind < CLASSES; kind++) into[at + kind]! += sign * sums.at(block - 1, kind);
    for (let event = block * BLOCK; event < end; event++) {
      const word = this.#rows.at(event);
      if (word >>> LANE_SHIFT === lane) into[at + ((word >>> KIND_SHIFT) & KIND_MASK)]! += sign;
    }
  }

  /** Pages that are mapped in a lane after an event. */
  mappedAt(lane: number, event: number): number {
    return valueAt(this.#lanes[lane]!.mapped, event);
  }

  /** The most pages that were mapped in a lane after any of the events `[first, end)`. */
  peak(lane: number, first: number, end: number): number {
    const { mapped } = this.#lanes[lane]!;
    let most = this.mappedAt(lane, first - 1);
    mapped.forEachPiece(mapped.below(first, SINCE), mapped.below(end, SINCE), (numbers, from, to) => {
      for (let at = from; at < to; at += WORDS) most = Math.max(most, numbers[at + VALUE]!);
    });
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

/** A value is another one from an event on. */
function addSince(rows: GrowingRows, event: number, value: number): void {
  const at = rows.add();
  const { numbers } = rows;
  numbers[at + SINCE] = event;
  numbers[at + VALUE] = value;
}

/** A value after an event; 0 before it was ever another one. */
function valueAt(rows: GrowingRows, event: number): number {
  const row = rows.upTo(event, SINCE) - 1;
  return row < 0 ? 0 : rows.at(row, VALUE);
}
