import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { readCorpus } from "../helpers/corpus.ts";

/** The line that the tutorial takes out: it unmaps the four pages that line 15000 mapped. */
export const MISSING_LINE = 15_012;

/** Writes `leak.log`, the trace of the tutorial, into a folder and returns its path. */
export function leakTrace(folder: string): string {
  const file = path.join(folder, "leak.log");
  if (existsSync(file)) return file;
  const log = new TextDecoder().decode(readCorpus("traces", "nvme-4g-parallel-io-linux612-timestamps.log"));
  writeFileSync(
    file,
    log
      .split("\n")
      .toSpliced(MISSING_LINE - 1, 1)
      .join("\n"),
  );
  return file;
}
