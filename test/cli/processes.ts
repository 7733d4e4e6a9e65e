import path from "node:path";

/** The compiled command line, for processes of their own. */
export const MAIN = path.resolve(import.meta.dirname, "../../dist/program/main.js");

/** Waits for it; the limit of the test is for when it never comes. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
