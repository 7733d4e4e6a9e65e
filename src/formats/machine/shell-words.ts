import { IommuError } from "../../base/errors.ts";

/** Words longer than this, or more of them, are no command line of a person's. */
const MAX_TEXT = 2 ** 20;

/**
 * The words of a command line as `/proc/PID/cmdline` has it (a zero byte after each), or as a shell reads it: quotes,
 * backslashes and comments, and a backslash at the end of a line; nothing is expanded.
 *
 * @throws IommuError BAD_ARGUMENT for a quote without its end, or a text of over 1 MiB
 */
export function shellWords(given: string): string[] {
  const text = given.replaceAll("\r\n", "\n");
  if (text.length > MAX_TEXT)
    throw new IommuError(
      "BAD_ARGUMENT",
      `a command line of ${text.length} characters: the most is ${MAX_TEXT}`,
    );
  if (text.includes("\0")) return text.replace(/\0$/, "").split("\0");
  const words: string[] = [];
  // A word is pieces in a row: quoted so or so, escaped, or plain.
  const PIECE = /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)|(\s+)/y;
  let word: string | undefined;
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    PIECE.lastIndex = at;
    if (word === undefined && text[at] === "#") {
      PIECE.lastIndex = endOfLine(text, at);
      continue;
    }
    const piece = PIECE.exec(text);
    if (piece === null) {
      const line = text.slice(0, at).split("\n").length;
      throw new IommuError("BAD_ARGUMENT", `line ${line}: ${text[at]} without its end`, { line });
    }
    const [, single, double, escaped, plain, space] = piece;
    if (space !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (escaped !== "\n")
      word = (word ?? "") + (single ?? plain ?? escaped ?? double!.replace(/\\([\s\S])/g, unescaped));
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** In double quotes a backslash is one, but before these. */
const unescaped = (all: string, next: string): string =>
  next === "\n" ? "" : '"\\$`'.includes(next) ? next : all;

function endOfLine(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}
