import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { some } from "../helpers/some.ts";
import { MAIN, until } from "./processes.ts";

// `check` does nothing at a signal but to tidy up. `report` ends by itself where the signal comes before it waits for the pipe.
const VERBS = [
  { verb: "report", ends: ["SIGINT", 1] },
  { verb: "check", ends: ["SIGINT"] },
];
it.each(some(VERBS, 2))(
  "$verb ends at Ctrl-C though nobody writes to the pipe that it reads, and leaves nothing behind",
  async ({ verb, ends }) => {
    const place = mkdtempSync(path.join(tmpdir(), "spapr-iommu-interrupt-"));
    try {
      execFileSync("mkfifo", [`${place}/pipe`]);
      const child = spawn(process.execPath, [MAIN, verb, `${place}/pipe`, "-o", `${place}/x.html`]);
      await until(() => readdirSync(place).length > 1);
      child.kill("SIGINT");
      const end = await new Promise((resolve) => child.on("close", (status, by) => resolve(by ?? status)));
      expect(ends).toContain(end);
      expect(readdirSync(place)).toEqual(["pipe"]);
    } finally {
      rmSync(place, { recursive: true });
    }
  },
);
