import { type FileHandle, open, stat } from "node:fs/promises";
import { IommuError } from "../base/errors.ts";
import { readMigration } from "../formats/migration/reader.ts";
import type { ByteFile, MigrationSource } from "../formats/migration/source.ts";
import type { MigrationStream } from "../formats/migration/stream.ts";
import { displayName, isGzip, openInput } from "./input.ts";

/**
 * Reads a migration stream. A file is opened again, since the end of a stream
 * tells how long its sections are; a pipe is read as it comes.
 *
 * @param begun the bytes from the start on, if the file can be read only once
 * @throws IommuError as {@link readMigration} does, with the name of the file
 */
export async function readSavedMachine(
  path: string,
  begun: AsyncGenerator<Uint8Array>,
): Promise<MigrationStream> {
  const once = path === "-" || !(await stat(path)).isFile();
  if (once) return readNamed(path, begun);
  await begun.return(undefined);
  const handle = await open(path);
  try {
    const head = new Uint8Array(2);
    await handle.read(head, 0, 2, 0);
    return await readNamed(path, isGzip(head) ? () => openInput(path) : await byteFileOf(handle));
  } finally {
    await handle.close();
  }
}

async function readNamed(path: string, source: MigrationSource): Promise<MigrationStream> {
  try {
    return await readMigration(source);
  } catch (cause) {
    // What could not be opened or unpacked names its file already.
    if (!(cause instanceof IommuError) || "path" in cause.details) throw cause;
    const details = { path, ...cause.details };
    throw new IommuError(cause.code, `${displayName(path)}: ${cause.message}`, details, { cause });
  }
}

/** A file that is read anywhere, through one buffer. */
async function byteFileOf(handle: FileHandle): Promise<ByteFile> {
  const { size } = await handle.stat();
  let buffer = new Uint8Array(0);
  return {
    size,
    async read(offset, length) {
      if (buffer.length < length) buffer = new Uint8Array(length);
      const { bytesRead } = await handle.read(buffer, 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
  };
}
