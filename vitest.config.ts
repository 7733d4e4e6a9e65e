import { defineConfig } from "vitest/config";

/** A limit of time is for hangs: no test fails because the machine is slow. */
const HANG = 10 * 60_000;

/** The tests of `npm test`. Those that run the compiled package are a project of their own, which compiles it. */
export default defineConfig({
  test: {
    exclude: ["test/**/*.long.test.ts"],
    // No test changes a module: each is loaded and compiled once for all of a worker's files.
    isolate: false,
    // Tests make much that is dropped at once: with room for it, less is copied by the garbage collector.
    execArgv: ["--max-semi-space-size=64"],
    testTimeout: HANG,
    hookTimeout: HANG,
    projects: [
      {
        extends: true,
        test: {
          name: "source",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{cli,docs,qemu,structure}/**"],
        },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: ["test/{cli,docs,structure}/**/*.test.ts"],
          globalSetup: "test/global-setup.ts",
          server: { deps: { external: [/\/dist\//] } },
        },
      },
    ],
  },
});
