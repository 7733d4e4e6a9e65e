import { defineConfig } from "vitest/config";

/** Tests with a real QEMU, one after the other: `npm run test:qemu`. */
export default defineConfig({
  test: {
    include: ["test/qemu/**/*.test.ts"],
    globalSetup: "test/global-setup.ts",
    testTimeout: 10 * 60_000,
    hookTimeout: 10 * 60_000,
    fileParallelism: false,
  },
});
