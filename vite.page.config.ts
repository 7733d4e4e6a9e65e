import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { defineConfig, type Plugin } from "vite";
import { EXAMPLES } from "./src/workbench/examples.ts";

const ROOT = import.meta.dirname;
const OUT = path.join(ROOT, "dist/workbench/page");

/** Recordings that the page opens by a click lie beside it. */
const examples: Plugin = {
  name: "examples",
  closeBundle() {
    mkdirSync(path.join(OUT, "examples"), { recursive: true });
    for (const { file, source } of EXAMPLES)
      copyFileSync(path.join(ROOT, "test", source), path.join(OUT, "examples", file));
  },
};

/** The workbench: a folder of static files that any server, also one of files alone, can give out. */
export default defineConfig({
  root: path.join(ROOT, "src/workbench/page"),
  base: "./",
  publicDir: false,
  logLevel: "warn",
  plugins: [examples],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
});
