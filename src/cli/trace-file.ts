import { IommuError } from "../base/errors.ts";
import { openInput } from "./input.ts";
import { Progress } from "./progress.ts";

/** Reads a file piece by piece, with a progress bar on a terminal. */
export interface ReadOptions {
  readonly quiet?: boolean;
}

/** What takes the bytes of a file. */
interface Sink {
  push(chunk: Uint8Array): void;
  /** The file ends early, for a reason. */
  truncated(reason: string): void;
}

/**
 * Feeds a file to a reader. A packed file that ends early is read as far as it
 * goes, and the reader is notified.
 *
 * @throws IommuError BAD_FILE if the file cannot be read
 */
export async function feed(path: string, sink: Sink, options: ReadOptions = {}): Promise<void> {
  const progress = new Progress(path, options.quiet === true);
  try {
    await pour(
      openInput(path, (bytes) => progress.read(bytes)),
      sink,
    );
  } finally {
    progress.stop();
  }
}

/** Gives an opened file to a reader; see {@link feed}. */
export async function pour(chunks: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  try {
    for await (const chunk of chunks) sink.push(chunk);
  } catch (error) {
    const reason = error instanceof IommuError ? error.details.early : undefined;
    if (typeof reason !== "string") throw error;
    sink.truncated(reason);
  }
}
