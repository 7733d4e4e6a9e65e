import { TWO32 } from "../../base/u64.ts";

/** Bytes of one piece of content. */
const CHUNK = 0x1_0000;
/** Every allocation begins on a multiple of this, or of its pages where they are larger. */
const ALIGNMENT = 2 ** 24;

/** A contiguous range that was handed out. */
export interface Allocation {
  readonly start: number;
  /** After the last byte. */
  readonly end: number;
  /** Where the process that got it sees its first byte. */
  readonly vaddr: number;
}

/**
 * The host's memory: numbers for addresses, content where something was written.
 *
 * Memory is handed out in contiguous ranges and never given out twice, so that
 * an address that a table still holds names the same memory for ever, and with
 * it the address at which a process saw it ({@link allocationOf}): memory that
 * processes share has the same address in all of them. A piece
 * of content is bytes, or a virtual address: then every 8 bytes hold their own
 * address, counted from there (the pattern of {@link fillWithAddresses}).
 */
export class PhysicalMemory {
  #next = ALIGNMENT;
  /** In the order of addresses. */
  readonly #allocations: Allocation[] = [];
  /**
   * The allocation found last.
   *
   * Invariant: one of {@link #allocations}, which never change and of which none
   * ever goes. So the one that contains an address is this one whenever this
   * one contains it.
   */
  #last: Allocation = { start: 0, end: 0, vaddr: 0 };
  readonly #chunks = new Map<number, Uint8Array<ArrayBuffer> | number>();

  /**
   * Takes `size` bytes; they read as zero and cost nothing until written.
   *
   * @param vaddr where the process will see them
   * @param pageSize bytes of the pages behind them
   */
  allocate(size: number, vaddr: number, pageSize: number): number {
    const alignment = Math.max(ALIGNMENT, pageSize);
    const start = Math.ceil(this.#next / alignment) * alignment;
    this.#next = start + Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    this.#allocations.push({ start, end: start + size, vaddr });
    return start;
  }

  /** The allocation that an address belongs to, or undefined if it was never given out. */
  allocationOf(address: number): Allocation | undefined {
    const last = this.#last;
    if (last.start <= address && address < last.end) return last;
    return this.#search(address);
  }

  /** Where a process sees an address, or undefined if it was never given out. */
  vaddrOf(address: number): number | undefined {
    const allocation = this.allocationOf(address);
    return allocation === undefined ? undefined : allocation.vaddr + (address - allocation.start);
  }

  #search(address: number): Allocation | undefined {
    const all = this.#allocations;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const found = all[low];
    if (found === undefined || address < found.start) return undefined;
    this.#last = found;
    return found;
  }

  /** Copies `target.length` bytes from `address`. */
  read(address: number, target: Uint8Array): void {
    this.#pieces(address, target.length, (chunk, offset, from, length) => {
      const bytes = this.#chunks.has(chunk) ? this.#bytesOf(chunk) : null;
      if (bytes === null) target.fill(0, from, from + length);
      else target.set(bytes.subarray(offset, offset + length), from);
    });
  }

  /** Stores bytes at `address`. */
  write(address: number, source: Uint8Array): void {
    this.#pieces(address, source.length, (chunk, offset, from, length) => {
      this.#bytesOf(chunk).set(source.subarray(from, from + length), offset);
    });
  }

  /**
   * Makes every 8 bytes of a range hold their own virtual address.
   *
   * @param vaddr virtual address of the first byte, a multiple of 8, as `size` is
   */
  fillWithAddresses(address: number, size: number, vaddr: number): void {
    this.#pieces(address, size, (chunk, offset, from, length) => {
      if (length === CHUNK) this.#chunks.set(chunk, vaddr + from);
      else writeAddresses(this.#bytesOf(chunk).subarray(offset, offset + length), vaddr + from);
    });
  }

  /** Copies what a range holds to another one, as fork does. Both begin on a multiple of 64 KiB. */
  copy(from: number, to: number, size: number): void {
    const first = from / CHUNK;
    const distance = (to - from) / CHUNK;
    for (const [chunk, content] of [...this.#chunks]) {
      if (chunk < first || chunk >= first + size / CHUNK) continue;
      this.#chunks.set(chunk + distance, typeof content === "number" ? content : content.slice());
    }
  }

  #bytesOf(chunk: number): Uint8Array<ArrayBuffer> {
    const content = this.#chunks.get(chunk);
    if (content !== undefined && typeof content !== "number") return content;
    const bytes = new Uint8Array(CHUNK);
    if (content !== undefined) writeAddresses(bytes, content);
    this.#chunks.set(chunk, bytes);
    return bytes;
  }

  #pieces(
    address: number,
    size: number,
    visit: (chunk: number, offset: number, from: number, length: number) => void,
  ): void {
    for (let from = 0; from < size; ) {
      const chunk = Math.floor((address + from) / CHUNK);
      const offset = (address + from) % CHUNK;
      const length = Math.min(size - from, CHUNK - offset);
      visit(chunk, offset, from, length);
      from += length;
    }
  }
}

/** The host is little-endian: low half first. */
function writeAddresses(bytes: Uint8Array, vaddr: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    view.setUint32(at, (vaddr + at) % TWO32, true);
    view.setUint32(at + 4, Math.floor((vaddr + at) / TWO32), true);
  }
}
