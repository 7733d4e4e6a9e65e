import { defineConfig } from "vitest/config";
import { compiledSources } from "./test/compiled-sources.ts";

/** A limit of time is for hangs: no test fails because the machine is slow. */
const HANG = 10 * 60_000;

const KEPT_MEMORY = [
  "mmap_threshold=1073741824",
  "trim_threshold=1073741824",
  "top_pad=67108864",
  "hugetlb=1",
]
  .map((one) => `glibc.malloc.${one}`)
  .join(":");

/** The tests of `npm test`. */
export default defineConfig({
  plugins: [compiledSources],
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/**/*.long.test.ts", "test/qemu/**"],
    globalSetup: "test/global-setup.ts",
    server: { deps: { external: [/\/dist\//] } },
    env: {
      // What the command line prints has no colours, wherever the tests run.
      NO_COLOR: "1",
      // Buffers of recordings are made and dropped all the time: glibc keeps their memory, instead of asking for it again.
      GLIBC_TUNABLES: KEPT_MEMORY,
    },
    // No test changes a module: each is loaded and compiled once for all of a worker's files.
    isolate: false,
    execArgv: [
      // Tests make much that is dropped at once: with room for it, less is copied by the garbage collector.
      "--min-semi-space-size=128",
      "--max-semi-space-size=128",
      // What lives long is little, and what is outside of the heap would have it marked again and again.
      "--initial-heap-size=1024",
      // Helpers of the garbage collector take more time of processors than they save the one that waits.
      "--single-threaded-gc",
      // Most functions run for a moment only: optimizing one when it has run three times as long as usual pays better.
      "--interrupt-budget=400000",
    ],
    // What test files become is kept between runs: to make it of all of them takes some seconds.
    experimental: { fsModuleCache: true },
    testTimeout: HANG,
    hookTimeout: HANG,
  },
});
