/**
 * What npm runs after an install in a checkout, and for a project that depends on the repository itself: makes the
 * package. Where development's tools were left out (`--omit=dev`) nothing can be made, and nothing is.
 *
 * @module
 */
import { execSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
if (existsSync(path.join(ROOT, "node_modules/typescript")))
  execSync("npm run --silent build", { cwd: ROOT, stdio: "inherit" });
