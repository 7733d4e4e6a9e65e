import { defineConfig } from "vitest/config";
import { compiledSources } from "./test/compiled-sources.ts";

const HANG = 60 * 60_000;

/** Workers inherit it; `runSeed` of test/helpers/random.ts reads it. */
process.env.SEED ??= String((Math.random() * 2 ** 32) >>> 0);
console.log(`SEED=${process.env.SEED}`);

/** Campaigns: `npm run test:long`, with a new seed each time, or `SEED=123 npm run test:long` for one of the past. */
export default defineConfig({
  plugins: [compiledSources],
  test: {
    include: ["test/**/*.long.test.ts"],
    server: { deps: { external: [/\/dist\//] } },
    // Tests of which npm test runs some rows have all (test/helpers/some.ts).
    env: { NO_COLOR: "1", WHOLE: "1" },
    globalSetup: "test/global-setup.ts",
    reporters: ["verbose"],
    testTimeout: HANG,
    hookTimeout: HANG,
  },
});
