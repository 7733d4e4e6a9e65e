import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import type { ByteFile, ByteStream } from "../../../src/formats/migration/source.ts";
import { gunzip } from "../../helpers/gunzip.ts";
import type { Random } from "../../helpers/random.ts";

const FOLDER = new URL("../../corpus/migration/", import.meta.url);

/** Names of all recorded streams. */
export const recordedStreams = (): string[] =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith(".mig.gz"))
    .map((file) => file.slice(0, -".mig.gz".length));

/** Streams that were unpacked, but for one that is large. */
const kept = new Map<string, Uint8Array>();
const KEPT_BYTES = 10_000_000;

/** A recorded stream, unpacked. Tests share it, and change copies. */
export function recordedStream(name: string): Uint8Array {
  const before = kept.get(name);
  if (before !== undefined) return before;
  const bytes = gunzip(readFileSync(new URL(`${name}.mig.gz`, FOLDER)));
  if (bytes.length <= KEPT_BYTES) kept.set(name, bytes);
  return bytes;
}

/**
 * A recorded stream as a file that is not packed, made once in a folder: verbs go past the memory of the guest there, and need
 * not unpack it each time.
 */
export function recordedFile(folder: string, name: string): string {
  const file = path.join(folder, `${name}.mig`);
  if (!existsSync(file)) writeFileSync(file, recordedStream(name));
  return file;
}

/** What another reader found in a recorded stream. */
export const recordedReference = (name: string): Reference =>
  JSON.parse(gunzipSync(readFileSync(new URL(`${name}.json.gz`, FOLDER))).toString());

export interface Reference {
  readonly uncompressed_bytes: number;
  readonly section_names: readonly string[];
  readonly spapr_iommu: readonly {
    section_id: number;
    liobn: string;
    mig_nb_table: number;
    bypass: boolean;
    def_win: boolean;
    has_ex_subsection: boolean;
    bus_offset: string;
    page_shift: number;
    table_length: number;
    nonzero: number;
    table: Readonly<Record<string, string>>;
  }[];
}

/** Bytes as a file that lends out one buffer, as a careful reader of real files does. */
export function fileOf(bytes: Uint8Array): ByteFile {
  let buffer = new Uint8Array(0);
  let lent = 0;
  return {
    size: bytes.length,
    async read(offset, length) {
      const part = bytes.subarray(offset, offset + length);
      if (buffer.length < part.length) buffer = new Uint8Array(part.length);
      // What was lent before is spoilt.
      buffer.fill(0xee, part.length, lent);
      buffer.set(part);
      lent = part.length;
      return buffer.subarray(0, part.length);
    },
  };
}

/** Bytes in chunks of given sizes; each chunk is spoilt when the next one is asked for. */
export async function* chunksOf(bytes: Uint8Array, size: () => number): ByteStream {
  for (let at = 0; at < bytes.length; ) {
    const chunk = bytes.slice(at, at + size());
    at += chunk.length;
    yield chunk;
    chunk.fill(0xee);
  }
}

/** Chunk sizes from 0 to 20, and now and then large ones. */
export const anySize = (random: Random) => () =>
  random.below(20) === 0 ? random.below(70_000) : random.below(21);

/** Are these the pieces of it? */
export async function areSame(pieces: AsyncIterable<Uint8Array>, bytes: Uint8Array): Promise<boolean> {
  let at = 0;
  for await (const piece of pieces) {
    if (Buffer.compare(piece, bytes.subarray(at, at + piece.length)) !== 0) return false;
    at += piece.length;
  }
  return at === bytes.length;
}

/** All pieces of a stream in one. */
export async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const copies: Uint8Array[] = [];
  for await (const piece of pieces) copies.push(Uint8Array.from(piece));
  return new Uint8Array(Buffer.concat(copies));
}
