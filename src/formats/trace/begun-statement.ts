import { BrokenLine } from "./broken-line.ts";
import type { KernelStatement } from "./kernel-event.ts";
import type { KernelLineReader, ReadStatement } from "./kernel-line.ts";
import type { LineCopy } from "./line-copy.ts";

/** Lines that may be the rest of one of the kernel's log. */
const MAX_RESTS = 3;

/** A line of the kernel's log that may go on in the next ones, as a mailer or a terminal broke it. */
export class BegunStatement {
  /** What it says as it stands. */
  said: ReadStatement | "begun" | undefined;
  readonly #kernel: KernelLineReader;
  readonly #pieces = new BrokenLine();
  /** The last line of it. */
  #last = 0;

  constructor(kernel: KernelLineReader) {
    this.#kernel = kernel;
  }

  /** Number of its first line; 0 if there is none. */
  get line(): number {
    return this.#pieces.line;
  }

  /** Its first line stands at the start of these. */
  get bytes(): Uint8Array {
    return this.#pieces.whole[0]!.bytes;
  }

  /** Bytes of its first line. */
  get length(): number {
    return this.#pieces.first;
  }

  open(said: BegunStatement["said"], line: number, bytes: Uint8Array, start: number, end: number): void {
    this.#pieces.open(line, bytes, start, end);
    this.said = said;
    this.#last = line;
  }

  close(): void {
    this.#pieces.close();
  }

  /**
   * What it and the next line are together.
   *
   * @param from after what a logger put before that line
   * @returns "part" if lines after it may complete it; undefined if that line is no part of it
   */
  goOn(
    line: number,
    bytes: Uint8Array,
    start: number,
    from: number,
    end: number,
  ): LineCopy | "part" | undefined {
    const pieces = this.#pieces;
    const alone = this.#kernel.whole(bytes, start, end);
    const isNext = line - this.#last <= 1 && this.#last - pieces.line < MAX_RESTS;
    if (!isNext || namesWho(alone) || !pieces.goOn(bytes, start, from, end)) return undefined;
    const joined = this.#bestOf(pieces.whole);
    if (joined !== undefined && (alone === undefined || namesWho(joined.what))) return joined.line;
    if (this.#kernel.mentions(bytes, start, end)) return undefined;
    this.#last = line;
    return "part";
  }

  /** What it and those after it are, of all that they may have been: what says most. */
  #bestOf(lines: readonly LineCopy[]): { line: LineCopy; what: KernelStatement } | undefined {
    // Of words none is known to be right: mailers, which break lines between them, are more frequent than terminals.
    const read = lines.toReversed().flatMap((line) => {
      const what = this.#kernel.whole(line.bytes, 0, line.length);
      return what === undefined ? [] : [{ line, what }];
    });
    return read.reduce<(typeof read)[number] | undefined>(
      (best, one) => (best === undefined || tells(one.what) > tells(best.what) ? one : best),
      undefined,
    );
  }
}

/** Does a statement name whose it is, where it has such a name? */
const namesWho = (what: KernelStatement | undefined): boolean =>
  what !== undefined && (!("device" in what) || what.device !== undefined);

/** How much a statement tells: words only, words of an address, numbers, and whose they are. */
const tells = (what: KernelStatement): number =>
  what.type === "verdict" ? (what.address === undefined ? 0 : 1) : namesWho(what) ? 3 : 2;
