import { createWriteStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PACKING_BYTES, type Packing, packingOf } from "../../formats/input/packing.ts";
import { displayName } from "../display-name.ts";
import { isFile, openHandle, openInput, withoutPacking } from "../input.ts";
import { noteInput } from "../used-files.ts";
import type { ByteRange } from "./byte-range.ts";

/** Packings that programs of the system take off, and a page cannot. */
const BY_PROGRAM: ReadonlySet<Packing | undefined> = new Set<Packing>(["xz", "bzip2", "lzop"]);

/** A file that pages read parts of. It stays open, so that what is read is one file, whatever its name comes to mean. */
export class ServedFile {
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
   * @throws IommuError BAD_FILE if it cannot be read; UNSUPPORTED if there is no program to unpack it
   */
  static async open(name: string, folder: string): Promise<ServedFile> {
    const handle = name !== "-" && (await isFile(name)) ? await openHandle(name) : undefined;
    if (handle !== undefined && !(await isPackedByProgram(handle))) {
      noteInput(name);
      return new ServedFile(displayName(name), handle);
    }
    await handle?.close();
    const plain = path.join(folder, `${crypto.randomUUID()}.plain`);
    await pipeline(Readable.from(openInput(name)), createWriteStream(plain, { flags: "wx", mode: 0o600 }));
    return new ServedFile(withoutPacking(displayName(name)), await open(plain));
  }

  /** Bytes that it has now. */
  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  read({ first, last }: ByteRange): Readable {
    return this.#handle.createReadStream({ start: first, end: last, autoClose: false });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function isPackedByProgram(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(PACKING_BYTES), 0, PACKING_BYTES, 0);
  return BY_PROGRAM.has(packingOf(buffer.subarray(0, bytesRead)));
}
