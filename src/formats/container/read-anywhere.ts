import { IommuError } from "../../base/errors.ts";
import {
  type ByteFile,
  type ByteStream,
  isFile,
  type MigrationSource,
  openSource,
} from "../migration/source.ts";
import { firstNonZero } from "../migration/zero-scan.ts";

/** Bytes that are kept together; those that are zero are not kept. */
const BLOCK = 65_536;
/** Bytes of something packed that are kept, where it has to be read in another order. */
const MAX_KEPT = 256 * 2 ** 20;

/**
 * A source that is read anywhere. What can be read in order only (a pipe, packed data) is kept in memory, without its
 * zeros.
 *
 * @param name of the input, for messages
 * @throws IommuError LIMIT_EXCEEDED for more than 256 MiB to keep
 */
export async function readAnywhere(source: MigrationSource, name: string): Promise<ByteFile> {
  if (isFile(source)) return source;
  const kept = await keepAll(openSource(source), MAX_KEPT);
  if (kept !== undefined) return kept;
  const message = `${name}: has to be read in another order than it comes, and more than ${MAX_KEPT} bytes are not kept for that: unpack it to a file first, if it is packed, and give a file`;
  throw new IommuError("LIMIT_EXCEEDED", message, { path: name, limit: MAX_KEPT });
}

/** All of a stream in memory, without its zeros; undefined if that is more than `limit` bytes. */
export async function keepAll(stream: ByteStream, limit: number): Promise<ByteFile | undefined> {
  const blocks: (Uint8Array | undefined)[] = [];
  let kept = 0;
  let size = 0;
  let block = new Uint8Array(BLOCK);
  const keep = (): void => {
    const isEmpty = firstNonZero(block, 0, BLOCK) === BLOCK;
    blocks.push(isEmpty ? undefined : block);
    if (isEmpty) return;
    kept += BLOCK;
    block = new Uint8Array(BLOCK);
  };
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK - (size % BLOCK));
      block.set(part, size % BLOCK);
      at += part.length;
      size += part.length;
      if (size % BLOCK === 0) keep();
      if (kept > limit) return undefined;
    }
  }
  if (size % BLOCK !== 0) {
    block.fill(0, size % BLOCK);
    keep();
  }
  return { size, read: async (offset, length) => bytesAt(blocks, offset, Math.min(length, size - offset)) };
}

function bytesAt(blocks: readonly (Uint8Array | undefined)[], offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, length));
  for (let have = 0; have < bytes.length; ) {
    const at = (offset + have) % BLOCK;
    const part = Math.min(bytes.length - have, BLOCK - at);
    const found = blocks[Math.floor((offset + have) / BLOCK)];
    if (found !== undefined) bytes.set(found.subarray(at, at + part), have);
    have += part;
  }
  return bytes;
}
