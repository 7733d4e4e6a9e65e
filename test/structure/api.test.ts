import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { reportedApi } from "../helpers/api-report.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const API = reportedApi();
const { name: PACKAGE, exports } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));

/** Entry points that are modules, by name. */
const MODULES = Object.entries<string | { readonly default: string }>(exports).flatMap(([key, target]) =>
  typeof target === "string" ? [] : [{ name: PACKAGE + key.slice(1), file: target.default }],
);

describe("the public API", () => {
  it("is reported of all entry points", () => {
    expect([...API.keys()].sort()).toEqual(MODULES.map(({ name }) => name).sort());
  });

  it.each(MODULES)("is what the modules export when they run: $name", async ({ name, file }) => {
    const values = /^(?:abstract )?(?:class|function|const)\b/;
    const module = (await import(path.join(ROOT, file))) as object;
    const declared = API.get(name)!.filter(({ text, typeOnly }) => values.test(text) && !typeOnly);
    expect(Object.keys(module).sort()).toEqual(declared.map((item) => item.name).sort());
  });

  it("gives each name one meaning, whichever entry point it is from", () => {
    const meanings = new Map<string, string>();
    for (const [name, items] of API) {
      for (const { name: item, text } of items) {
        expect([undefined, text], `${item} of ${name}`).toContain(meanings.get(item));
        meanings.set(item, text);
      }
    }
  });
});
