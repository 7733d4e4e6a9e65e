import { DIRECTION_NAMES, type HalvesList, type LinuxDmaEvent } from "../trace/dma-event.ts";
import {
  KEY_ATTRIBUTES,
  KEY_DEVICE,
  KEY_DIRECTION,
  KEY_DMA_ADDRESS,
  KEY_DMA_LIST,
  KEY_ENTRIES,
  KEY_ERROR,
  KEY_IGNORED,
  KEY_PHYS_ADDRESS,
  KEY_PHYS_LIST,
  KEY_POINTER,
  KEY_RANGES,
  KEY_SIZE,
  KEY_SIZE_LIST,
  KEY_TRUNCATED,
  keyOf,
  REQUIRED_KEYS,
} from "../trace/dma-keys.ts";
import { encode, type NameTable } from "../trace/words.ts";
import { joinHalves } from "./byte-reader.ts";
import type { EventField, EventFormat } from "./event-format.ts";
import { fixedSize, isNumber, type RawBytes, RawNumber, RawRange } from "./raw-fields.ts";
import { RawName } from "./raw-name.ts";

const LISTS: readonly number[] = [KEY_DEVICE, KEY_DMA_LIST, KEY_SIZE_LIST, KEY_PHYS_LIST];

const COMMON: readonly number[] = [KEY_DMA_ADDRESS, KEY_SIZE, KEY_DIRECTION, KEY_ATTRIBUTES];

/** Reads the data of one kind of `dma` event by the format of the kernel that recorded it. */
export class RawDmaEvent {
  readonly #kind: number;
  readonly #fixed: number;
  /** Has the format all that an event of this kind must have? */
  readonly #isWhole: boolean;
  /** Numbers that most kinds have. */
  readonly #dma: EventField | undefined;
  readonly #size: EventField | undefined;
  readonly #direction: EventField | undefined;
  readonly #attributes: EventField | undefined;
  /** The others: key, offset and size of each. */
  readonly #numbers: Int32Array;
  readonly #device: RawName | undefined;
  readonly #lists: readonly { readonly key: number; readonly field: EventField }[];
  readonly #number = new RawNumber();
  readonly #range = new RawRange();

  /** @param devices in which names are numbered */
  constructor(kind: number, format: EventFormat, devices: NameTable) {
    this.#kind = kind;
    const keyed = [...format.fields.values()].map((field) => {
      const name = encode(field.name);
      return { key: keyOf(name, 0, name.length), field };
    });
    const read = keyed.filter(
      ({ key, field }) => key !== KEY_IGNORED && (LISTS.includes(key) || isNumber(field)),
    );
    const seen = read.reduce((bits, { key }) => bits | (1 << key), 0);
    const required = REQUIRED_KEYS[kind]!;
    const device = read.find(({ key }) => key === KEY_DEVICE)?.field;
    this.#device = device === undefined ? undefined : new RawName(device, devices);
    this.#isWhole = this.#device !== undefined && (seen & required) === required;
    this.#lists = read.filter(({ key }) => key !== KEY_DEVICE && LISTS.includes(key));
    const fieldOf = (wanted: number): EventField | undefined => read.find(({ key }) => key === wanted)?.field;
    this.#dma = fieldOf(KEY_DMA_ADDRESS);
    this.#size = fieldOf(KEY_SIZE);
    this.#direction = fieldOf(KEY_DIRECTION);
    this.#attributes = fieldOf(KEY_ATTRIBUTES);
    this.#numbers = Int32Array.from(
      read
        .filter(({ key }) => !LISTS.includes(key) && !COMMON.includes(key))
        .flatMap(({ key, field: { offset, size } }) => [key, offset, size]),
    );
    this.#fixed = fixedSize(format);
  }

  /**
   * Reads `[start, end)` into the event.
   *
   * @returns false if it is too short, or reads wrong
   */
  read(event: LinuxDmaEvent, raw: RawBytes, start: number, end: number): boolean {
    if (!this.#isWhole || end - start < this.#fixed) return false;
    event.clear();
    event.kind = this.#kind;
    event.device = this.#device!.read(raw, start, end);
    if (event.device < 0) return false;
    const number = this.#number;
    if (this.#dma !== undefined) {
      number.read(raw, start + this.#dma.offset, this.#dma.size);
      event.dmaHi = number.hi;
      event.dmaLo = number.lo;
    }
    if (this.#size !== undefined) {
      number.read(raw, start + this.#size.offset, this.#size.size);
      event.size = joinHalves(number.hi, number.lo);
    }
    if (this.#direction !== undefined) {
      number.read(raw, start + this.#direction.offset, this.#direction.size);
      event.direction = number.lo;
    }
    if (this.#attributes !== undefined) {
      number.read(raw, start + this.#attributes.offset, this.#attributes.size);
      event.attributes = number.lo;
    }
    const numbers = this.#numbers;
    for (let i = 0; i < numbers.length; i += 3) {
      this.#number.read(raw, start + numbers[i + 1]!, numbers[i + 2]!);
      this.#store(event, numbers[i]!);
    }
    if (this.#lists.length > 0 && !this.#readLists(event, raw, start, end)) return false;
    return event.direction < DIRECTION_NAMES.length;
  }

  #store(event: LinuxDmaEvent, key: number): void {
    const { hi, lo } = this.#number;
    if (key === KEY_PHYS_ADDRESS) {
      event.physHi = hi;
      event.physLo = lo;
    } else if (key === KEY_POINTER) event.nullPointer = (hi | lo) === 0;
    else if (key === KEY_ERROR) event.error = lo | 0;
    else if (key === KEY_ENTRIES) event.totalEntries = lo;
    else if (key === KEY_RANGES) event.totalRanges = lo;
    else if (key === KEY_TRUNCATED) event.truncated = lo !== 0;
  }

  #readLists(event: LinuxDmaEvent, raw: RawBytes, start: number, end: number): boolean {
    for (const { key, field } of this.#lists) {
      if (!this.#range.read(raw, field, start, end)) return false;
      const list =
        key === KEY_DMA_LIST ? event.ranges : key === KEY_SIZE_LIST ? event.rangeSizes : event.entries;
      this.#readList(list, raw, field.elementSize);
    }
    if (event.totalEntries === 0) event.totalEntries = event.entries.length;
    if (event.totalRanges === 0) event.totalRanges = event.ranges.length;
    return event.rangeSizes.length === 0 || event.ranges.length === event.rangeSizes.length;
  }

  #readList(list: HalvesList, raw: RawBytes, size: number): void {
    list.length = 0;
    const { start, end } = this.#range;
    for (let at = start; at + size <= end; at += size) {
      this.#number.read(raw, at, size);
      list.push(this.#number.hi, this.#number.lo);
    }
  }
}
