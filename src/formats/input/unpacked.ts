import { IommuError } from "../../base/errors.ts";
import type { ByteStream } from "../migration/source.ts";
import { PACKING_BYTES, type Packing, packingOf } from "./packing.ts";
import { peek } from "./peek.ts";
import { unpack } from "./unpack.ts";
import { unpackInThread } from "./unpack-thread.ts";

/** Something packed that was packed again; there is data that unpacks to itself. */
const MAX_LAYERS = 4;

/** Packed bytes from which on a thread of its own gains what its start takes (docs/speed.md). */
const LONG = 2 ** 22;

/** What else there is to unpacking. */
export interface UnpackOptions {
  /** Notified of each way in which it is packed, the outer one first. */
  readonly onLayer?: (packing: Packing) => void;
  /** Bytes of the source, if they are known: what is long is unpacked in a thread of its own. */
  readonly size?: number;
}

/**
 * The bytes of a stream, unpacked if they are packed in a way that their beginning tells: by gzip, zstd, xz, bzip2 or
 * lzop, also several times. Memory is bounded, whatever is packed.
 *
 * @param name of the input, for messages
 * @throws IommuError BAD_FILE if packed data ends early or is damaged, or if other bytes follow it, with the reason in
 * `details.early`: what came before can be used; UNSUPPORTED if it takes a program that is not there
 */
export async function* unpacked(
  source: ByteStream,
  name: string,
  { onLayer, size = 0 }: UnpackOptions = {},
): ByteStream {
  let stream = source;
  for (let layers = 0; ; layers++) {
    const { head, chunks } = await peek(stream, PACKING_BYTES);
    stream = chunks;
    const packing = packingOf(head);
    if (packing === undefined) break;
    if (layers === MAX_LAYERS) {
      await chunks.return(undefined);
      throw new IommuError("UNSUPPORTED", `${name}: is packed more than ${MAX_LAYERS} times`, { path: name });
    }
    onLayer?.(packing);
    stream = (isOwn(packing) && size >= LONG ? unpackInThread : unpack)(packing, chunks, name);
  }
  yield* stream;
}

/** Is it unpacked by this program itself? */
const isOwn = (packing: Packing): boolean => packing === "gzip" || packing === "zstd";
