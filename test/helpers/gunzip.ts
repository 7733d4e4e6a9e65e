import { constants, gunzipSync } from "node:zlib";

/** What one member of gzip holds, unpacked into one buffer of its size, which stands at the end. */
export function gunzip(packed: Buffer): Uint8Array<ArrayBuffer> {
  const size = packed.readUInt32LE(packed.length - 4);
  const unpacked = gunzipSync(packed, { chunkSize: Math.max(size, constants.Z_MIN_CHUNK) });
  // What is small may lie in a buffer with others.
  return unpacked.buffer.byteLength === size
    ? new Uint8Array(unpacked.buffer as ArrayBuffer)
    : new Uint8Array(unpacked);
}
