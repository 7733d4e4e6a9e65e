import { createReadStream, readSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import process from "node:process";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { IommuError } from "../base/errors.ts";
import type { ReadInputOptions } from "../check/whole/input-options.ts";
import type { InputData } from "../formats/input/input-data.ts";
import { readText } from "../formats/input/read-text.ts";
import { isGzip } from "../formats/input/unpacked.ts";
import type { ByteFile, ByteStream, ByteStreamFactory } from "../formats/migration/source.ts";
import { displayName } from "./display-name.ts";
import { printError, printWarning } from "./output.ts";
import { Progress } from "./progress.ts";
import { verbose } from "./terminal.ts";

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

/**
 * Opens a file for the library, and shows how far it was read.
 *
 * @param use is given the file, which can be read again unless it is a pipe, and options for it: its name in messages,
 * and that a packed file which ends early is read as far as it goes, with a warning
 * @throws IommuError BAD_FILE if the file cannot be opened; what `use` throws
 */
export async function withInput<Result>(
  path: string,
  quiet: boolean,
  use: (data: InputData, options: Required<Omit<ReadInputOptions, "buffer">>) => Promise<Result>,
): Promise<Result> {
  const progress = new Progress(path, quiet);
  const name = displayName(path);
  const onTruncated = (reason: string): void => {
    progress.stop();
    printWarning(name, reason);
  };
  const stream = (): AsyncGenerator<Uint8Array> => openInput(path, (bytes) => progress.read(bytes));
  const handle = path !== "-" && (await isFile(path)) ? await openHandle(path) : undefined;
  try {
    return await use(handle === undefined ? stream() : await fileData(handle, stream), { name, onTruncated });
  } finally {
    progress.stop();
    if (verbose()) printError(`${name}: ${progress.summary}`);
    await handle?.close();
  }
}

/** Op scripts are distinguished from traces by their names, also where their first line is no header. */
export const isScriptName = (path: string): boolean => path.endsWith(".jsonl") || path.endsWith(".jsonl.gz");

/** What is not there is reported by who reads it. */
const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() ?? false;

const openHandle = (path: string): Promise<FileHandle> =>
  open(path).catch((cause) => {
    throw asInputError(path, cause, 0);
  });

/**
 * A file that is read anywhere, through one buffer; a packed one is read from its start. It is read in this thread:
 * handing half a MiB over from another one takes as long as reading it.
 */
async function fileData(handle: FileHandle, stream: () => ByteStream): Promise<ByteFile | ByteStreamFactory> {
  const { size } = await handle.stat();
  let buffer = new Uint8Array(2);
  const read = (offset: number, length: number): Uint8Array => {
    if (buffer.length < length) buffer = new Uint8Array(length);
    return buffer.subarray(0, readSync(handle.fd, buffer, 0, length, offset));
  };
  if (isGzip(read(0, 2))) return stream;
  return { size, read: async (offset, length) => read(offset, length), stream };
}

/** A whole text file; see {@link readText}. */
export const readTextFile = (path: string): Promise<string> => readText(openInput(path), displayName(path));

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
