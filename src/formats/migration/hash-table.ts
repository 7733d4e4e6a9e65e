import { hex } from "../../base/u64.ts";
import { type ByteCursor, badStream } from "./byte-cursor.ts";

/** Header word of a part without data, and the "shift" of a machine without a hash table (radix). */
const NOTHING = 0xffff_ffff;

/** Bytes of an entry of the hashed page table. */
const HPTE_BYTES = 16;

/** Passes over the data of a START section of `spapr/htab`: log2 of the table's size. */
export async function skipHashTableStart(cursor: ByteCursor): Promise<void> {
  await cursor.u32("the size of the hash table");
}

/**
 * Passes over the data of a PART or END section of `spapr/htab`, version 1:
 * chunks of entries, until an all-zero chunk header.
 */
export async function skipHashTablePart(cursor: ByteCursor): Promise<void> {
  const at = cursor.offset;
  const head = await cursor.u32("the head of a part of the hash table");
  if (head === NOTHING) return;
  if (head !== 0)
    throw badStream(at, `a part of the hash table begins with ${hex(head)}, not 0 or 0xffffffff`);
  for (;;) {
    const index = await cursor.u32("a chunk of the hash table");
    const valid = await cursor.u16("a chunk of the hash table");
    const invalid = await cursor.u16("a chunk of the hash table");
    if (index === 0 && valid === 0 && invalid === 0) return;
    await cursor.skip(valid * HPTE_BYTES, "a chunk of the hash table");
  }
}
