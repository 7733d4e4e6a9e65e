import path from "node:path";
import { build, type Rollup } from "vite";
import { beforeAll, describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const ENTRIES = ["index", "formats/index", "script/index", "check/index", "lab/index"];

/** What the modules become for a browser, by the names of the pieces. Anything that is not ours would stay an import. */
const chunks = new Map<string, Rollup.OutputChunk>();

/** The pieces that a module is loaded with, and what unpacks zstd, which is loaded when it is needed. */
function piecesOf(name: string, found = new Set<Rollup.OutputChunk>()): Set<Rollup.OutputChunk> {
  const chunk = chunks.get(name);
  if (chunk === undefined) throw new Error(`${name} is no module of ours`);
  if (found.has(chunk)) return found;
  found.add(chunk);
  for (const more of [...chunk.imports, ...chunk.dynamicImports]) piecesOf(more, found);
  return found;
}

describe("the engine in a browser", () => {
  beforeAll(async () => {
    const entry = Object.fromEntries(ENTRIES.map((name) => [name, path.join(ROOT, "dist", `${name}.js`)]));
    const result = await build({
      root: ROOT,
      configFile: false,
      logLevel: "silent",
      build: {
        write: false,
        target: "es2022",
        minify: false,
        rollupOptions: { treeshake: false },
        lib: { entry, formats: ["es"], fileName: (_format, name) => `${name}.js` },
      },
    });
    const [output] = Array.isArray(result) ? result : [result];
    if (output === undefined || !("output" in output)) throw new Error("no output");
    for (const chunk of output.output) if (chunk.type === "chunk") chunks.set(chunk.fileName, chunk);
  });

  it.each(ENTRIES)("bundles without Node and without packages: %s", (name) => {
    const code = [...piecesOf(`${name}.js`)].map((chunk) => chunk.code).join("");
    expect(code).not.toMatch(/["'`]node:|__vite-browser-external/);
    expect(code.length).toBeGreaterThan(10_000);
  });
});
