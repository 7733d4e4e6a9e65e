/**
 * Lines of JSON with places: which line and column an error is at.
 *
 * @module
 */

import { IommuError } from "../base/errors.ts";

/** The longest line that is read, in characters: a list of 512 TCEs takes 12 KiB, a page of data 8 KiB. */
export const MAX_LINE_LENGTH: number = 4 * 2 ** 20;

/** How deep values may lie in each other, so that walking over them is bounded. */
const MAX_DEPTH = 64;

/** One line that holds a JSON object. */
export class JsonLine {
  readonly file: string;
  /** Counted from 1. */
  readonly number: number;
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;

  /** @throws IommuError BAD_FILE if the text is no JSON object */
  constructor(file: string, number: number, text: string) {
    this.file = file;
    this.number = number;
    this.text = text;
    if (text.length > MAX_LINE_LENGTH)
      throw this.#error(1, `line of ${text.length} characters: the limit is ${MAX_LINE_LENGTH}`);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#syntaxError();
    }
    if (isDeep(value)) throw this.#syntaxError();
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#error(
        text.search(/\S/) + 1,
        `expected an object, found ${JSON.stringify(value).slice(0, 40)}`,
      );
    }
    this.value = value as Record<string, unknown>;
  }

  /** An error about a member, with the column of its value; the line's first one if it is missing. */
  error(key: string, message: string): IommuError {
    return this.#error(new Scanner(this.text).columns().get(key) ?? 1, message);
  }

  #syntaxError(): IommuError {
    const { text } = this;
    const { column, expected } = findSyntaxError(text);
    const found = column > text.length ? "the end of the line" : JSON.stringify(text[column - 1]);
    return this.#error(column, `expected ${expected}, found ${found}`);
  }

  #error(column: number, message: string): IommuError {
    return new IommuError("BAD_FILE", `${this.file}:${this.number}:${column}: ${message}`, {
      file: this.file,
      line: this.number,
      column,
    });
  }
}

/** Is there a value more than {@link MAX_DEPTH} levels below? */
const isDeep = (value: unknown, depth = 0): boolean =>
  depth > MAX_DEPTH ||
  (typeof value === "object" &&
    value !== null &&
    Object.values(value).some((inner) => isDeep(inner, depth + 1)));

/** Splits a text into its lines that are not blank. */
export function parseJsonLines(text: string, file: string): JsonLine[] {
  const lines: JsonLine[] = [];
  text.split("\n").forEach((line, i) => {
    if (line.trim() !== "") lines.push(new JsonLine(file, i + 1, line.replace(/\r$/, "")));
  });
  return lines;
}

/** Where a text stops being JSON, and what should stand there. Columns count from 1. */
function findSyntaxError(text: string): { column: number; expected: string } {
  const scanner = new Scanner(text);
  try {
    scanner.document();
  } catch (error) {
    if (error instanceof SyntaxProblem) return { column: error.at + 1, expected: error.expected };
    throw error;
  }
  return { column: 1, expected: "JSON" };
}

class SyntaxProblem extends Error {
  readonly at: number;
  readonly expected: string;

  constructor(at: number, expected: string) {
    super(expected);
    this.at = at;
    this.expected = expected;
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
    if (this.#peek() !== "") throw new SyntaxProblem(this.#at, "the end of the line");
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
    if (this.#peek() !== expected) throw new SyntaxProblem(this.#at, `"${expected}"`);
    this.#at++;
  }

  #value(depth: number): void {
    const next = this.#peek();
    if (depth > MAX_DEPTH) throw new SyntaxProblem(this.#at, `at most ${MAX_DEPTH} levels`);
    if (next === "{") this.#object(depth, () => {});
    else if (next === "[") this.#array(depth);
    else if (next === '"') this.#string();
    else this.#match(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y, "a value");
  }

  #object(depth: number, onKey: (key: string) => void): void {
    this.#take("{");
    if (this.#peek() === "}") {
      this.#at++;
      return;
    }
    for (;;) {
      this.#peek();
      const key = this.#string();
      this.#take(":");
      onKey(key);
      this.#value(depth + 1);
      if (this.#peek() === "}") break;
      if (this.#peek() !== ",") throw new SyntaxProblem(this.#at, '"," or "}"');
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
      if (this.#peek() !== ",") throw new SyntaxProblem(this.#at, '"," or "]"');
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
    throw new SyntaxProblem(start, "a string");
  }

  #match(pattern: RegExp, expected: string): void {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) throw new SyntaxProblem(this.#at, expected);
    this.#at += match[0].length;
  }
}
