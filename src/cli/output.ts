import { visible } from "../base/visible.ts";
import { painted } from "./colors.ts";
import { noteMissing } from "./exit-status.ts";
import { writeOut } from "./terminal.ts";

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

/** Says what is missing, and where. */
export const printWarning = (place: string, what: string): void => {
  noteMissing(1);
  printError(`${visible(place)}: warning: ${visible(what)}`);
};
