import { hiOf, loOf } from "../../base/u64.ts";

/**
 * What a column holds, which decides how each form of file writes it:
 *
 * | type      | Parquet        | JSON Lines                              | CSV            |
 * |-----------|----------------|-----------------------------------------|----------------|
 * | `address` | UINT64         | string, `"0x800000000000000"`           | `0x8000…`      |
 * | `integer` | INT64          | number; a string beyond 2^53            | decimal digits |
 * | `time`    | INT64          | string of decimal digits, nanoseconds   | decimal digits |
 * | `text`    | UTF8           | string                                  | text           |
 * | `boolean` | BOOLEAN        | `true`, `false`                         | `true`, `false`|
 *
 * @public
 */
export type ColumnType = "address" | "integer" | "time" | "text" | "boolean";

/**
 * One column of a table. Every one may be empty in a row.
 *
 * @public
 */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/**
 * Where full buffers go: a file of some form.
 *
 * @public
 */
export interface TableWriter {
  /** Writes the rows of a buffer, which is reused afterwards. */
  write(rows: RowBuffer): void;
  /** Ends the table. */
  finish(): void;
}

/**
 * The column that names the recording, for tables of several. It is the last one.
 *
 * @public
 */
export const RUN_COLUMN: Column = { name: "run", type: "text" };

/** Rows in a buffer: a group of rows in a Parquet file, some megabytes. */
const DEFAULT_CAPACITY = 65_536;

/** Rows that a buffer has room for at first: most tables are short. */
const FIRST_ROOM = 1024;

/**
 * Rows of a table, column by column, on their way to a file. Memory does not
 * grow with the number of rows: a full buffer is written and used again.
 *
 * Numbers lie in halves, as everywhere. Fill the cells of a row in any order,
 * leave out those that are empty, and end the row.
 *
 * @public
 */
export class RowBuffer {
  readonly columns: readonly Column[];
  /** Rows that are complete. */
  rows: number;
  readonly #capacity: number;
  /** Rows that there is room for; up to the capacity. */
  #room: number;
  readonly #writer: TableWriter;
  readonly #run: string | undefined;
  /** By column: high and low half by row (of text: nothing), text by row, and whether the cell is filled. */
  #words: Uint32Array[];
  readonly #texts: string[][];
  #filled: Uint8Array[];

  /** @param run fills {@link RUN_COLUMN}, which is added to the columns; undefined for a table without it */
  constructor(
    columns: readonly Column[],
    writer: TableWriter,
    run?: string,
    capacity: number = DEFAULT_CAPACITY,
  ) {
    this.columns = run === undefined ? columns : [...columns, RUN_COLUMN];
    this.rows = 0;
    this.#capacity = capacity;
    this.#room = Math.min(FIRST_ROOM, capacity);
    this.#writer = writer;
    this.#run = run;
    this.#words = this.columns.map(({ type }) => new Uint32Array(type === "text" ? 0 : this.#room * 2));
    this.#texts = this.columns.map(() => []);
    this.#filled = this.columns.map(() => new Uint8Array(this.#room));
  }

  setHalves(column: number, hi: number, lo: number): void {
    const words = this.#words[column]!;
    words[this.rows * 2] = hi;
    words[this.rows * 2 + 1] = lo;
    this.#filled[column]![this.rows] = 1;
  }

  /** @param value exact below 2^63 and from -2^63 on, as a number within 2^53 */
  setInteger(column: number, value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && value <= 0xffff_ffff) {
      this.setHalves(column, 0, value);
      return;
    }
    const big = BigInt(value);
    this.setHalves(column, hiOf(big), loOf(big));
  }

  /** Nanoseconds; a time that the trace does not have, or that does not fit 63 bits, leaves the cell empty. */
  setTime(column: number, seconds: number, nanoseconds: number): void {
    if (!(seconds < 2 ** 33)) return;
    this.setInteger(column, BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
  }

  setBoolean(column: number, value: boolean): void {
    this.setHalves(column, 0, value ? 1 : 0);
  }

  setText(column: number, value: string): void {
    this.#texts[column]![this.rows] = value;
    this.#filled[column]![this.rows] = 1;
  }

  /** Completes a row; writes the buffer if it is full. */
  endRow(): void {
    if (this.#run !== undefined) this.setText(this.columns.length - 1, this.#run);
    this.rows++;
    if (this.rows === this.#capacity) this.#flush();
    else if (this.rows === this.#room) this.#makeRoom();
  }

  /** Writes what is left and ends the table. */
  finish(): void {
    if (this.rows > 0) this.#flush();
    this.#writer.finish();
  }

  isFilled(column: number, row: number): boolean {
    return this.#filled[column]![row] === 1;
  }

  /** High half of a number; 0 of a boolean. */
  hi(column: number, row: number): number {
    return this.#words[column]![row * 2]!;
  }

  /** Low half of a number; 0 or 1 of a boolean. */
  lo(column: number, row: number): number {
    return this.#words[column]![row * 2 + 1]!;
  }

  text(column: number, row: number): string {
    return this.#texts[column]![row]!;
  }

  #makeRoom(): void {
    this.#room = Math.min(2 * this.#room, this.#capacity);
    this.#words = this.#words.map((words) => copied(words, new Uint32Array(words.length && this.#room * 2)));
    this.#filled = this.#filled.map((filled) => copied(filled, new Uint8Array(this.#room)));
  }

  #flush(): void {
    this.#writer.write(this);
    this.rows = 0;
    for (const filled of this.#filled) filled.fill(0);
  }
}

function copied<Words extends Uint8Array | Uint32Array>(from: Words, to: Words): Words {
  to.set(from);
  return to;
}
