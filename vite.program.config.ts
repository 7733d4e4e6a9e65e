import path from "node:path";
import { defineConfig } from "vite";

const ROOT = import.meta.dirname;

/**
 * The command line in a few dozen files instead of some three hundred modules, of which each takes its time to be found
 * and linked: it starts in two thirds of the time. What is compiled from `src` is put together, nothing else.
 */
export default defineConfig({
  root: ROOT,
  publicDir: false,
  logLevel: "warn",
  build: {
    ssr: true,
    outDir: path.join(ROOT, "dist/program"),
    emptyOutDir: true,
    target: "node20",
    minify: false,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      checks: { pluginTimings: false },
      input: {
        main: path.join(ROOT, "dist/cli/main.js"),
        // A process of its own (src/live/guard.ts).
        guardian: path.join(ROOT, "dist/live/guardian.js"),
        // A thread of its own (src/formats/input/unpack-thread.ts).
        "unpack-worker": path.join(ROOT, "dist/formats/input/unpack-worker.js"),
      },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name]-[hash].js",
        // Blanks and comments go; names stay.
        minify: { compress: false, mangle: false, codegen: true },
      },
    },
  },
});
