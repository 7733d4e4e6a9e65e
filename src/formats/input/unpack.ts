import { IommuError } from "../../base/errors.ts";
import type { ByteStream } from "../migration/source.ts";
import { gunzip } from "./gunzip.ts";
import type { Packing } from "./packing.ts";
import { unpackError } from "./unpack-error.ts";
import { unpackByProgram } from "./unpack-program.ts";
import { Zstd } from "./zstd.ts";

/**
 * Takes one packing off.
 *
 * @param name of the input, for messages
 * @throws IommuError as {@link unpacked} of `unpacked.ts` does
 */
export function unpack(packing: Packing, packed: ByteStream, name: string): ByteStream {
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
