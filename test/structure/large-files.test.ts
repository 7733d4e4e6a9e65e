import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const LARGE = 10 * 1024;

it("each file above 10 KB stands in docs/decisions/005-large-files.md with its reason, and no other one", () => {
  const source = path.join(ROOT, "src");
  const large = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
    (file) => /\.tsx?$/.test(file) && statSync(path.join(source, file)).size > LARGE,
  );
  const listed = readFileSync(path.join(ROOT, "docs/decisions/005-large-files.md"), "utf8");
  expect([...listed.matchAll(/^\| `([^`]+)` +\| \S/gm)].map(([, file]) => file).sort()).toEqual(large.sort());
});
