import { constants } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { IommuError } from "../base/errors.ts";
import { type Lag, ReadLag } from "./read-lag.ts";

const CHUNK = 1 << 20;

/** Something happened to a log so that events may be missing from now on, if `lost`; else so that it is not what it was. */
export type OnTrouble = (what: string, lost: boolean) => void;

/**
 * Reads what is written to a file, as it is written. A file that is not there
 * yet is waited for. One that was renamed is read to its end, and then the one
 * in its place from its beginning, so that nothing is missed when a logger
 * rotates; one that is cut or replaced is trouble, and is read on.
 */
export class LogFollower {
  readonly path: string;
  #offset: number;
  #file: FileHandle | undefined;
  #isAway = false;
  readonly #onTrouble: OnTrouble;
  readonly #lag = new ReadLag();
  readonly #buffer = Buffer.alloc(CHUNK);

  /** @param offset where to begin */
  constructor(path: string, offset: number, onTrouble: OnTrouble) {
    this.path = path;
    this.#offset = offset;
    this.#onTrouble = onTrouble;
  }

  /** Bytes read so far, with those before the beginning. */
  get offset(): number {
    return this.#offset;
  }

  /** How far it was behind at the last look. */
  get lag(): Lag {
    return this.#lag.at(this.#offset, performance.now());
  }

  /**
   * Reads what is there now, and not what is written meanwhile.
   *
   * @param take gets each piece, which is not kept after the call
   * @param limit bytes after which that is enough for once
   * @returns bytes that were read
   * @throws IommuError BAD_FILE if the file cannot be read
   */
  async poll(take: (chunk: Uint8Array) => void, limit: number = Number.POSITIVE_INFINITY): Promise<number> {
    if (this.#file === undefined && !(await this.#open())) return 0;
    let bytes = await this.#drain(take, limit);
    if (bytes >= limit || !(await this.#isReplaced())) return bytes;
    // What came between the last look at the old file and the one at the new.
    bytes += await this.#drain(take);
    await this.close();
    this.#offset = 0;
    this.#lag.reset();
    if (await this.#open()) bytes += await this.#drain(take, limit);
    return bytes;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #drain(take: (chunk: Uint8Array) => void, limit: number = Number.POSITIVE_INFINITY): Promise<number> {
    const file = this.#file!;
    const size = await this.#look(file);
    if (size < this.#offset) {
      this.#onTrouble(`the log was cut to ${size} bytes, ${this.#offset} were read`, true);
      this.#offset = 0;
      this.#lag.reset();
    }
    const end = Math.min(size, this.#offset + limit);
    let bytes = 0;
    while (this.#offset < end) {
      const { bytesRead } = await file.read(this.#buffer, 0, CHUNK, this.#offset).catch((cause) => {
        throw this.#error((cause as Error).message, cause);
      });
      if (bytesRead === 0) break;
      this.#offset += bytesRead;
      bytes += bytesRead;
      take(this.#withoutHoles(this.#buffer.subarray(0, bytesRead)));
    }
    await this.#look(file);
    return bytes;
  }

  /** @returns bytes of the file */
  async #look(file: FileHandle): Promise<number> {
    const { size } = await file.stat();
    this.#lag.seen(size, performance.now());
    return size;
  }

  /** Who cuts a file that another writes on to leaves zeros in place of what was there. */
  #withoutHoles(chunk: Uint8Array): Uint8Array {
    if (!chunk.includes(0)) return chunk;
    this.#onTrouble("there are zeros in the log, as where a log was cut that is written on to", true);
    return chunk.filter((byte) => byte !== 0);
  }

  async #open(): Promise<boolean> {
    let file: FileHandle;
    try {
      // To open a pipe that nobody writes to would wait for ever.
      file = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT" && this.#offset === 0) return false;
      throw this.#error(code === "ENOENT" ? "the log was taken away" : message, cause);
    }
    if (!(await file.stat()).isFile()) {
      await file.close();
      throw noFile(this.path);
    }
    this.#file = file;
    return true;
  }

  /** Does another file with something in it stand where ours did? */
  async #isReplaced(): Promise<boolean> {
    const { ino, dev } = await this.#file!.stat();
    const now = await stat(this.path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw this.#error(cause.message, cause);
    });
    if (now === undefined) {
      // Who rotates it renames it first, and makes the new one then.
      if (!this.#isAway && !(await this.#isBeside(ino))) {
        this.#onTrouble("the log was taken away; what is still written to it is read", false);
        this.#isAway = true;
      }
      return false;
    }
    // Who writes may go on with the old file until then.
    if ((now.ino === ino && now.dev === dev) || now.size === 0) return false;
    if (!(await this.#isBeside(ino))) this.#onTrouble("the log was replaced by another file", true);
    return true;
  }

  /** Is our file still there by another name, such as `LOG.0`? Then it was rotated, and just once. */
  async #isBeside(ino: number): Promise<boolean> {
    const folder = path.dirname(this.path);
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      if (!name.startsWith(path.basename(this.path))) continue;
      const found = await stat(path.join(folder, name)).catch(() => undefined);
      if (found?.ino === ino) return true;
    }
    return false;
  }

  #error(reason: string, cause: unknown): IommuError {
    const where = { path: this.path, offset: this.#offset };
    return new IommuError("BAD_FILE", `${this.path}: ${reason}`, where, { cause });
  }
}

const noFile = (path: string): IommuError =>
  new IommuError("BAD_FILE", `${path}: a log can be followed only in a file, and this is none`, { path });

/**
 * Bytes of a log; 0 if it is not there yet.
 *
 * @throws IommuError BAD_FILE if it is no file
 */
export async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    (found) => {
      if (!found.isFile()) throw noFile(path);
      return found.size;
    },
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return 0;
      throw new IommuError("BAD_FILE", `${path}: ${cause.message}`, { path }, { cause });
    },
  );
}
