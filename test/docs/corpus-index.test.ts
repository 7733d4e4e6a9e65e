import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { corpusNames } from "../helpers/corpus.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

it("test/corpus/INDEX.md is what the recordings say (npm run index)", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/corpus-index.mjs", "--check"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});

it("test/corpus/INDEX.md names every recording once", () => {
  const index = readFileSync(path.join(ROOT, "test/corpus/INDEX.md"), "utf8");
  for (const kind of ["hcall", "vfio", "kvm", "vfio-user", "traces", "migration"]) {
    const names = corpusNames(kind, ".gz").filter((name) => !name.endsWith(".json"));
    for (const name of names) {
      const sections = index.split(/^## /m).filter((section) => section.startsWith(`${kind}:`));
      expect(sections.join("").split(`\`${name}.gz\``).length - 1, `${kind}/${name}`).toBe(1);
    }
  }
});
