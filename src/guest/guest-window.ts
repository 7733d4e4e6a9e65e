import { hiOf, loOf, smallInteger, TWO32 } from "../base/u64.ts";

/**
 * A DMA window as a guest knows it. Its pages are counted from its start.
 *
 * @public
 */
export class GuestWindow {
  // Numbers are numbers from the start, and small integers where they can be: V8 keeps no field so that was another once.
  readonly liobn: number = 0;
  /** First bus address. */
  readonly busOffset: bigint;
  readonly pageShift: number = 0;
  /** Bytes of a page. */
  readonly pageSize: number = 0;
  /** Pages of a byte: a multiplication by it is exact, and faster than a division. */
  readonly pagesPerByte: number = 0;
  /** @internal The shift of {@link pageOf} in the first 2 GiB, which are one page if pages are larger. */
  protected readonly nearShift: number = 0;
  /** {@link busOffset} in halves. */
  readonly firstHi: number = 0;
  readonly firstLo: number = 0;

  constructor(liobn: number, busOffset: bigint, pageShift: number) {
    this.liobn = liobn;
    this.busOffset = busOffset;
    this.pageShift = pageShift;
    this.pageSize = smallInteger(2 ** pageShift);
    this.pagesPerByte = 2 ** -pageShift;
    this.nearShift = Math.min(pageShift, 31);
    this.firstHi = hiOf(busOffset);
    this.firstLo = loOf(busOffset);
  }

  /** Bus address of a byte of the window. */
  addressOf(byte: number): bigint {
    return this.busOffset === 0n ? BigInt(byte) : this.busOffset + BigInt(byte);
  }

  /** @internal The page of a byte from -1 on, of the window or of memory. Integers stay integers. */
  pageOf(byte: number): number {
    return byte <= 0x7fff_ffff ? byte >> this.nearShift : Math.floor(byte * this.pagesPerByte);
  }

  /** The byte of the window at a bus address in halves; out of its range it is below 0 or too large. */
  byteOf(hi: number, lo: number): number {
    if (hi === this.firstHi && this.firstLo === 0) return lo;
    return (hi - this.firstHi) * TWO32 + (lo - this.firstLo);
  }
}

/**
 * A window that Linux made, as its own property in the tree says it.
 *
 * @public
 */
export class OwnWindow extends GuestWindow {
  /** log2 of its bytes. */
  readonly windowShift: number;
  /** All memory is mapped at its own address; otherwise entries are given out. Which of two properties it is. */
  readonly direct: boolean;

  constructor(
    place: { liobn: number; busOffset: bigint; pageShift: number },
    windowShift: number,
    direct: boolean,
  ) {
    super(place.liobn, place.busOffset, place.pageShift);
    this.windowShift = windowShift;
    this.direct = direct;
  }

  /** Bytes. */
  get size(): number {
    return 2 ** this.windowShift;
  }
}

/** The window that the firmware gave, as `ibm,dma-window` says it. */
export class DefaultWindow extends GuestWindow {
  /** Bytes; what does not fit into the property's cells is missing (QEMU-TREE-2). */
  readonly size: number;

  constructor(place: { liobn: number; busOffset: bigint; pageShift: number }, size: number) {
    super(place.liobn, place.busOffset, place.pageShift);
    this.size = size;
  }
}
