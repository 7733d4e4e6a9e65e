import { toBig } from "../../base/u64.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import {
  type Column,
  type ColumnType,
  RowBuffer,
  RUN_COLUMN,
  type TableWriter,
} from "../../formats/table/row-buffer.ts";
import { type ConversionOptions, type ConversionSummary, convert } from "./conversion.ts";

/**
 * Which table a trace becomes.
 *
 * @public
 */
export interface TableOptions extends ConversionOptions {
  /** One row for each event (default), or for each mapping with its end. */
  readonly table?: "events" | "mappings" | undefined;
  /** Name of the recording, for tables of several: adds a column `run`, the last one. */
  readonly run?: string | undefined;
}

/**
 * A cell: an address, a time in nanoseconds and what does not fit a number are bigints.
 *
 * @public
 */
export type Cell = bigint | number | string | boolean;

/**
 * A row of a table, by the names of the columns (`EVENT_COLUMNS` and `DMA_COLUMNS` of
 * `spapr-iommu/formats`, {@link MAPPING_COLUMNS}, {@link DMA_MAPPING_COLUMNS}). Empty cells are not there.
 *
 * @public
 */
export type Row = Readonly<Record<string, Cell>>;

/** Rows that are collected before they are handed out. */
const ROWS_AT_ONCE = 1024;

/**
 * The rows of a trace: of its events, or of its mappings. Memory does not grow with the trace. What is counted beside
 * them is returned at the end; {@link writeTable} is some times faster for whole files.
 *
 * @param input its text or its bytes, packed or not; see {@link InputData}
 * @throws IommuError UNSUPPORTED if the input is no trace; BAD_ARGUMENT for a filter with a mistake
 * @public
 */
export async function* readTable(
  input: InputData,
  options: TableOptions = {},
): AsyncGenerator<Row, ConversionSummary> {
  const queue = new RowQueue();
  const steps = convertTable(input, () => queue, options, ROWS_AT_ONCE);
  try {
    for (;;) {
      const step = await steps.next();
      yield* queue.take();
      if (step.done === true) return step.value;
    }
  } finally {
    await steps.return(undefined as never);
  }
}

/**
 * Writes the rows of a trace with a writer of some form, such as `textWriter` of `spapr-iommu/formats` for JSON Lines and CSV.
 *
 * @param open is called once, when it is known which columns the table has
 * @throws IommuError as {@link readTable} does; what the writer throws
 * @public
 */
export async function writeTable(
  input: InputData,
  open: (columns: readonly Column[]) => TableWriter,
  options: TableOptions = {},
): Promise<ConversionSummary> {
  return atEnd(convertTable(input, open, options));
}

/**
 * Writes the mappings of a trace as a timeline for Perfetto (ui.perfetto.dev).
 *
 * @param open is called once, when it is known that the input is a trace; what it returns takes the bytes of the file,
 * piece by piece
 * @throws IommuError as {@link readTable} does; what the functions throw
 * @public
 */
export async function writeTimeline(
  input: InputData,
  open: () => (bytes: Uint8Array) => void,
  options: ConversionOptions = {},
): Promise<ConversionSummary> {
  return atEnd(convert(input, "timeline", { rows: noRows, bytes: open }, options));
}

/**
 * Writes the call stacks of a recording of Linux in the form that makers of flame graphs read: a line for each task,
 * stack and call, outermost frame first, with what it weighs (`options.weight`).
 *
 * @param open is called once, when it is known that there are stacks; what it returns takes the bytes of the text, line
 * by line
 * @throws IommuError as {@link readTable} does, and UNSUPPORTED if there are no call stacks; what the functions throw
 * @public
 */
export async function writeFoldedStacks(
  input: InputData,
  open: () => (bytes: Uint8Array) => void,
  options: ConversionOptions = {},
): Promise<ConversionSummary> {
  return atEnd(convert(input, "folded-stacks", { rows: noRows, bytes: open }, options));
}

function convertTable(
  input: InputData,
  open: (columns: readonly Column[]) => TableWriter,
  options: TableOptions,
  capacity?: number,
): AsyncGenerator<void, ConversionSummary> {
  const { run, table = "events" } = options;
  const rows = (columns: readonly Column[]): RowBuffer =>
    new RowBuffer(columns, open(run === undefined ? columns : [...columns, RUN_COLUMN]), run, capacity);
  const noBytes = (): never => {
    throw new Error("a table is no timeline");
  };
  return convert(input, table, { rows, bytes: noBytes }, options);
}

const noRows = (): never => {
  throw new Error("what is no table has no rows");
};

/** Runs through all steps. */
async function atEnd(steps: AsyncGenerator<void, ConversionSummary>): Promise<ConversionSummary> {
  for (;;) {
    const step = await steps.next();
    if (step.done === true) return step.value;
  }
}

/** Rows on their way out. */
class RowQueue implements TableWriter {
  #rows: Row[] = [];

  write(rows: RowBuffer): void {
    for (let row = 0; row < rows.rows; row++) this.#rows.push(rowOf(rows, row));
  }

  finish(): void {}

  /** All rows since the last time. */
  take(): readonly Row[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }
}

function rowOf(rows: RowBuffer, row: number): Row {
  const cells: Record<string, Cell> = {};
  rows.columns.forEach(({ name, type }, column) => {
    if (rows.isFilled(column, row)) cells[name] = cellOf(rows, column, row, type);
  });
  return cells;
}

function cellOf(rows: RowBuffer, column: number, row: number, type: ColumnType): Cell {
  if (type === "text") return rows.text(column, row);
  if (type === "boolean") return rows.lo(column, row) === 1;
  const value = toBig(rows.hi(column, row), rows.lo(column, row));
  if (type === "address") return value;
  const signed = BigInt.asIntN(64, value);
  const number = Number(signed);
  return type === "integer" && Number.isSafeInteger(number) ? number : signed;
}
