/**
 * A build of an older commit, which today's build is timed against: its `dist`
 * beside a copy of these benchmarks, so that both run the same code.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The commit that rows `NAME-over-COMMIT` compare with. */
export const REFERENCE = "9ffa24a";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Below the checkout, so that packages are found in its node_modules.
const FOLDER = join(ROOT, "node_modules/.cache", `bench-${REFERENCE}`);

/** Copies the benchmarks of today into the folder, with the older build's names of files. */
function copyBenchmarks() {
  const bench = join(FOLDER, "bench");
  rmSync(bench, { recursive: true, force: true });
  cpSync(join(ROOT, "bench"), bench, { recursive: true });
  renameSync(join(bench, `engine-${REFERENCE}.mjs`), join(bench, "engine.mjs"));
}

function run(command, args) {
  const { error, status, stderr } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args[0]}: ${error?.message ?? (stderr.trim() || `status ${status}`)}`);
  }
}

/**
 * Builds the commit, once for a checkout.
 *
 * @returns the folder of its benchmarks
 * @throws Error if there is no git, or the history does not hold the commit
 */
export function buildReference() {
  if (!existsSync(join(FOLDER, "dist"))) {
    mkdirSync(FOLDER, { recursive: true });
    const archive = join(FOLDER, "source.tar");
    const sources = ["src", "known-differences", "package.json", "tsconfig.json", "tsconfig.build.json"];
    run("git", ["archive", "-o", archive, REFERENCE, ...sources]);
    run("tar", ["-xf", archive, "-C", FOLDER]);
    rmSync(archive);
    run(process.execPath, [
      join(ROOT, "node_modules/typescript/bin/tsc"),
      "-p",
      join(FOLDER, "tsconfig.build.json"),
    ]);
  }
  copyBenchmarks();
  // Recordings are read from the checkout that the benchmarks lie in.
  const test = join(FOLDER, "test");
  if (!existsSync(test))
    cpSync(join(ROOT, "test/corpus/traces"), join(test, "corpus/traces"), { recursive: true });
  return join(FOLDER, "bench");
}
