import path from "node:path";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { toBig } from "../base/u64.ts";
import type { Column, ColumnType, RowBuffer, TableWriter } from "../formats/table/row-buffer.ts";

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];

const PARQUET_TYPES: Readonly<Record<ColumnType, Omit<SchemaElement, "name">>> = {
  address: { type: "INT64", converted_type: "UINT_64", repetition_type: "OPTIONAL" },
  integer: { type: "INT64", repetition_type: "OPTIONAL" },
  time: { type: "INT64", repetition_type: "OPTIONAL" },
  text: { type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  boolean: { type: "BOOLEAN", repetition_type: "OPTIONAL" },
};

/** A table as one Parquet file; each buffer of rows becomes a row group. */
export class ParquetFile implements TableWriter {
  readonly #writer: ParquetWriter;

  constructor(path: string, columns: readonly Column[]) {
    this.#writer = new ParquetWriter({
      writer: fileWriter(path),
      schema: [
        { name: "root", num_children: columns.length },
        ...columns.map(({ name, type }) => ({ name, ...PARQUET_TYPES[type] })),
      ],
      createdBy: "spapr-iommu",
    });
  }

  write(rows: RowBuffer): void {
    const columnData = rows.columns.map(({ name, type }, column) => ({
      name,
      data: Array.from({ length: rows.rows }, (_, row) =>
        rows.isFilled(column, row) ? parquetCell(rows, column, row, type) : null,
      ),
    }));
    this.#writer.write({ columnData, rowGroupSize: rows.rows });
  }

  finish(): void {
    this.#writer.finish();
  }
}

function parquetCell(
  rows: RowBuffer,
  column: number,
  row: number,
  type: ColumnType,
): bigint | string | boolean {
  if (type === "text") return rows.text(column, row);
  if (type === "boolean") return rows.lo(column, row) === 1;
  const value = toBig(rows.hi(column, row), rows.lo(column, row));
  return type === "address" ? value : BigInt.asIntN(64, value);
}

/** Rows of one part: a file of some tens of megabytes, as engines that read parts in parallel like them. */
const ROWS_PER_PART = 4_000_000;

/** A table as Parquet files `part-0.parquet`, `part-1.parquet` … in a folder. */
export class ParquetParts implements TableWriter {
  readonly #folder: string;
  readonly #columns: readonly Column[];
  readonly #rowsPerPart: number;
  #part: ParquetFile;
  #parts = 0;
  #rows = 0;

  constructor(folder: string, columns: readonly Column[], rowsPerPart: number = ROWS_PER_PART) {
    this.#folder = folder;
    this.#columns = columns;
    this.#rowsPerPart = rowsPerPart;
    this.#part = this.#nextPart();
  }

  write(rows: RowBuffer): void {
    if (this.#rows >= this.#rowsPerPart) {
      this.#part.finish();
      this.#part = this.#nextPart();
      this.#rows = 0;
    }
    this.#part.write(rows);
    this.#rows += rows.rows;
  }

  finish(): void {
    this.#part.finish();
  }

  #nextPart(): ParquetFile {
    return new ParquetFile(path.join(this.#folder, `part-${this.#parts++}.parquet`), this.#columns);
  }
}
