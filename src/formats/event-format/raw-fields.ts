import type { EventField, EventFormat } from "./event-format.ts";

/** A piece of memory with events in it, as the recording has it. */
export interface RawBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly littleEndian: boolean;
}

/** A number of up to 64 bits, in halves. */
export class RawNumber {
  hi = 0;
  lo = 0;

  /** Reads an unsigned number of 1, 2, 4 or 8 bytes. */
  read({ view, littleEndian }: RawBytes, at: number, size: number): void {
    if (size === 8) {
      if (littleEndian) {
        this.lo = view.getUint32(at, true);
        this.hi = view.getUint32(at + 4, true);
      } else {
        this.hi = view.getUint32(at, false);
        this.lo = view.getUint32(at + 4, false);
      }
      return;
    }
    this.hi = 0;
    if (size === 4) this.lo = littleEndian ? view.getUint32(at, true) : view.getUint32(at, false);
    else this.lo = size === 2 ? view.getUint16(at, littleEndian) : view.getUint8(at);
  }
}

/** Where the values of a dynamic field stand. */
export class RawRange {
  start = 0;
  end = 0;

  /**
   * @param start of the event
   * @returns false if they are not within the event
   */
  read({ view, littleEndian }: RawBytes, field: EventField, start: number, end: number): boolean {
    if (field.place === "here") {
      this.start = start + field.offset;
      this.end = this.start + field.size;
    } else {
      const at = start + field.offset;
      const word = littleEndian ? view.getUint32(at, true) : view.getUint32(at, false);
      const from = field.place === "from-start" ? start : start + field.offset + field.size;
      this.start = from + (word & 0xffff);
      this.end = this.start + (word >>> 16);
    }
    return this.end <= end;
  }

  /** Ends the range before its first NUL, as a text does. */
  cutText(bytes: Uint8Array): void {
    const { end } = this;
    let at = this.start;
    while (at < end && bytes[at] !== 0) at++;
    this.end = at;
  }
}

/** Is it a number that can be read? */
export const isNumber = (field: EventField | undefined): field is EventField =>
  field !== undefined && field.place === "here" && [1, 2, 4, 8].includes(field.size);

/** The bytes from the start of an event to the end of its last field of which the place is told. */
export const fixedSize = ({ fields }: EventFormat): number =>
  [...fields.values()].reduce((most, { offset, size }) => Math.max(most, offset + size), 0);
