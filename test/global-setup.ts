import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { build } from "vite";

const ROOT = path.resolve(import.meta.dirname, "..");
const DIST = path.join(ROOT, "dist");
const PROGRAM = path.join(DIST, "program/main.js");

/** Compiles what is new in the package once, for the tests that run its command line, and puts that together. */
export default async function setup(): Promise<void> {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: ROOT, stdio: "inherit" });
  if (isOld()) await build({ configFile: path.join(ROOT, "vite.program.config.ts") });
}

/** Was a module compiled since the program was put together? */
function isOld(): boolean {
  const made = statSync(PROGRAM, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync(DIST, { recursive: true, encoding: "utf8" }).some(
    (file) =>
      file.endsWith(".js") &&
      !/^(?:program|workbench\/page)\//.test(file) &&
      statSync(path.join(DIST, file)).mtimeMs > made,
  );
}
