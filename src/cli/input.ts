import { createReadStream, readSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import process from "node:process";
import type { Readable } from "node:stream";
import { IommuError } from "../base/errors.ts";
import type { ReadInputOptions } from "../check/whole/input-options.ts";
import type { InputData } from "../formats/input/input-data.ts";
import { readText } from "../formats/input/read-text.ts";
import { unpackError } from "../formats/input/unpack-error.ts";
import { unpacked } from "../formats/input/unpacked.ts";
import type { ByteFile, ByteStream } from "../formats/migration/source.ts";
import { displayName } from "./display-name.ts";
import { printError, printWarning } from "./output.ts";
import { Progress } from "./progress.ts";
import { verbose } from "./terminal.ts";
import { noteInput } from "./used-files.ts";

/**
 * The bytes of a file, or of standard input for `-`, unpacked if they are packed.
 *
 * @throws IommuError BAD_FILE if it cannot be read, or the compressed data is damaged or ends early
 */
export async function* openInput(path: string): ByteStream {
  const size = path === "-" ? 0 : await fileSize(path);
  yield* unpacked(fileBytes(path), displayName(path), { size });
}

/**
 * The bytes of a file as they are.
 *
 * @param onRead notified of how many were read
 */
async function* fileBytes(
  path: string,
  onRead: (bytes: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  noteInput(path);
  const size = path === "-" ? 0 : await fileSize(path);
  const source: Readable =
    path === "-" ? process.stdin : createReadStream(path, { highWaterMark: bytesAtATime(size) });
  let bytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      onRead(bytes);
      yield chunk;
    }
  } catch (cause) {
    throw asInputError(path, cause);
  } finally {
    if (path !== "-") source.destroy();
  }
  if (bytes < size) {
    const reason = `the file became shorter while it was read: it had ${size} bytes, and ends after ${bytes}`;
    throw unpackError(displayName(path), reason, bytes);
  }
}

const MOST_AT_A_TIME = 2 ** 20;

/** No more room than a file of so many bytes needs; what is no file may have any number. */
const bytesAtATime = (size: number): number => (size === 0 ? MOST_AT_A_TIME : Math.min(size, MOST_AT_A_TIME));

/** Bytes of a file that is there; 0 of anything else, such as a pipe. */
const fileSize = async (path: string): Promise<number> => {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true ? found.size : 0;
};

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
  use: (data: InputData, options: Required<Omit<ReadInputOptions, "snapshot" | "buffer">>) => Promise<Result>,
): Promise<Result> {
  noteInput(path);
  const progress = await Progress.begin(path, quiet);
  const name = displayName(path);
  const onTruncated = (reason: string): void => {
    progress.stop();
    printWarning(name, reason);
  };
  const stream = (): ByteStream => fileBytes(path, (bytes) => progress.read(bytes));
  const handle = path !== "-" && (await isFile(path)) ? await openHandle(path) : undefined;
  try {
    return await use(handle === undefined ? stream() : await fileData(handle, stream), { name, onTruncated });
  } finally {
    progress.stop();
    if (verbose()) printError(`${name}: ${progress.summary}`);
    await handle?.close();
  }
}

/** A name without what a packing adds to it. */
export const withoutPacking = (path: string): string => path.replace(/\.(?:gz|zst|xz|bz2|lzo)$/, "");

/** Op scripts are distinguished from traces by their names, also where their first line is no header. */
export const isScriptName = (path: string): boolean => withoutPacking(path).endsWith(".jsonl");

/** What is not there is reported by who reads it. */
export const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() ?? false;

/**
 * Refuses what cannot be read again.
 *
 * @param why it has to be, as a sentence
 * @throws IommuError UNSUPPORTED for standard input and pipes; BAD_FILE for what is no file, or not there
 */
export async function needFile(path: string, why: string): Promise<void> {
  const found =
    path === "-" ? undefined : await stat(path).catch((cause) => Promise.reject(asInputError(path, cause)));
  if (found?.isFile() === true) return;
  const name = displayName(path);
  if (found?.isDirectory() === true) throw new IommuError("BAD_FILE", `${name}: is a folder`, { path });
  const message = `${name}: standard input and pipes can be read only once, and ${why}: write it to a file first, and name that`;
  throw new IommuError("UNSUPPORTED", message, { path });
}

export const openHandle = (path: string): Promise<FileHandle> =>
  open(path).catch((cause) => {
    throw asInputError(path, cause);
  });

/**
 * A file that is read anywhere, through one buffer. It is read in this thread: handing half a MiB over from another one
 * takes as long as reading it.
 */
async function fileData(handle: FileHandle, stream: () => ByteStream): Promise<ByteFile> {
  const { size } = await handle.stat();
  let buffer = new Uint8Array(0);
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    if (buffer.length < length) buffer = new Uint8Array(length);
    return buffer.subarray(0, readSync(handle.fd, buffer, 0, length, offset));
  };
  return { size, read, stream };
}

/** A whole text file; see {@link readText}. */
export const readTextFile = (path: string): Promise<string> => readText(openInput(path), displayName(path));

function asInputError(path: string, cause: unknown): Error {
  if (cause instanceof IommuError || !(cause instanceof Error)) return cause as Error;
  const { code } = cause as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: "no such file",
    EISDIR: "is a folder",
    EACCES: "permission denied",
  };
  const message = `${displayName(path)}: ${reasons[code ?? ""] ?? cause.message}`;
  return new IommuError("BAD_FILE", message, { path }, { cause });
}
