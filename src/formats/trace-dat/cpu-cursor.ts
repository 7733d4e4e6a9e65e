import { TWO32, toBig } from "../../base/u64.ts";
import type { RawClock } from "../event-format/raw-clock.ts";
import type { RawBytes } from "../event-format/raw-fields.ts";
import type { PageLayout } from "../event-format/tracing-data.ts";
import type { Pages } from "./cpu-pages.ts";

/** The number of bytes of data in a page; events were lost before it; and their number stands behind its data. */
const DATA_MASK = 0x7ff_ffff;
const LOST = 1 << 31;
const LOST_STORED = 1 << 30;

/** Types of records: up to this one they are data of so many words; */
const LONGEST = 28;
/** the rest of the page is empty, or some bytes are passed over; */
const PADDING = 29;
/** more time passed than fits into a record; the time itself. */
const TIME_EXTEND = 30;
const TIME_STAMP = 31;

const TIME_BITS = 27;
const TIME_WEIGHT = 2 ** TIME_BITS;
const TIME_MASK = TIME_WEIGHT - 1;
/** The bits of a time that do not fit into {@link TIME_STAMP} are those of the page. */
const HIGH_BITS = 59n;

/** The upper word of a negative number. */
const SIGN = 0x8000_0000;

const NO_LOSS = -1;

/** Goes through the records of a CPU, page by page. */
export class CpuCursor implements RawBytes {
  readonly cpu: number;
  /** Place among the CPUs: of equal times the first CPU's come first. */
  readonly index: number;
  readonly littleEndian: boolean;
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Time of the record, and where its data begins and ends. */
  time = 0;
  start = 0;
  end = 0;
  /** Events that were lost before the record: -1 for none, 0 for a number that is not known. */
  lost: number = NO_LOSS;

  readonly #layout: PageLayout;
  readonly #pageSize: number;
  readonly #onDamage: (offset: number, message: string) => void;
  #clock: RawClock | undefined;
  #offset = 0;
  #isPacked = false;
  /** Where the next page begins, the next record, and the data of this page ends. */
  #page = 0;
  #at = 0;
  #pageEnd = 0; // and 0 for a page that was given up

  constructor(
    {
      cpu,
      index,
      littleEndian,
    }: { readonly cpu: number; readonly index: number; readonly littleEndian: boolean },
    layout: PageLayout,
    pageSize: number,
    onDamage: (offset: number, message: string) => void,
  ) {
    this.cpu = cpu;
    this.index = index;
    this.littleEndian = littleEndian;
    this.#layout = layout;
    this.#pageSize = pageSize;
    this.#onDamage = onDamage;
  }

  /** Goes on with other pages. */
  take({ bytes, offset, isPacked }: Pages): void {
    this.#isPacked = isPacked;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#offset = offset;
    this.#page = 0;
    this.#at = 0;
    this.#pageEnd = 0;
  }

  /** The time of the first page, as it was recorded. */
  get firstTime(): bigint {
    return this.view.getBigUint64(0, this.littleEndian);
  }

  begin(clock: RawClock): void {
    this.#clock = clock;
  }

  /** Goes to the next record; false if there is none in these pages. */
  advance(): boolean {
    for (;;) {
      while (this.#at < this.#pageEnd) {
        const word = this.view.getUint32(this.#at, this.littleEndian);
        const type = this.littleEndian ? word & 31 : word >>> TIME_BITS;
        const delta = this.littleEndian ? word >>> 5 : word & TIME_MASK;
        this.#at += 4;
        if (type > LONGEST) this.#special(type, delta);
        else if (this.#data(type)) {
          this.time += delta;
          return true;
        }
      }
      if (this.#page + this.#pageSize > this.bytes.length) return false;
      this.#openPage();
    }
  }

  /** Finds the data of a record of which the first word was read; false if it reaches beyond the page. */
  #data(type: number): boolean {
    let length = type * 4;
    if (type === 0) length = this.#word() - 4;
    this.start = this.#at;
    this.end = this.#at + length;
    this.#at = this.end;
    return this.#isInside(length >= 0 && this.end <= this.#pageEnd);
  }

  #special(type: number, delta: number): void {
    if (type === PADDING) {
      if (delta === 0) this.#at = this.#pageEnd;
      else {
        this.#at += this.#word() - 4;
        this.time += delta;
        this.#isInside(this.#at <= this.#pageEnd);
      }
    } else if (type === TIME_EXTEND) this.time += delta + this.#word() * TIME_WEIGHT;
    else if (type === TIME_STAMP) {
      const page = this.#page - this.#pageSize;
      const high = (this.view.getBigUint64(page, this.littleEndian) >> HIGH_BITS) << HIGH_BITS;
      const low = BigInt(delta) + BigInt(this.#word()) * BigInt(TIME_WEIGHT);
      this.time = this.#clock!.since(high | low);
    }
  }

  /** The next word of the page; 0, and the end of it, where the page has none. */
  #word(): number {
    if (!this.#isInside(this.#at + 4 <= this.#pageEnd)) return 0;
    this.#at += 4;
    return this.view.getUint32(this.#at - 4, this.littleEndian);
  }

  /** Gives the page up if a record reaches beyond it. */
  #isInside(isInside: boolean): boolean {
    if (isInside) return true;
    if (this.#pageEnd > 0) this.#damage("a record that reaches beyond its page");
    this.#pageEnd = 0;
    return false;
  }

  #openPage(): void {
    const { view, littleEndian } = this;
    const { commit, commitBytes, data } = this.#layout;
    const page = this.#page;
    this.#page += this.#pageSize;
    const hi = view.getUint32(page + (littleEndian ? 4 : 0), littleEndian);
    const lo = view.getUint32(page + (littleEndian ? 0 : 4), littleEndian);
    // 7.2 extends the word's sign.
    const word = view.getUint32(page + commit + (littleEndian ? 0 : commitBytes - 4), littleEndian);
    const length = word & DATA_MASK;
    this.time = this.#clock!.since(toBig(hi, lo));
    this.#at = page + data;
    this.#pageEnd = this.#at + length;
    if (this.#pageEnd > this.#page) {
      this.#pageEnd = this.#at;
      this.#damage(`a page that should have ${length} bytes of data`);
    } else if ((hi | lo | word) === 0) this.#damage("a page of zeros");
    else if ((word & LOST) !== 0) this.#lose((word & LOST_STORED) !== 0);
  }

  /** Events were lost before this page. */
  #lose(isStored: boolean): void {
    const at = this.#pageEnd;
    let count = 0;
    if (isStored && at + 8 <= this.#page) {
      const { view, littleEndian } = this;
      const hi = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
      // `trace-cmd split` writes -1 for a number that it does not know.
      if (hi < SIGN) count = hi * TWO32 + view.getUint32(littleEndian ? at : at + 4, littleEndian);
    }
    if (this.lost === NO_LOSS) this.lost = count;
    else this.lost = this.lost === 0 || count === 0 ? 0 : this.lost + count;
  }

  #damage(message: string): void {
    this.#onDamage(this.#offset + (this.#isPacked ? 0 : this.#page - this.#pageSize), message);
  }
}
