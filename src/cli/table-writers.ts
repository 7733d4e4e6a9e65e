import { appendFileSync } from "node:fs";
import type { Column, TableWriter } from "../formats/table/row-buffer.ts";
import { CSV, JSON_LINES, RAW_CSV, textWriter } from "../formats/table/text-rows.ts";

/** Forms of tables; a `folder` has Parquet files. */
export type TableForm = "jsonl" | "csv" | "parquet" | "folder";

/** Makes a table at a path. */
export type TableMaker = (path: string, columns: readonly Column[]) => TableWriter;

/**
 * What makes tables of a form. The package for Parquet is loaded where it is wanted.
 *
 * @param isRaw whether cells of CSV stay as they are which a spreadsheet would run
 */
export async function tableMaker(form: TableForm, isRaw: boolean): Promise<TableMaker> {
  if (form === "parquet" || form === "folder") {
    const { ParquetFile, ParquetParts } = await import("./table-files.ts");
    const Table = form === "parquet" ? ParquetFile : ParquetParts;
    return (path, columns) => new Table(path, columns);
  }
  const rows = form === "jsonl" ? JSON_LINES : isRaw ? RAW_CSV : CSV;
  return (path) => textWriter(rows, appender(path));
}

/** Writes to the end of a file. */
export const appender =
  (path: string) =>
  (piece: string | Uint8Array): void =>
    appendFileSync(path, piece);
