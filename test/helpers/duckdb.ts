import { DuckDBInstance } from "@duckdb/node-api";

/** One for all tests, as starting it takes longer than most statements; none makes a table. */
let instance: Promise<DuckDBInstance> | undefined;

/** Runs a statement on files and returns the rows as objects. */
export async function query(sql: string): Promise<Record<string, unknown>[]> {
  instance ??= DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await (await instance).connect();
  try {
    const reader = await connection.runAndReadAll(sql);
    return reader.getRowObjects();
  } finally {
    connection.closeSync();
  }
}
