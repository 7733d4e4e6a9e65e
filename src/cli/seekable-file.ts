import { createWriteStream, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { IommuError } from "../base/errors.ts";
import { PACKING_BYTES, type Packing, packingOf } from "../formats/input/packing.ts";
import type { ByteFile } from "../formats/migration/source.ts";
import { displayName } from "./display-name.ts";
import { isFile, openHandle, openInput, withoutPacking } from "./input.ts";
import { noteInput } from "./used-files.ts";

/** Packings that programs of the system take off, and a page cannot. */
const BY_PROGRAM: ReadonlySet<Packing | undefined> = new Set<Packing>(["xz", "bzip2", "lzop"]);

/** Bytes that are read at a time. */
const PIECE = 1 << 18;

/** A file that is read anywhere, by a page or by us. It stays open, so that what is read is one file, whatever its name comes to mean. */
export class SeekableFile {
  readonly name: string;
  readonly #handle: FileHandle;

  private constructor(name: string, handle: FileHandle) {
    this.name = name;
    this.#handle = handle;
  }

  /**
   * Opens a file. What can be read only once, and what takes a program to be unpacked, becomes a plain file before.
   *
   * @param folder where that is put
   * @param signal ends that
   * @throws IommuError BAD_FILE if it cannot be read; UNSUPPORTED if there is no program to unpack it
   */
  static async open(name: string, folder: string, signal?: AbortSignal): Promise<SeekableFile> {
    const handle = name !== "-" && (await isFile(name)) ? await openHandle(name) : undefined;
    if (handle !== undefined && !(await isPackedByProgram(handle))) {
      noteInput(name);
      return new SeekableFile(displayName(name), handle);
    }
    await handle?.close();
    const plain = path.join(folder, `${crypto.randomUUID()}.plain`);
    const file = createWriteStream(plain, { flags: "wx", mode: 0o600 });
    await pipeline(Readable.from(openInput(name)), file, { signal }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw cause;
    });
    return new SeekableFile(withoutPacking(displayName(name)), await open(plain));
  }

  /** Bytes that it has now. */
  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  /** From its first byte to its last one; an error if it was cut, and has no longer so many. */
  stream({ first, last }: { readonly first: number; readonly last: number }): Readable {
    return Readable.from(this.#pieces(first, last + 1), { objectMode: false });
  }

  /** Not a stream of the handle's own: of each of those the handle keeps a listener for good. */
  async *#pieces(first: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = first; at < end; ) {
      const piece = new Uint8Array(Math.min(PIECE, end - at));
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, at);
      if (bytesRead === 0)
        throw new IommuError("BAD_FILE", `${this.name}: was cut at byte ${at} while it was read`);
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /** As it is now, for the library; each piece has a buffer of its own. */
  async bytes(): Promise<ByteFile> {
    const { fd } = this.#handle;
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const buffer = new Uint8Array(length);
      return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
    };
    return { size: await this.size(), read };
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function isPackedByProgram(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(PACKING_BYTES), 0, PACKING_BYTES, 0);
  return BY_PROGRAM.has(packingOf(buffer.subarray(0, bytesRead)));
}
