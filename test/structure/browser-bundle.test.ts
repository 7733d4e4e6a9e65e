import path from "node:path";
import { build } from "vite";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Bundles one module for a browser and returns the chunk. Anything that is not ours would stay an import. */
async function bundle(entry: string): Promise<{ code: string; imports: string[] }> {
  const result = await build({
    root: ROOT,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      target: "es2022",
      minify: false,
      lib: { entry, formats: ["es"], fileName: "engine" },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !("output" in output)) throw new Error("no output");
  const [chunk] = output.output;
  // What unpacks zstd is a piece of its own, which is loaded when it is needed.
  const own = output.output.map(({ fileName }) => fileName);
  const imports = [...chunk.imports, ...chunk.dynamicImports].filter((name) => !own.includes(name));
  return { code: chunk.code, imports };
}

describe("the engine in a browser", () => {
  it.each([
    "src/index.ts",
    "src/formats/index.ts",
    "src/script/index.ts",
    "src/check/index.ts",
    "src/lab/index.ts",
  ])("bundles without Node and without packages: %s", async (entry) => {
    const { code, imports } = await bundle(path.join(ROOT, entry));
    expect(imports).toEqual([]);
    expect(code).not.toMatch(/["'`]node:|__vite-browser-external/);
    expect(code.length).toBeGreaterThan(10_000);
  });
});
