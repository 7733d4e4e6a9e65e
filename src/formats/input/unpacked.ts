import { IommuError } from "../../base/errors.ts";
import type { ByteStream } from "../migration/source.ts";
import { gunzip } from "./gunzip.ts";
import { PACKING_BYTES, type Packing, packingOf } from "./packing.ts";
import { peek } from "./peek.ts";
import { unpackError } from "./unpack-error.ts";
import { unpackByProgram } from "./unpack-program.ts";
import { Zstd } from "./zstd.ts";

/** Something packed that was packed again; there is data that unpacks to itself. */
const MAX_LAYERS = 4;

/**
 * The bytes of a stream, unpacked if they are packed in a way that their beginning tells: by gzip, zstd, xz, bzip2 or
 * lzop, also several times. Memory is bounded, whatever is packed.
 *
 * @param name of the input, for messages
 * @param onLayer notified of each way in which it is packed, the outer one first
 * @throws IommuError BAD_FILE if packed data ends early or is damaged, or if other bytes follow it, with the reason in
 * `details.early`: what came before can be used; UNSUPPORTED if it takes a program that is not there
 */
export async function* unpacked(
  source: ByteStream,
  name: string,
  onLayer: (packing: Packing) => void = () => {},
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
    onLayer(packing);
    stream = unpack(packing, chunks, name);
  }
  yield* stream;
}

function unpack(packing: Packing, packed: ByteStream, name: string): ByteStream {
  if (packing === "gzip") return gunzip(packed, name);
  return packing === "zstd" ? unzstd(packed, name) : unpackByProgram(packing, packed, name);
}

async function* unzstd(packed: ByteStream, name: string): ByteStream {
  const stream = (await Zstd.load()).stream();
  try {
    // Chunks are lent, and the decoder keeps them.
    for await (const chunk of packed) yield* stream.push(new Uint8Array(chunk));
    yield* stream.end();
  } catch (cause) {
    if (!(cause instanceof IommuError) || "path" in cause.details) throw cause;
    const offset = stream.bytes;
    const reason = String(cause.details.early ?? `${cause.message} after ${offset} unpacked bytes`);
    throw unpackError(name, reason, offset, cause);
  }
}
