import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { blocksOf } from "../helpers/markdown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
/** Inside of the package, so that its own name resolves to it. */
const FOLDER = path.join(ROOT, "dist/recipes-typed");
const TSC = path.join(ROOT, "node_modules/typescript/bin/tsc");

it("docs/recipes.md has programs that the types of the package agree with", () => {
  const programs = blocksOf("recipes.md").filter(({ language }) => language === "ts");
  const files = programs.map(({ line }) => path.join(FOLDER, `line-${line}.mjs`));
  mkdirSync(FOLDER, { recursive: true });
  for (const [i, file] of files.entries()) writeFileSync(file, programs[i]!.text);
  const strict =
    "--ignoreConfig --noEmit --checkJs --strict --skipLibCheck --target es2023 --module nodenext --types node";
  const { status, stdout } = spawnSync(process.execPath, [TSC, ...strict.split(" "), ...files], {
    cwd: ROOT,
    encoding: "utf8",
  });
  rmSync(FOLDER, { recursive: true });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
