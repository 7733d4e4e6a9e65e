import { readdirSync, readFileSync, statSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { gunzip } from "./gunzip.ts";

const FOLDER = new URL("../corpus/", import.meta.url);

/** How the recordings of traces end: QEMU's logs, its simple traces, and texts of Linux. */
export const TRACE_ENDINGS = { log: ".log.gz", simple: ".simple.gz", dma: ".txt.gz" } as const;

/** Names in a folder of the corpus that end so, without that ending. */
export function corpusNames(kind: string, ending: string): string[] {
  return readdirSync(new URL(`${kind}/`, FOLDER))
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
}

/**
 * Those of up to so many packed bytes. Every recording is checked once by `npm test` (test/check/corpus.test.ts, and
 * the command line's `exec --check`); tests of one part of the way read the small ones, and campaigns read all.
 */
export const smallCorpusNames = (kind: string, ending: string, limit = 30_000): string[] =>
  corpusNames(kind, ending).filter(
    (name) => statSync(new URL(`${kind}/${name}${ending}`, FOLDER)).size < limit,
  );

/** Recordings that were unpacked, but for large ones: most are read by tests of many files. */
const kept = new Map<string, Uint8Array<ArrayBuffer>>();
const KEPT_BYTES = 2 ** 21;

/** A recording, unpacked. Tests share it, and change copies. */
export function readCorpus(kind: string, name: string): Uint8Array<ArrayBuffer> {
  const file = `${kind}/${name}.gz`;
  const before = kept.get(file);
  if (before !== undefined) return before;
  const bytes = gunzip(readFileSync(new URL(file, FOLDER)));
  if (bytes.length <= KEPT_BYTES) kept.set(file, bytes);
  return bytes;
}

/** The first bytes of a recording; of a long one no more is unpacked than that takes. */
export function readCorpusHead(kind: string, name: string, bytes: number): Uint8Array<ArrayBuffer> {
  const packed = readFileSync(new URL(`${kind}/${name}.gz`, FOLDER)).subarray(0, bytes);
  return new Uint8Array(gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH })).subarray(0, bytes);
}

/** The sidecar of a recording: what another program counted in it. */
// biome-ignore lint/suspicious/noExplicitAny: sidecars have many shapes; a test reads the few keys it names
export const readSidecar = (kind: string, name: string): any =>
  JSON.parse(readFileSync(new URL(`${kind}/${name}.json`, FOLDER), "utf8"));
