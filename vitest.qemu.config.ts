import { defineConfig } from "vitest/config";
import { compiledSources } from "./test/compiled-sources.ts";

/** Tests with a real QEMU, one after the other: `npm run test:qemu`. */
export default defineConfig({
  plugins: [compiledSources],
  test: {
    include: ["test/qemu/**/*.test.ts"],
    env: { NO_COLOR: "1" },
    globalSetup: "test/global-setup.ts",
    testTimeout: 10 * 60_000,
    hookTimeout: 10 * 60_000,
    fileParallelism: false,
  },
});
