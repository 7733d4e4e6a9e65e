import { randomInt } from "node:crypto";
import picocolors from "picocolors";

/** In all of our marks, and in no text of a file: numbers that are drawn anew in every process. */
const SECRET = Array.from({ length: 4 }, () => randomInt(1000, 10_000)).join(";");

/** A mark is a sequence that a terminal would take for a colour, so that its width is counted as none. */
const paint =
  (open: number, close: number) =>
  (text: string): string =>
    `\u001b[${open};${SECRET}m${text}\u001b[${close};${SECRET}m`;

/** Marks words for a terminal; {@link painted} makes colours of the marks where these are wanted. */
export const colors: Readonly<
  Record<"bold" | "reverse" | "red" | "green" | "yellow", (text: string) => string>
> = {
  bold: paint(1, 22),
  reverse: paint(7, 27),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
};

const MARK = new RegExp(`\u001b\\[(\\d+);${SECRET}m`);

let isColored: boolean = picocolors.isColorSupported;

/** Are colours wanted where nobody says whether: on a terminal, unless `NO_COLOR` is set? */
export const isColorUsual: boolean = picocolors.isColorSupported;

/** Says whether colours are wanted from now on. */
export const setColored = (wanted: boolean): void => {
  isColored = wanted;
};

/** A text whose words between our marks are changed. */
export const betweenMarks = (text: string, change: (plain: string) => string): string =>
  text
    .split(MARK)
    .map((part, i) => (i % 2 === 0 ? change(part) : `\u001b[${part};${SECRET}m`))
    .join("");

/**
 * A text with our marks as colours, or without them.
 *
 * @param plain is called with what stands between them
 */
export const painted = (text: string, plain: (text: string) => string): string =>
  text
    .split(MARK)
    .map((part, i) => (i % 2 === 0 ? plain(part) : isColored ? `\u001b[${part}m` : ""))
    .join("");
