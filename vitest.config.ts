import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/qemu/**"],
    globalSetup: "test/global-setup.ts",
    testTimeout: 120_000,
  },
});
