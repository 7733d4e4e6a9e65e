import { hex } from "../../base/u64.ts";
import { type ByteCursor, badStream } from "./byte-cursor.ts";

const FLAG_END = 0x01;
const FLAG_ZEROES = 0x02;
const FLAG_BITMAP = 0x04;
const FLAG_DEVICE = 0x08;
const FLAG_START = 0x10;
const FLAG_COMPLETE = 0x20;
const FLAG_BITS = 0x40;
/** Flags of more than one byte. */
const FLAG_MORE = 0x80;
const KNOWN = 0x7f;

/** Chunks of one part; QEMU writes one for each KiB of a bitmap. */
const MAX_CHUNKS = 2 ** 22;

/**
 * Passes over the data of a section of `dirty-bitmap`, version 1: chunks, of which the last one has the flag that ends
 * them. A machine without bitmaps has that one only.
 */
export async function skipDirtyBitmaps(cursor: ByteCursor): Promise<void> {
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
    const offset = cursor.offset;
    const flags = await readFlags(cursor);
    if ((flags & ~KNOWN) !== 0)
      throw badStream(offset, `a chunk of dirty bitmaps with flags ${hex(flags >>> 0)}`);
    if ((flags & FLAG_DEVICE) !== 0) await skipName(cursor);
    if ((flags & FLAG_BITMAP) !== 0) await skipName(cursor);
    // Granularity, and whether the bitmap is enabled.
    if ((flags & FLAG_START) !== 0) await cursor.skip(4 + 1, "the start of a dirty bitmap");
    else if ((flags & (FLAG_COMPLETE | FLAG_BITS)) === FLAG_BITS) await skipBits(cursor, flags);
    if ((flags & FLAG_END) !== 0) return;
  }
  throw badStream(cursor.offset, `more than ${MAX_CHUNKS} chunks of dirty bitmaps`);
}

async function readFlags(cursor: ByteCursor): Promise<number> {
  let flags = await cursor.u8("the flags of a dirty bitmap");
  if ((flags & FLAG_MORE) === 0) return flags;
  flags = (flags << 8) | (await cursor.u8("the flags of a dirty bitmap"));
  if ((flags & FLAG_MORE) === 0) return flags & ~(FLAG_MORE << 8);
  return (flags << 16) | (await cursor.u16("the flags of a dirty bitmap"));
}

const skipName = async (cursor: ByteCursor): Promise<void> =>
  cursor.skip(await cursor.u8("the length of the name of a dirty bitmap"), "the name of a dirty bitmap");

/** First sector, number of sectors, and unless all are zero so many bytes. */
async function skipBits(cursor: ByteCursor, flags: number): Promise<void> {
  await cursor.skip(8 + 4, "a chunk of a dirty bitmap");
  if ((flags & FLAG_ZEROES) !== 0) return;
  const offset = cursor.offset;
  const length = await cursor.u64("the length of a chunk of a dirty bitmap");
  if (length > 0xffff_ffffn) throw badStream(offset, `a chunk of a dirty bitmap of ${length} bytes`);
  await cursor.skip(Number(length), "a chunk of a dirty bitmap");
}
