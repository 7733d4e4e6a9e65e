import { visible } from "../base/visible.ts";
import { painted } from "./colors.ts";
import { writeOut } from "./terminal.ts";

/** Exit statuses, as those of `qemu-img check`. */
export const Exit = {
  /** Everything fine. */
  OK: 0,
  /** It could not be done: usage, input or output, a broken file. */
  FAILED: 1,
  /** Something is wrong: a mismatch, a bad DMA, corruption. */
  WRONG: 2,
  /** Only leaks, or warnings of that kind. */
  LEAKS: 3,
  /** Not supported for this input. */
  UNSUPPORTED: 63,
} as const;

/** The exit status that findings call for: 2 if anything is wrong, 3 if there are only leaks and warnings. */
export const statusOfFindings = (errors: number, warnings: number): number =>
  errors > 0 ? Exit.WRONG : warnings > 0 ? Exit.LEAKS : Exit.OK;

/** What each help ends with. */
export const EXIT_TEXT =
  "Exit status: 0 fine, 1 could not be done, 2 wrong (mismatch), 3 only leaks and warnings, as where something of the input is missing, 63 not supported for this input.";

/** Writes a line to standard output, or to the file of `--out`. */
export const print = (line: string): void => writeOut(`${shown(line)}\n`, () => {});

/** Writes a line to standard error. */
export const printError = (line: string): void => {
  process.stderr.write(`${shown(line)}\n`);
};

/** Writes text like {@link print}, piece by piece, as fast as its reader takes it. */
export async function printPieces(texts: Iterable<string>): Promise<void> {
  for (const piece of inPieces(texts)) {
    // An error ends the process, as that of any other write.
    await new Promise<void>((resolve) => {
      writeOut(shown(piece), (error) => error ?? resolve());
    });
  }
}

/** Characters of one write. */
const PIECE_LENGTH = 65_536;

/** Joins short texts to pieces that are worth a write. */
function* inPieces(texts: Iterable<string>): Generator<string> {
  let piece = "";
  for (const text of texts) {
    piece += text;
    if (piece.length < PIECE_LENGTH) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}

export { toJson } from "../base/json.ts";

/**
 * A text as a terminal may have it: what is not from us, but from a file, can be
 * shown there and do nothing else. This is the one place for all that is printed.
 */
export const shown = (text: string): string => painted(text, visible);

/** Is something of what the verb read known to be missing? */
let isMissing = false;

/** To be called before a verb is run. */
export const forgetMissing = (): void => {
  isMissing = false;
};

/** To be called where the answer says itself in how many places of its input something is missing. */
export const noteMissing = (places: number): void => {
  isMissing ||= places > 0;
};

/** Says what is missing, and where. */
export const printWarning = (place: string, what: string): void => {
  isMissing = true;
  printError(`${visible(place)}: warning: ${visible(what)}`);
};

/**
 * The exit status of a verb: an answer that is right as far as its input goes is a warning where something of that is
 * missing.
 *
 * @param ifMissing in place of a status of 0
 */
export const statusOfReading = (status: number, ifMissing: number = Exit.LEAKS): number =>
  status === Exit.OK && isMissing ? ifMissing : status;
