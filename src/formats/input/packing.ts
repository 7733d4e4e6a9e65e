import { isZstd } from "./zstd.ts";

/** A way in which files are packed. */
export type Packing = "gzip" | "zstd" | "xz" | "bzip2" | "lzop";

/** Bytes that tell how something is packed. */
export const PACKING_BYTES = 9;

/** First bytes, without those that vary. */
const MAGIC: readonly (readonly [packing: Packing, bytes: readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzop", [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a]],
];
/** What a block of bzip2 begins with, or its end; the size of blocks, a digit, is before it. */
const BZIP2_BLOCKS: readonly number[] = [0x31, 0x17];

/** How something is packed that begins so; undefined if it is not. */
export function packingOf(head: Uint8Array): Packing | undefined {
  if (isZstd(head)) return "zstd";
  const found = MAGIC.find(([, bytes]) => bytes.every((byte, at) => head[at] === byte))?.[0];
  // Three letters could begin a text.
  return found === "bzip2" && !(isDigit(head[3]) && BZIP2_BLOCKS.includes(head[4] ?? 0)) ? undefined : found;
}

const isDigit = (byte = 0): boolean => byte >= 0x31 && byte <= 0x39;
