import { createReadStream } from "node:fs";
import process from "node:process";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { IommuError } from "../base/errors.ts";

/** The largest text that is read as a whole, unpacked: twenty times the longest recording. */
const MAX_TEXT_BYTES = 32 * 2 ** 20;

/**
 * The bytes of a file, or of standard input for `-`; unpacked if they begin as gzip does.
 *
 * @param onRead notified of how many bytes of the file itself were read
 * @throws IommuError BAD_FILE if it cannot be read, or the compressed data is damaged or ends early
 */
export async function* openInput(
  path: string,
  onRead: (bytes: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const source: Readable = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 1 << 20 });
  let offset = 0;
  try {
    const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const first = await chunks.next();
    if (first.done === true) return;
    if (!isGzip(first.value)) {
      yield* counted(first.value, chunks, onRead);
      return;
    }
    for await (const chunk of unpack(counted(first.value, chunks, onRead))) {
      offset += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    throw asInputError(path, cause, offset);
  } finally {
    if (path !== "-") source.destroy();
  }
}

/** Does this begin as gzip does? */
export const isGzip = (head: Uint8Array): boolean => head[0] === 0x1f && head[1] === 0x8b;

/** A file whose first bytes were looked at. */
export interface PeekedInput {
  /** At least as many as were asked for, unless the file is shorter. */
  readonly head: Uint8Array;
  /** All bytes, from the start on. */
  readonly chunks: AsyncGenerator<Uint8Array>;
}

/**
 * Opens a file as {@link openInput} does, and looks at its first bytes. What
 * keeps it from reading more of them is thrown after those that were read.
 *
 * @throws IommuError BAD_FILE if nothing can be read
 */
export async function peekInput(
  path: string,
  headBytes: number,
  onRead?: (bytes: number) => void,
): Promise<PeekedInput> {
  const source = openInput(path, onRead);
  const pieces: Uint8Array[] = [];
  let failure: { readonly error: unknown } | undefined;
  for (let bytes = 0; bytes < headBytes; ) {
    try {
      const next = await source.next();
      if (next.done === true) break;
      pieces.push(next.value);
      bytes += next.value.length;
    } catch (error) {
      if (pieces.length === 0) throw error;
      failure = { error };
      break;
    }
  }
  return { head: Buffer.concat(pieces), chunks: chain(pieces, failure, source) };
}

async function* chain(
  pieces: readonly Uint8Array[],
  failure: { readonly error: unknown } | undefined,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
    if (failure !== undefined) throw failure.error;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/**
 * A whole text file; see {@link openInput}.
 *
 * @throws IommuError BAD_FILE also if it is no UTF-8, with the place; LIMIT_EXCEEDED if it is too large
 */
export async function readText(path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of openInput(path)) {
    bytes += chunk.length;
    if (bytes > MAX_TEXT_BYTES) {
      const message = `${displayName(path)}: a text of more than ${MAX_TEXT_BYTES} bytes`;
      throw new IommuError("LIMIT_EXCEEDED", message, { path, limit: MAX_TEXT_BYTES });
    }
    chunks.push(chunk);
  }
  return decodeText(Buffer.concat(chunks.splice(0)), displayName(path));
}

function decodeText(bytes: Uint8Array, name: string): string {
  const text = tryDecode(bytes, false);
  if (text !== undefined) return text;
  // The most bytes that may begin a text end before the one that cannot go on.
  let good = 0;
  let bad = bytes.length;
  while (good < bad) {
    const middle = (good + bad + 1) >>> 1;
    if (tryDecode(bytes.subarray(0, middle), true) === undefined) bad = middle - 1;
    else good = middle;
  }
  const before = tryDecode(bytes.subarray(0, good), true)!.split("\n");
  const found = good < bytes.length ? `byte 0x${bytes[good]!.toString(16)} is` : "the end cuts what would be";
  const place = `${name}:${before.length}:${before.at(-1)!.length + 1}`;
  throw new IommuError("BAD_FILE", `${place}: ${found} no UTF-8`, { file: name, line: before.length });
}

/** The text of some bytes, undefined if they are no UTF-8. */
function tryDecode(bytes: Uint8Array, goesOn: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: goesOn });
  } catch {
    return undefined;
  }
}

/** How a file is named in messages and reports. */
export const displayName = (path: string): string => (path === "-" ? "stdin" : path);

async function* counted(
  first: Buffer,
  rest: AsyncIterator<Buffer>,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = first.length;
  onRead(bytes);
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    bytes += next.value.length;
    onRead(bytes);
    yield next.value;
  }
}

async function* unpack(packed: AsyncGenerator<Buffer>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  const out = new PassThrough({ highWaterMark: 1 << 20 });
  const done = pipeline(packed, gunzip, out);
  // The loop below ends with the same error; without a handler here it would count as unhandled.
  done.catch(() => {});
  for await (const chunk of out) yield chunk as Buffer;
  await done;
}

/** @param offset unpacked bytes before the place where compressed data is damaged */
function asInputError(path: string, cause: unknown, offset: number): Error {
  if (cause instanceof IommuError || !(cause instanceof Error)) return cause as Error;
  const { code } = cause as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: "no such file",
    EISDIR: "is a folder",
    EACCES: "permission denied",
    Z_BUF_ERROR: "the gzip data ends early",
    Z_DATA_ERROR: `the gzip data is damaged (${cause.message})`,
  };
  const reason = reasons[code ?? ""] ?? cause.message;
  const details: Record<string, string | number> = { path };
  if (code?.startsWith("Z_") === true) details.offset = offset;
  if (code === "Z_BUF_ERROR") details.early = reason;
  return new IommuError("BAD_FILE", `${displayName(path)}: ${reason}`, details, { cause });
}
