import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERBS } from "../../src/cli/command-line.ts";
import { reportedApi } from "../helpers/api-report.ts";
import { blocksOf, readDocument } from "../helpers/markdown.ts";
import { printedBy } from "../helpers/printed.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
/** Inside of the package, so that its own name resolves to it. */
const FOLDER = path.join(ROOT, "dist/recipes");

const blocks = blocksOf("recipes.md");
const recipes = blocks
  .map(({ language, text, line }, i) => ({ language, text, line, printed: blocks[i + 1] }))
  .filter(({ language }) => language === "ts")
  .map((recipe) => ({ ...recipe, file: path.join(FOLDER, `line-${recipe.line}.mjs`) }));

describe("docs/recipes.md", () => {
  beforeAll(() => {
    mkdirSync(FOLDER, { recursive: true });
    for (const { file, text } of recipes) writeFileSync(file, text);
  });
  afterAll(() => rmSync(FOLDER, { recursive: true }));

  it("has a dozen programs, each with what it prints", () => {
    expect(recipes.length).toBeGreaterThanOrEqual(12);
    for (const { printed } of recipes) expect(printed?.language).toBe("text");
  });

  it.each(recipes)("has a program at line $line that prints what it says", async ({ file, printed }) => {
    expect((await printedBy(() => import(file))).trimEnd()).toBe(printed?.text);
  });

  it("lists every verb, with names that the library has", () => {
    const rows = [...readDocument("recipes.md").matchAll(/^\| `(\w+)` +\| (.+) \|$/gm)];
    expect(rows.map(([, verb]) => verb).sort()).toEqual(Object.keys(VERBS).sort());
    const api = reportedApi();
    for (const [, verb, calls] of rows) {
      for (const part of calls!.split(";")) {
        const [entry, ...names] = [...part.matchAll(/`([\w/-]+)`/g)].map(([, name]) => name!);
        const exported = api.get(entry!)?.map(({ name }) => name);
        for (const name of names) if (name !== "run") expect(exported, `${verb}: ${name}`).toContain(name);
      }
    }
  });
});
