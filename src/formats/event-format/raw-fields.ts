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
    this.hi = 0;
    if (size === 8) {
      this.hi = view.getUint32(littleEndian ? at + 4 : at, littleEndian);
      this.lo = view.getUint32(littleEndian ? at : at + 4, littleEndian);
    } else if (size === 4) this.lo = view.getUint32(at, littleEndian);
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
      const word = view.getUint32(start + field.offset, littleEndian);
      const from = field.place === "from-start" ? start : start + field.offset + field.size;
      this.start = from + (word & 0xffff);
      this.end = this.start + (word >>> 16);
    }
    return this.end <= end;
  }

  /** Ends the range before its first NUL, as a text does. */
  cutText(bytes: Uint8Array): void {
    let at = this.start;
    while (at < this.end && bytes[at] !== 0) at++;
    this.end = at;
  }
}

/** Is it a number that can be read? */
export const isNumber = (field: EventField | undefined): field is EventField =>
  field !== undefined && field.place === "here" && [1, 2, 4, 8].includes(field.size);

/** The bytes from the start of an event to the end of its last field of which the place is told. */
export const fixedSize = ({ fields }: EventFormat): number =>
  [...fields.values()].reduce((most, { offset, size }) => Math.max(most, offset + size), 0);
