import { hex } from "../base/u64.ts";
import { csvCell } from "../formats/table/csv-cell.ts";
import { print, printPieces, toJson } from "./output.ts";

/** What an answer is printed as: text for people, one JSON value, or a row for each item, as JSON or as CSV. */
export type Form = "human" | "json" | "jsonl" | "csv";

/** How an answer is printed. */
export interface AnswerOptions {
  readonly output: Form;
  /** See {@link csvCell}. */
  readonly rawCells: boolean;
}

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** What a verb found, in each form. */
export interface Answer {
  /** Prints it for people. */
  readonly human: () => void | Promise<void>;
  /** One JSON value, as text in pieces. */
  readonly json: () => Iterable<string>;
  /** All columns that rows have; those that a row has not are empty in CSV. */
  readonly columns: readonly string[];
  readonly rows: () => Iterable<Row>;
}

/** Prints an answer in the form that was asked for. All verbs but those that write what they are told to use it. */
export async function printAnswer(
  { human, json, columns, rows }: Answer,
  { output, rawCells }: AnswerOptions,
): Promise<void> {
  if (output === "human") await human();
  else if (output === "json") await printPieces(lineOf(json()));
  else if (output === "jsonl") await printPieces(jsonLines(rows()));
  else await printPieces(csvLines(rows(), columns, rawCells));
}

/** Prints rows that come one after the other, without an end in sight, such as states of a running machine. */
export class RowPrinter {
  readonly #columns: readonly string[];
  readonly #options: AnswerOptions;
  #hasHead = false;

  constructor(columns: readonly string[], options: AnswerOptions) {
    this.#columns = columns;
    this.#options = options;
  }

  /** Does nothing in forms that have no rows. */
  print(row: Row): void {
    const { output, rawCells } = this.#options;
    if (output === "jsonl") print(toJson(row));
    if (output !== "csv") return;
    if (!this.#hasHead) print(this.#columns.join(","));
    this.#hasHead = true;
    print(csvLine(row, this.#columns, rawCells));
  }
}

function* lineOf(pieces: Iterable<string>): Generator<string> {
  yield* pieces;
  yield "\n";
}

function* jsonLines(rows: Iterable<Row>): Generator<string> {
  for (const row of rows) yield `${toJson(row)}\n`;
}

function* csvLines(rows: Iterable<Row>, columns: readonly string[], isRaw: boolean): Generator<string> {
  yield `${columns.join(",")}\n`;
  for (const row of rows) yield `${csvLine(row, columns, isRaw)}\n`;
}

const csvLine = (row: Row, columns: readonly string[], isRaw: boolean): string =>
  columns.map((column) => cellOf(row[column], isRaw)).join(",");

/** A list is its items with spaces between, an object is JSON. */
function cellOf(value: unknown, isRaw: boolean): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "bigint") return hex(value);
  if (typeof value === "string") return csvCell(value, isRaw);
  if (typeof value !== "object") return String(value);
  const isPlain = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return csvCell(isPlain ? value.join(" ") : toJson(value), isRaw);
}
