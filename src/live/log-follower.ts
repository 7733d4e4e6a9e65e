import { type FileHandle, open, stat } from "node:fs/promises";
import { IommuError } from "../base/errors.ts";

const CHUNK = 1 << 20;

/**
 * Reads what is written to a file, as it is written. A file that is not there
 * yet is waited for; one that is taken away, replaced or cut is an error, since
 * what comes after would not be what follows.
 */
export class LogFollower {
  readonly path: string;
  #offset: number;
  #file: FileHandle | undefined;
  readonly #buffer = Buffer.alloc(CHUNK);

  /** @param offset where to begin */
  constructor(path: string, offset: number) {
    this.path = path;
    this.#offset = offset;
  }

  /** Bytes read so far, with those before the beginning. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Reads everything that is there now.
   *
   * @param take gets each piece, which is not kept after the call
   * @returns false if there was nothing
   * @throws IommuError BAD_FILE if the file was taken away, replaced or cut
   */
  async poll(take: (chunk: Uint8Array) => void): Promise<boolean> {
    if (this.#file === undefined && !(await this.#open())) return false;
    const file = this.#file!;
    await this.#check(file);
    let any = false;
    for (;;) {
      const { bytesRead } = await file.read(this.#buffer, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return any;
      any = true;
      this.#offset += bytesRead;
      take(this.#buffer.subarray(0, bytesRead));
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #open(): Promise<boolean> {
    try {
      this.#file = await open(this.path, "r");
      return true;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT" && this.#offset === 0) return false;
      throw this.#error(code === "ENOENT" ? "the log was taken away" : message, cause);
    }
  }

  async #check(file: FileHandle): Promise<void> {
    const { size, ino } = await file.stat();
    if (size < this.#offset) throw this.#error(`the log was cut to ${size} bytes; ${this.#offset} were read`);
    const now = await stat(this.path).catch((cause: NodeJS.ErrnoException) => {
      throw this.#error(cause.code === "ENOENT" ? "the log was taken away" : cause.message, cause);
    });
    if (now.ino !== ino) throw this.#error("the log was replaced by another file");
  }

  #error(reason: string, cause?: unknown): IommuError {
    const where = { path: this.path, offset: this.#offset };
    return new IommuError("BAD_FILE", `${this.path}: ${reason}`, where, { cause });
  }
}

/** Bytes of a file; 0 if it is not there yet. */
export async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return 0;
      throw new IommuError("BAD_FILE", `${path}: ${cause.message}`, { path }, { cause });
    },
  );
}
