import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pid } from "node:process";
import { IommuError } from "../base/errors.ts";

/**
 * A file or folder that is there under its name only when it is complete:
 * it is written under another one, in the same folder, and renamed.
 */
export class NewFile {
  /** Where to write. Begins with a dot, so that tools that read whole folders pass it over. */
  readonly path: string;
  readonly #target: string;
  readonly #force: boolean;

  /** @throws IommuError BAD_FILE if the file exists and is not to be overwritten, or its folder does not exist */
  constructor(target: string, force: boolean) {
    this.#target = target;
    this.#force = force;
    this.path = path.join(path.dirname(target), `.${path.basename(target)}.partial-${pid}`);
    this.#checkTarget();
    if (!existsSync(path.dirname(target))) {
      throw new IommuError("BAD_FILE", `${target}: there is no folder ${path.dirname(target)}`, { target });
    }
  }

  /** Makes the path an empty file, so that what speaks against it shows at once. */
  makeFile(): void {
    writeFileSync(this.path, "");
  }

  /** Makes the path a folder. */
  makeFolder(): void {
    mkdirSync(this.path);
  }

  /** Gives the complete file its name. */
  commit(): void {
    this.#checkTarget();
    const isFolder = statSync(this.path).isDirectory();
    // A folder cannot be renamed over one with files.
    if (isFolder) rmSync(this.#target, { recursive: true, force: true });
    renameSync(this.path, this.#target);
  }

  /** Removes what was written; for a file that is not to be. Does nothing after {@link commit}. */
  discard(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #checkTarget(): void {
    if (this.#force || !existsSync(this.#target)) return;
    throw new IommuError("BAD_FILE", `${this.#target} exists; --force overwrites it`, {
      target: this.#target,
    });
  }
}
