import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";

/** A folder for the files of one test file, removed when its tests are done. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "spapr-iommu-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}
