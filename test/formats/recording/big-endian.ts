import { type EventFormat, parseEventFormat } from "../../../src/formats/event-format/event-format.ts";

const PAGE = 4096;
const PAGE_HEAD = 16;

/** Turns a trace.dat of version 6 into that of a machine with the other byte order, place by place. */
export class BigEndian {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #formats = new Map<number, EventFormat>();
  #at = 10;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
    this.#view = new DataView(this.#bytes.buffer);
  }

  convert(): Uint8Array {
    this.#at += 2;
    this.#bytes[this.#at] = 1;
    this.#at += 2;
    this.#word(4);
    for (let i = 0; i < 2; i++) {
      this.#name();
      this.#pass(this.#word(8));
    }
    this.#formatsOf("ftrace");
    for (let systems = this.#word(4); systems > 0; systems--) this.#formatsOf(this.#name());
    this.#pass(this.#word(4)); // symbols
    this.#pass(this.#word(4)); // trace_printk
    this.#pass(this.#word(8)); // tasks
    const cpus = this.#word(4);
    this.#at += 10;
    while (this.#word(2) !== 0) this.#pass(this.#word(4));
    this.#at += 10;
    for (let cpu = 0; cpu < cpus; cpu++) {
      const offset = this.#word(8);
      const size = this.#word(8);
      for (let page = offset; page < offset + size; page += PAGE) this.#page(page);
    }
    return this.#bytes;
  }

  #pass(bytes: number): void {
    this.#at += bytes;
  }

  /** Reads a number, and turns it round. */
  #word(size: number): number {
    const value = this.#turn(this.#at, size);
    this.#at += size;
    return value;
  }

  #turn(at: number, size: number): number {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i]!);
    this.#bytes.subarray(at, at + size).reverse();
    return Number(value);
  }

  #name(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const name = new TextDecoder().decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return name;
  }

  #formatsOf(system: string): void {
    for (let count = this.#word(4); count > 0; count--) {
      const size = this.#word(8);
      const text = new TextDecoder().decode(this.#bytes.subarray(this.#at, this.#at + size));
      const format = parseEventFormat(system, text)!;
      this.#formats.set(format.id, format);
      this.#at += size;
    }
  }

  #page(page: number): void {
    this.#turn(page, 8);
    const end = page + PAGE_HEAD + this.#turn(page + 8, 8);
    for (let at = page + PAGE_HEAD; at < end; ) {
      const word = this.#view.getUint32(at, true);
      const type = word & 31;
      this.#view.setUint32(at, ((type << 27) | (word >>> 5)) >>> 0, false);
      at += 4;
      if (type === 29) return;
      if (type > 29) {
        this.#turn(at, 4);
        at += 4;
        continue;
      }
      let length = type * 4;
      if (type === 0) {
        length = this.#turn(at, 4) - 4;
        at += 4;
      }
      this.#event(at);
      at += length;
    }
  }

  #event(start: number): void {
    const format = this.#formats.get(this.#view.getUint16(start, true))!;
    for (const { offset, size, place, elementSize } of format.fields.values()) {
      const value = size === 1 || size > 8 ? 0 : this.#turn(start + offset, size);
      if (place !== "from-start") continue;
      const from = start + (value & 0xffff);
      for (let at = from; at < from + (value >>> 16) && elementSize > 1; at += elementSize)
        this.#turn(at, elementSize);
    }
  }
}
