/**
 * Lines of JSON with places: which line and column an error is at.
 *
 * @module
 */

import { IommuError } from "../base/errors.ts";
import { columnsOf, findProblem, MAX_DEPTH, surveyOf } from "./json-scan.ts";

/** The longest line that is read, in characters: a list of 512 TCEs takes 12 KiB, a page of data 8 KiB. */
export const MAX_LINE_LENGTH: number = 4 * 2 ** 20;

/** Memory that the lines of one file may take, in bytes; some 150,000 hypercalls with their results. */
export const MAX_LINES_BYTES: number = 96 * 2 ** 20;
/** What a line takes beside its text, with the operation that is made of it. */
const LINE_BYTES = 300;
/** What each object and list in it takes, and each other value: measured, with what is garbage at that moment. */
const OBJECT_BYTES = 96;
const VALUE_BYTES = 24;

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
  /** Memory that it takes, in bytes, as far as one can know. */
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
    return this.#error(columnsOf(this.text).get(key) ?? 1, message);
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
