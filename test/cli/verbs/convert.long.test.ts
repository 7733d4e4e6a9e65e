import "./convert.test.ts";
import { describe, it } from "vitest";
import { compareForms, convertBack, LOGS, stopBySignal, TABLES } from "./converted.ts";

describe("convert, of whole recordings", () => {
  it.each(LOGS)("to text and back to QEMU's own lines: %s", (name) => convertBack(name, Infinity));

  it.each(TABLES)("writes Parquet that DuckDB and hyparquet read alike, and as JSON: $name $table", (table) =>
    compareForms(table, Infinity),
  );

  it.each(
    (["SIGINT", "SIGTERM"] as const).flatMap((signal) =>
      ["x.parquet", "x.jsonl", "x.csv", "x.pftrace", "table/"].map((out) => ({ signal, out })),
    ),
  )("leaves nothing of $out behind when it is stopped by $signal", stopBySignal);
});
