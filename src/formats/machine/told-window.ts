import { IommuError } from "../../base/errors.ts";
import { hex, U64_MAX } from "../../base/u64.ts";
import { formatSize, parseSize } from "../../base/units.ts";
import { DEFAULT_PAGE_SHIFT } from "../../spapr/papr.ts";

/** log2 of the largest pages: 16 GiB. */
const MAX_PAGE_SHIFT = 34;

/** Entries that a window can have. */
const MAX_ENTRIES = 2n ** 32n - 1n;

/**
 * What somebody knows of a window: a header, a saved machine, QEMU's `info mtree`, or the user.
 *
 * @public
 */
export interface ToldWindow {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly bytes: bigint;
  /** log2 of the page size; undefined if that is not known. */
  readonly pageShift: number | undefined;
}

/**
 * Reads `LIOBN=BASE+SIZE` or `LIOBN=BASE+SIZE,PAGE`, such as `0x80000000=0x20000000+256M,4K`.
 *
 * @throws IommuError BAD_ARGUMENT
 * @public
 */
export function parseToldWindow(text: string): ToldWindow {
  const match = /^([^=]+)=([^+]+)\+([^,]+)(?:,(.+))?$/.exec(text);
  if (match === null)
    throw new IommuError(
      "BAD_ARGUMENT",
      `"${text}" is no window: write LIOBN=BASE+SIZE,PAGE, such as 0x80000000=0x20000000+256M,4K`,
    );
  const [liobn, busOffset, bytes] = match.slice(1, 4).map((part) => parseSize(part)) as [
    bigint,
    bigint,
    bigint,
  ];
  const page = match[4] === undefined ? undefined : parseSize(match[4]);
  if (busOffset + bytes - 1n > U64_MAX)
    throw new IommuError("BAD_ARGUMENT", `"${text}": the window ends behind 2^64`);
  return checkedWindow(text, { liobn, busOffset, bytes, page });
}

/** What a text says of a window, not checked yet. */
interface Numbers {
  readonly liobn: bigint;
  readonly busOffset: bigint;
  readonly bytes: bigint;
  /** Bytes of a page. */
  readonly page: bigint | undefined;
}

/** @throws IommuError BAD_ARGUMENT if no window can be so */
export function checkedWindow(text: string, { liobn, busOffset, bytes, page }: Numbers): ToldWindow {
  const bad = (why: string): IommuError => new IommuError("BAD_ARGUMENT", `"${text}": ${why}`);
  if (liobn >> 32n !== 0n) throw bad(`LIOBN ${hex(liobn)} has more than 32 bits`);
  const pageShift = page === undefined ? undefined : page.toString(2).length - 1;
  if (page !== undefined && (page !== 1n << BigInt(pageShift!) || pageShift! < DEFAULT_PAGE_SHIFT))
    throw bad(`${hex(page)} is no size of a page: a power of two from 4K`);
  const size = 1n << BigInt(pageShift ?? DEFAULT_PAGE_SHIFT);
  // Of pages of which nobody knows the size there are at least so many.
  const fewest = bytes >> BigInt(pageShift ?? MAX_PAGE_SHIFT);
  if (bytes === 0n || bytes % size !== 0n || fewest > MAX_ENTRIES)
    throw bad(
      `a window of ${hex(bytes)} bytes is not from 1 to 2^32 - 1 pages of ${formatSize(Number(size))}`,
    );
  return { liobn: Number(liobn), busOffset, bytes, pageShift };
}
