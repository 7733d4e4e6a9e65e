import { readSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { IommuError } from "../base/errors.ts";
import type { ByteFile, MigrationSource } from "../formats/migration/source.ts";
import { displayName, isGzip, openInput } from "./input.ts";

/** A migration stream that can be read, and is to be closed. */
export interface SavedMachine {
  readonly source: MigrationSource;
  /** Puts the name of the file into the error that a reading ends with. */
  named<Result>(reading: Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/**
 * Opens a migration stream. A file can be read again, since the end of a stream
 * tells how long its sections are; a pipe is read as it comes.
 *
 * @param begun the bytes from the start on, if somebody has looked at them already
 * @throws IommuError BAD_FILE if the file cannot be opened
 */
export async function openSavedMachine(
  path: string,
  begun: AsyncGenerator<Uint8Array> = openInput(path),
): Promise<SavedMachine> {
  const named = <Result>(reading: Promise<Result>): Promise<Result> =>
    reading.catch((cause) => throwNamed(path, cause));
  if (path === "-" || !(await isFile(path))) return { source: begun, named, close: async () => {} };
  await begun.return(undefined);
  const handle = await open(path);
  const head = new Uint8Array(2);
  await handle.read(head, 0, 2, 0);
  const source = isGzip(head) ? () => openInput(path) : await byteFileOf(handle);
  return { source, named, close: () => handle.close() };
}

/** A file that is not there is reported by who reads it. */
const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() ?? false;

function throwNamed(path: string, cause: unknown): never {
  // What could not be opened or unpacked names its file already.
  if (!(cause instanceof IommuError) || "path" in cause.details) throw cause;
  const details = { path, ...cause.details };
  throw new IommuError(cause.code, `${displayName(path)}: ${cause.message}`, details, { cause });
}

/**
 * A file that is read anywhere, through one buffer. It is read in this thread:
 * handing half a MiB over from another one takes as long as reading it.
 */
async function byteFileOf(handle: FileHandle): Promise<ByteFile> {
  const { size } = await handle.stat();
  let buffer = new Uint8Array(0);
  return {
    size,
    async read(offset, length) {
      if (buffer.length < length) buffer = new Uint8Array(length);
      return buffer.subarray(0, readSync(handle.fd, buffer, 0, length, offset));
    },
  };
}
