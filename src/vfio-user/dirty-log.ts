import { IommuError } from "../base/errors.ts";
import { type AddressRange, overlaps, rangeOf } from "../base/range.ts";
import { hex64, log2 } from "../base/u64.ts";

/** Pages that are remembered as written; a log of more would be as large as what it logs. */
const MAX_PAGES = 2 ** 20;
/** Bits of one report: 32 MiB of bitmap would be more than a message. */
const MAX_REPORT_BITS = 2 ** 23;

/**
 * Which pages a device wrote, since it was asked last. Who carries out the
 * writes keeps it: the client for windows without a file, which are all here.
 */
export class DirtyLog {
  readonly pageSize: bigint;
  readonly #shift: bigint;
  readonly #ranges: readonly AddressRange[];
  readonly #pages = new Set<bigint>();
  /** More pages were written than are remembered: all count as written from then on. */
  #isFull = false;

  /**
   * @param pageSize a power of two, at least 4096
   * @param ranges where writes are logged; none: everywhere
   * @throws IommuError BAD_ARGUMENT
   */
  constructor(pageSize: bigint, ranges: readonly AddressRange[] = []) {
    if (pageSize < 4096n || (pageSize & (pageSize - 1n)) !== 0n) {
      throw new IommuError(
        "BAD_ARGUMENT",
        `dirty pages of ${pageSize} bytes: must be a power of two from 4096 on`,
        {
          pageSize,
        },
      );
    }
    this.pageSize = pageSize;
    this.#shift = BigInt(log2(pageSize));
    this.#ranges = ranges;
  }

  /** Logs a write. */
  mark(address: bigint, bytes: number): void {
    if (bytes === 0 || this.#isFull) return;
    const range = rangeOf(address, BigInt(bytes));
    if (this.#ranges.length > 0 && !this.#ranges.some((logged) => overlaps(logged, range))) return;
    for (let page = range.first >> this.#shift; page <= range.last >> this.#shift; page++)
      this.#pages.add(page);
    if (this.#pages.size <= MAX_PAGES) return;
    this.#isFull = true;
    this.#pages.clear();
  }

  /**
   * The pages of a range that were written, as words of 64 bits, the first page lowest; they are clean afterwards.
   *
   * @throws IommuError OUT_OF_RANGE or BAD_ARGUMENT for a range that is none, not of whole pages, or too long
   */
  report(first: bigint, size: bigint): BigUint64Array<ArrayBuffer> {
    rangeOf(first, size);
    if (first % this.pageSize !== 0n || size % this.pageSize !== 0n) {
      throw new IommuError(
        "BAD_ARGUMENT",
        `${size} bytes at ${hex64(first)} are no whole pages of ${this.pageSize}`,
      );
    }
    const count = size >> this.#shift;
    if (count > MAX_REPORT_BITS) {
      throw new IommuError("OUT_OF_RANGE", `a dirty bitmap of ${count} pages: at most ${MAX_REPORT_BITS}`, {
        count,
      });
    }
    const words = new BigUint64Array(Math.ceil(Number(count) / 64));
    if (this.#isFull) {
      for (let i = 0; i < Number(count); i++) words[i >> 6]! |= 1n << BigInt(i & 63);
      return words;
    }
    const base = first >> this.#shift;
    const inside = (page: bigint): boolean => page >= base && page < base + count;
    const written =
      count < BigInt(this.#pages.size)
        ? Array.from({ length: Number(count) }, (_, i) => base + BigInt(i)).filter((page) =>
            this.#pages.has(page),
          )
        : [...this.#pages].filter(inside);
    for (const page of written) {
      const bit = Number(page - base);
      words[bit >> 6]! |= 1n << BigInt(bit & 63);
      this.#pages.delete(page);
    }
    return words;
  }
}
