import { describe, expect, it } from "vitest";
import { entryPoints, publicApi } from "../../tools/docs/declarations.mjs";

describe("the public API", () => {
  it("is what the modules export when they run", async () => {
    const values = /^(?:abstract )?(?:class|function|const)\b/;
    for (const { name, items } of publicApi().modules) {
      const { file } = entryPoints().find((entry) => entry.name === name)!;
      const module = (await import(file.replace(/\.d\.ts$/, ".js"))) as object;
      const declared = items.filter(({ text, typeOnly }) => values.test(text) && !typeOnly);
      expect(Object.keys(module).sort(), name).toEqual(declared.map((item) => item.name).sort());
    }
  });

  it("gives each name one meaning, whichever entry point it is from", () => {
    const meanings = new Map<string, string>();
    for (const { name, items } of publicApi().modules) {
      for (const { name: item, declared } of items) {
        expect([undefined, declared], `${item} of ${name}`).toContain(meanings.get(item));
        meanings.set(item, declared);
      }
    }
  });
});
