/**
 * Lines of JSON with places: which line and column an error is at.
 *
 * @module
 */

import { IommuError } from "../base/errors.ts";

/** The longest line that is read, in characters: a list of 512 TCEs takes 12 KiB, a page of data 8 KiB. */
export const MAX_LINE_LENGTH: number = 4 * 2 ** 20;

/** Memory that the lines of one file may take, in bytes; some 150,000 hypercalls with their results. */
export const MAX_LINES_BYTES: number = 96 * 2 ** 20;
/** What a line takes beside its text, with the operation that is made of it. */
const LINE_BYTES = 300;
/** What each object and list in it takes, and each other value: measured, with what is garbage at that moment. */
const OBJECT_BYTES = 96;
const VALUE_BYTES = 24;

/** How deep objects and lists may lie in that of the line, so that walking over them is bounded. */
const MAX_DEPTH = 64;

/**
 * One line that holds a JSON object.
 *
 * @public
 */
export class JsonLine {
  readonly file: string;
  /** Counted from 1. */
  readonly number: number;
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Memory that it takes, in bytes, as far as one can tell. */
  readonly bytes: number;

  /** @throws IommuError BAD_FILE if the text is no JSON object, repeats a member, or has a number that JSON rounds */
  constructor(file: string, number: number, text: string) {
    this.file = file;
    this.number = number;
    this.text = text;
    if (text.length > MAX_LINE_LENGTH)
      throw this.#error(1, `line of ${text.length} characters: the limit is ${MAX_LINE_LENGTH}`);
    const written = surveyOf(text);
    if (written.depth > MAX_DEPTH) throw this.#problem();
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#problem();
    }
    const kept = { bytes: LINE_BYTES + text.length, members: 0 };
    countValues(value, kept);
    // Of two members with one name JSON keeps the last without a word.
    if (written.members !== kept.members || written.hasFractions) {
      const problem = findProblem(text);
      if (problem !== undefined) throw this.#error(problem.at + 1, problem.message);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#error(
        text.search(/\S/) + 1,
        `expected an object, found ${JSON.stringify(value).slice(0, 40)}`,
      );
    }
    this.value = value as Record<string, unknown>;
    this.bytes = kept.bytes;
  }

  /** An error about a member, with the column of its value; the line's first one if it is missing. */
  error(key: string, message: string): IommuError {
    return this.#error(new Scanner(this.text).columns().get(key) ?? 1, message);
  }

  #problem(): IommuError {
    const { at, message } = findProblem(this.text) ?? { at: 0, message: "expected JSON" };
    return this.#error(at + 1, message);
  }

  #error(column: number, message: string): IommuError {
    return new IommuError("BAD_FILE", `${this.file}:${this.number}:${column}: ${message}`, {
      file: this.file,
      line: this.number,
      column,
    });
  }
}

/** Runs what a line of a file asks for; an error in it gets the place. */
export function placed<Result>(file: string, line: number, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    if (!(cause instanceof IommuError)) throw cause;
    const details = { ...cause.details, file, line };
    throw new IommuError(cause.code, `${file}:${line}: ${cause.message}`, details, { cause });
  }
}

/** Counts the members of objects, and what all values take. */
function countValues(value: unknown, counts: { bytes: number; members: number }): void {
  const isObject = typeof value === "object" && value !== null;
  counts.bytes += isObject ? OBJECT_BYTES : VALUE_BYTES;
  if (!isObject) return;
  if (Array.isArray(value)) for (const item of value) countValues(item, counts);
  else {
    for (const key of Object.keys(value)) {
      counts.members++;
      countValues((value as Record<string, unknown>)[key], counts);
    }
  }
}

const QUOTE = 0x22;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** Sets the bit of lower-case letters: of `[` it makes `{`, of `]` `}`. */
const LOWER = 0x20;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const LETTER_E = 0x65;

/** What a JSON text is made of, outside of its strings. */
interface Survey {
  /** Members that are written: its colons. */
  readonly members: number;
  /** Levels of objects and lists below the first one. */
  readonly depth: number;
  /** May it have a number with a point or an exponent? */
  readonly hasFractions: boolean;
}

/** Looks over a text once, before anything is made of it. */
function surveyOf(text: string): Survey {
  let members = 0;
  let hasFractions = false;
  let open = 0;
  let most = 0;
  let before = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const lower = code | LOWER;
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
        if (text.charCodeAt(at) === BACKSLASH) at++;
      }
    } else if (code === COLON) members++;
    else if (lower === OPEN) most = Math.max(most, ++open);
    else if (lower === CLOSE) open--;
    // `e` after a digit is an exponent, others are those of true and false.
    else if (code === POINT || (lower === LETTER_E && before >= ZERO && before <= NINE)) hasFractions = true;
    before = code;
  }
  return { members, depth: most - 1, hasFractions };
}

/**
 * Splits a text into its lines that are not blank.
 *
 * @throws IommuError BAD_FILE for a line that is no JSON object; LIMIT_EXCEEDED where they take too much memory
 */
export function parseJsonLines(text: string, file: string): JsonLine[] {
  const lines: JsonLine[] = [];
  let bytes = 0;
  let number = 0;
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    number++;
    const from = start;
    start = end + 1;
    if (end === from) continue;
    const content = text.slice(from, text[end - 1] === "\r" ? end - 1 : end);
    if (!/[^ \t\r]/.test(content)) continue;
    const line = new JsonLine(file, number, content);
    bytes += line.bytes;
    if (bytes > MAX_LINES_BYTES) {
      throw new IommuError(
        "LIMIT_EXCEEDED",
        `${file}:${number}:1: the lines take more than ${MAX_LINES_BYTES} bytes of memory by here, after ${lines.length} of them: split the file`,
        { file, line: number, limit: MAX_LINES_BYTES },
      );
    }
    lines.push(line);
  }
  return lines;
}

/** Where a text is not what a line may be, counted from 0, and why. */
interface Problem {
  readonly at: number;
  readonly message: string;
}

function findProblem(text: string): Problem | undefined {
  try {
    new Scanner(text).document();
    return undefined;
  } catch (error) {
    if (error instanceof ScanProblem) return error;
    throw error;
  }
}

class ScanProblem extends Error implements Problem {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** Walks over JSON without building values; used only once something is wrong. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value(0);
    if (this.#peek() !== "") throw this.#expected("the end of the line");
  }

  /** Columns of the values of the outermost object's members. */
  columns(): Map<string, number> {
    const columns = new Map<string, number>();
    this.#peek();
    this.#object(0, (key) => {
      this.#peek();
      columns.set(key, this.#at + 1);
    });
    return columns;
  }

  /** The next character that is no white space, or nothing at the end. */
  #peek(): string {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text[this.#at] ?? "";
  }

  #take(expected: string): void {
    if (this.#peek() !== expected) throw this.#expected(`"${expected}"`);
    this.#at++;
  }

  /** The text goes on in another way than it should. */
  #expected(what: string, at: number = this.#at): ScanProblem {
    const code = this.#text.codePointAt(at);
    const found = code === undefined ? "the end of the line" : JSON.stringify(String.fromCodePoint(code));
    return new ScanProblem(at, `expected ${what}, found ${found}`);
  }

  #value(depth: number): void {
    const next = this.#peek();
    if (depth > MAX_DEPTH && (next === "{" || next === "["))
      throw this.#expected(`at most ${MAX_DEPTH} levels`);
    if (next === "{") this.#object(depth, () => {});
    else if (next === "[") this.#array(depth);
    else if (next === '"') this.#string();
    else this.#word();
  }

  #object(depth: number, onKey: (key: string) => void): void {
    this.#take("{");
    if (this.#peek() === "}") {
      this.#at++;
      return;
    }
    const columns = new Map<string, number>();
    for (;;) {
      this.#peek();
      const start = this.#at;
      const key = this.#string();
      const before = columns.get(key);
      if (before !== undefined) {
        const name = JSON.stringify(key).slice(0, 60);
        throw new ScanProblem(start, `member ${name} is repeated: column ${before} has it already`);
      }
      columns.set(key, start + 1);
      this.#take(":");
      onKey(key);
      this.#value(depth + 1);
      if (this.#peek() === "}") break;
      if (this.#peek() !== ",") throw this.#expected('"," or "}"');
      this.#at++;
    }
    this.#at++;
  }

  #array(depth: number): void {
    this.#take("[");
    if (this.#peek() === "]") {
      this.#at++;
      return;
    }
    for (;;) {
      this.#value(depth + 1);
      if (this.#peek() === "]") break;
      if (this.#peek() !== ",") throw this.#expected('"," or "]"');
      this.#at++;
    }
    this.#at++;
  }

  #string(): string {
    const start = this.#at;
    // The end is found by hand: an expression that repeats a choice overflows on a long string.
    let end = start + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    try {
      const value: unknown = JSON.parse(this.#text.slice(start, end + 1));
      if (typeof value === "string") {
        this.#at = end + 1;
        return value;
      }
    } catch {
      // Below: no string, or one that is broken.
    }
    throw this.#expected("a string", start);
  }

  /** A number, `true`, `false` or `null`. */
  #word(): void {
    const pattern = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const word = pattern.exec(this.#text)?.[0];
    if (word === undefined) throw this.#expected("a value");
    if (isRounded(word))
      throw new ScanProblem(this.#at, `${word.slice(0, 60)} is not the whole number that it is read as`);
    this.#at += word.length;
  }
}

/** Does JSON make a whole number of one that has a fraction? */
function isRounded(word: string): boolean {
  const [, whole, fraction = "", exponent = "0"] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(word) ?? [];
  if (whole === undefined || !Number.isInteger(Number(word))) return false;
  const digits = whole + fraction;
  // So many digits stand after the point.
  const behind = fraction.length - Number(exponent);
  return behind > 0 && /[^0]/.test(digits.slice(-Math.min(behind, digits.length)));
}
