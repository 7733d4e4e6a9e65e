import { GrowingRows } from "../../base/growing-rows.ts";
import { blobFile } from "../../formats/input/input-data.ts";
import type { ByteFile } from "../../formats/migration/source.ts";

/** Lines of which the first one's place is kept. */
const STEP = 256;
/** Bytes that are put into one piece of a copy. */
const PIECE = 2 ** 22;
/** Unpacked bytes of a packed file that are kept, to show lines of it. */
const MAX_COPY = 2 ** 29;
/** A line that is longer is shown cut. */
const MAX_LINE = 4096;

const NEWLINE = 0x0a;

/** Finds lines of a text that was read once: where each {@link STEP}th begins, and the file itself, or a copy of what was packed. */
export class LineStore {
  readonly #offsets: GrowingRows = GrowingRows.f64();
  #bytes = 0;
  #lines = 0;
  readonly #source: ByteFile | undefined;
  readonly #copies: Blob[] = [];
  #piece: Uint8Array<ArrayBuffer>[] = [];
  #pieceBytes = 0;
  #copied = 0;

  /** @param source the text itself, if it is not packed */
  constructor(source: ByteFile | undefined) {
    this.#source = source;
    this.#offsets.push(0);
  }

  /** Takes the next bytes of the text. */
  push(chunk: Uint8Array): void {
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) {
      this.#lines++;
      if (this.#lines % STEP === 0) this.#offsets.push(this.#bytes + at + 1);
    }
    this.#bytes += chunk.length;
    if (this.#source !== undefined || this.#copied >= MAX_COPY) return;
    this.#copied += chunk.length;
    this.#piece.push(new Uint8Array(chunk));
    this.#pieceBytes += chunk.length;
    if (this.#pieceBytes >= PIECE) this.#endPiece();
  }

  /** The lines `[first, end)`, from 1, as far as they are there. Of a long packed file only the beginning is kept. */
  async read(first: number, end: number): Promise<string[]> {
    if (this.#source === undefined) this.#endPiece();
    const text = this.#source ?? blobFile(new Blob(this.#copies));
    const from = Math.max(1, first) - 1;
    const step = Math.floor(from / STEP);
    if (step >= this.#offsets.length) return [];
    const start = this.#offsets.at(step);
    const stop = Math.ceil(end / STEP) + 1;
    const last = stop < this.#offsets.length ? this.#offsets.at(stop) : Math.min(this.#bytes, text.size);
    const lines = new TextDecoder().decode(await text.read(start, last - start)).split("\n");
    const skipped = from - step * STEP;
    return lines.slice(skipped, skipped + end - Math.max(1, first)).map(shortened);
  }

  #endPiece(): void {
    if (this.#piece.length === 0) return;
    this.#copies.push(new Blob(this.#piece));
    this.#piece = [];
    this.#pieceBytes = 0;
  }
}

const shortened = (line: string): string => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);
