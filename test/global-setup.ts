import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import path from "node:path";
import { build } from "vite";

const ROOT = path.resolve(import.meta.dirname, "..");
const DIST = path.join(ROOT, "dist");
const PROGRAM = path.join(DIST, "program/main.js");
/** What the compiler writes last. */
const COMPILED = path.join(DIST, "build.tsbuildinfo");

/** Compiles what is new in the package once, for the tests that run its command line, and puts that together. */
export default async function setup(): Promise<void> {
  if (hasNewSources()) compile();
  if (isOld()) await build({ configFile: path.join(ROOT, "vite.program.config.ts") });
}

/** Was a source changed since all were compiled? To ask the compiler takes it two seconds. */
function hasNewSources(): boolean {
  const made = statSync(COMPILED, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(path.join(ROOT, "src"), { recursive: true, encoding: "utf8" });
  return [
    "tsconfig.json",
    "tsconfig.build.json",
    "package-lock.json",
    ...sources.map((name) => `src/${name}`),
  ].some((name) => statSync(path.join(ROOT, name)).mtimeMs > made);
}

function compile(): void {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: ROOT, stdio: "inherit" });
  } catch (error) {
    // The next run says it again.
    rmSync(COMPILED, { force: true });
    throw error;
  }
  // It is not written again where nothing but times of files changed.
  if (existsSync(COMPILED)) utimesSync(COMPILED, new Date(), new Date());
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
