import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a file that ships with the package; compiled files lie two folders below its root. */
export const packageFile = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** The version of the package. */
export const packageVersion = (): string =>
  (JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version;
