import { constants, gunzipSync } from "node:zlib";

/** What one member of gzip holds, unpacked into one buffer of its size, which stands at the end. */
export function gunzip(packed: Buffer): Uint8Array<ArrayBuffer> {
  const size = packed.readUInt32LE(packed.length - 4);
  return new Uint8Array(gunzipSync(packed, { chunkSize: Math.max(size, constants.Z_MIN_CHUNK) }));
}
