import { countBytes } from "../../base/count-bytes.ts";
import { GrowingRows } from "../../base/growing-rows.ts";
import { blobFile } from "../../formats/input/input-data.ts";
import type { ByteFile } from "../../formats/migration/source.ts";

/** Bytes that are put into one piece of a copy. */
const PIECE = 2 ** 22;
/** Unpacked bytes of a packed file that are kept, to show lines of it. */
const MAX_COPY = 2 ** 29;
/** Lines that are searched at a time. */
const FIND_LINES = 2 ** 14;
/** A line that is longer is shown cut. */
const MAX_LINE = 4096;

const NEWLINE = 0x0a;

/** A place of the text, and the lines that end before it. */
const [PLACE, LINES, NUMBERS] = [0, 1, 2];

/** Finds lines of a text that was read once: how many end before each piece, and the file itself, or a copy of what was packed. */
export class LineStore {
  readonly #steps: GrowingRows = GrowingRows.f64(NUMBERS);
  #bytes = 0;
  /** Lines that were counted here, as nobody else did. */
  #counted = 0;
  readonly #linesRead: () => number | undefined;
  readonly #source: ByteFile | undefined;
  readonly #copies: Blob[] = [];
  #piece: Uint8Array<ArrayBuffer>[] = [];
  #pieceBytes = 0;
  #copied = 0;

  /**
   * @param source the text itself, if it is not packed
   * @param linesRead lines that end in what was pushed before, of who reads it; undefined while nobody counts them
   */
  constructor(source: ByteFile | undefined, linesRead: () => number | undefined = () => undefined) {
    this.#source = source;
    this.#linesRead = linesRead;
  }

  /** Takes the next bytes of the text; who reads it has read all before. */
  push(chunk: Uint8Array): void {
    const lines = this.#linesRead();
    const at = this.#steps.add();
    const { numbers } = this.#steps;
    numbers[at + PLACE] = this.#bytes;
    numbers[at + LINES] = lines ?? this.#counted;
    if (lines === undefined) this.#counted += countBytes(chunk, NEWLINE);
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
    const steps = this.#steps;
    const before = Math.max(1, first) - 1;
    // The last step before which fewer lines end, as the line begins in it or at its end; the first one after all of them.
    const step = Math.max(0, steps.below(before, LINES) - 1);
    const after = steps.below(end - 1, LINES);
    if (steps.length === 0) return [];
    const last = after < steps.length ? steps.at(after, PLACE) : Math.min(this.#bytes, text.size);
    const start = steps.at(step, PLACE);
    const bytes = await text.read(start, last - start);
    const from = behindLines(bytes, 0, before - steps.at(step, LINES));
    const to = behindLines(bytes, from, end - 1 - before);
    if (from < 0) return [];
    const lines = new TextDecoder().decode(bytes.subarray(from, to < 0 ? bytes.length : to - 1));
    return lines.split("\n").map(shortened);
  }

  /**
   * Lines `[first, end)`, from 1, that have a text in them.
   *
   * @param wanted in small letters
   */
  async find(
    wanted: string,
    first: number,
    end: number,
    limit: number,
    goesOn: () => boolean,
  ): Promise<{ line: number; text: string }[]> {
    const found: { line: number; text: string }[] = [];
    const last = Math.min(end, (this.#linesRead() ?? this.#counted) + 2);
    for (let from = Math.max(1, first); from < last && found.length < limit && goesOn(); from += FIND_LINES) {
      const lines = await this.read(from, Math.min(last, from + FIND_LINES));
      for (const [i, text] of lines.entries())
        if (found.length < limit && text.toLowerCase().includes(wanted)) found.push({ line: from + i, text });
    }
    return found;
  }

  #endPiece(): void {
    if (this.#piece.length === 0) return;
    this.#copies.push(new Blob(this.#piece));
    this.#piece = [];
    this.#pieceBytes = 0;
  }
}

/** Where what follows so many lines begins; -1 if there are fewer. */
function behindLines(bytes: Uint8Array, from: number, count: number): number {
  let at = from;
  for (let i = 0; i < count && at >= 0; i++) {
    const newline = bytes.indexOf(NEWLINE, at);
    at = newline < 0 ? -1 : newline + 1;
  }
  return at;
}

const shortened = (line: string): string => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);
