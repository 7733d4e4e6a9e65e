import { existsSync } from "node:fs";
import path from "node:path";
import type { Plugin } from "vite";

const ROOT = path.resolve(import.meta.dirname, "..");

/**
 * A test that names a module of `src` gets what was compiled from it: the package as it is shipped, loaded by Node
 * itself, one instance for all tests. Transformed on the way, as Vitest would, each name that a module imports is
 * looked up where it is used: a test takes a tenth longer, and the start some seconds.
 */
export const compiledSources: Plugin = {
  name: "compiled-sources",
  enforce: "pre",
  resolveId(source, importer) {
    if (importer === undefined || !source.startsWith(".")) return;
    const file = path.resolve(path.dirname(importer), source);
    const module = path.relative(path.join(ROOT, "src"), file);
    // What is not there any more may still be in `dist`.
    if (module.startsWith("..") || !module.endsWith(".ts") || !existsSync(file)) return;
    return { id: path.join(ROOT, "dist", module.replace(/\.ts$/, ".js")), external: true };
  },
};
