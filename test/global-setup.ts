import { execFileSync } from "node:child_process";
import path from "node:path";

/** Compiles what is new in the package once, for the tests that run its command line. */
export default function setup(): void {
  const root = path.resolve(import.meta.dirname, "..");
  const tsc = path.join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
}
