import { statSync } from "node:fs";
import type { SingleBar } from "cli-progress";
import { visible } from "../base/visible.ts";
import { displayName } from "./display-name.ts";
import { isPaging } from "./terminal.ts";

/** Files below this are read before a bar could be seen. */
const MIN_BYTES = 8 * 2 ** 20;

/** A progress bar with rate and time left, on standard error, and only on a terminal. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #started = performance.now();
  #bytes = 0;

  private constructor(bar: SingleBar | undefined) {
    this.#bar = bar;
  }

  /** Begins to show how far a file is read. */
  static async begin(path: string, quiet: boolean): Promise<Progress> {
    if (quiet || !process.stderr.isTTY || path === "-" || isPaging()) return new Progress(undefined);
    const total = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (total < MIN_BYTES) return new Progress(undefined);
    const { SingleBar } = await import("cli-progress");
    const bar = new SingleBar({
      format: "{name} {bar} {percentage} % | {rate} MB/s | {eta_formatted} left",
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    });
    bar.start(total, 0, { name: visible(displayName(path)), rate: "0" });
    return new Progress(bar);
  }

  /** @param bytes of the file that were read so far */
  read(bytes: number): void {
    this.#bytes = bytes;
    this.#bar?.update(bytes, { rate: this.#rate.toFixed(0) });
  }

  /** `12.3 MB read in 0.8 s, 15 MB/s`. */
  get summary(): string {
    const read = `${(this.#bytes / 1e6).toFixed(1)} MB read in ${this.#seconds.toFixed(1)} s`;
    return `${read}, ${this.#rate.toFixed(0)} MB/s`;
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Megabytes a second. */
  get #rate(): number {
    return this.#bytes / 1e6 / Math.max(this.#seconds, 1e-3);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
