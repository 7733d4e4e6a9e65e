import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { IommuError } from "../base/errors.ts";
import { noteOutput } from "./used-files.ts";

/**
 * A file or folder that is there under its name only when it is complete:
 * it is written under another one that nobody can foresee, in the same folder,
 * and renamed. A link to a file is not followed, but replaced. What is no file, such as a pipe or `/dev/null`, is
 * written to as it is.
 */
export class NewFile {
  /** Where to write. Begins with a dot, so that tools that read whole folders pass it over. */
  readonly path: string;
  readonly #target: string;
  readonly #force: boolean;
  readonly #isSpecial: boolean;

  /**
   * @throws IommuError BAD_FILE if the file exists and is not to be overwritten, or its folder does not exist; BAD_ARGUMENT
   * if it is an input of the same call
   */
  constructor(target: string, force: boolean) {
    if (target === "") throw new IommuError("BAD_ARGUMENT", "a file to write needs a name: it is empty");
    noteOutput(target);
    this.#target = target;
    this.#isSpecial = isSpecial(target);
    this.#force = force || this.#isSpecial;
    this.path = this.#isSpecial ? target : this.#beside("partial");
    this.#checkTarget();
    if (!existsSync(path.dirname(target))) {
      throw new IommuError("BAD_FILE", `${target}: there is no folder ${path.dirname(target)}`, { target });
    }
  }

  /** Makes the path an empty file, so that what speaks against it shows at once. */
  makeFile(): void {
    if (isFolder(this.#target)) {
      throw new IommuError("BAD_FILE", `${this.#target} is a folder, not a file`, { target: this.#target });
    }
    if (!this.#isSpecial) closeSync(openSync(this.path, "wx"));
  }

  /** Makes the path a folder. */
  makeFolder(): void {
    mkdirSync(this.path);
  }

  /**
   * Gives the complete file its name. Of a folder that it takes the place of, only files with the names of ours, or of
   * an earlier run of ours, are removed; what else is in it goes into the new one.
   */
  commit(): void {
    if (this.#isSpecial) return;
    this.#checkTarget();
    if (!isFolder(this.path) || !isFolder(this.#target)) {
      renameSync(this.path, this.#target);
      return;
    }
    const old = this.#beside("old");
    renameSync(this.#target, old);
    renameSync(this.path, this.#target);
    const ours = new Set(readdirSync(this.#target));
    for (const name of readdirSync(old)) {
      const from = path.join(old, name);
      if (ours.has(name) || PART.test(name)) rmSync(from, { recursive: true });
      else renameSync(from, path.join(this.#target, name));
    }
    rmdirSync(old);
  }

  /** Removes what was written; for a file that is not to be. Does nothing after {@link commit}. */
  discard(): void {
    if (!this.#isSpecial) rmSync(this.path, { recursive: true, force: true });
  }

  #beside(what: string): string {
    return path.join(path.dirname(this.#target), `.${path.basename(this.#target)}.${what}-${randomUUID()}`);
  }

  #checkTarget(): void {
    if (this.#force || lstatSync(this.#target, { throwIfNoEntry: false }) === undefined) return;
    throw new IommuError("BAD_FILE", `${this.#target} exists; --force overwrites it`, {
      target: this.#target,
    });
  }
}

/** What the system says of a file that cannot be written, as an error of ours with the name that the user gave. */
export function asOutputError(output: string, cause: unknown): unknown {
  if (cause instanceof IommuError || !(cause instanceof Error) || !("syscall" in cause)) return cause;
  return new IommuError("BAD_FILE", `${output}: ${cause.message}`, { output }, { cause });
}

/** A file of a partitioned table. */
const PART = /^part-\d+\.parquet$/;

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

const isSpecial = (path: string): boolean => {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isFile() && !found.isDirectory();
};
