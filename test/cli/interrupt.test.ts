import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { MAIN, until } from "./verbs/converted.ts";

// `check` does nothing at a signal but to tidy up; `report` ends by itself.
it.each(["check", "report"])(
  "%s ends at Ctrl-C though nobody writes to the pipe that it reads, and leaves nothing behind",
  async (verb) => {
    const place = mkdtempSync(path.join(tmpdir(), "spapr-iommu-interrupt-"));
    try {
      execFileSync("mkfifo", [`${place}/pipe`]);
      const child = spawn(process.execPath, [MAIN, verb, `${place}/pipe`, "-o", `${place}/x.html`]);
      await until(() => readdirSync(place).length > 1);
      child.kill("SIGINT");
      const endedBy = await new Promise((resolve) => child.on("close", (_status, by) => resolve(by)));
      expect(endedBy).toBe("SIGINT");
      expect(readdirSync(place)).toEqual(["pipe"]);
    } finally {
      rmSync(place, { recursive: true });
    }
  },
);
