import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const DECISIONS = readdirSync(path.join(ROOT, "docs/decisions")).map((name) => `docs/decisions/${name}`);
const DOCUMENTS = [
  "CONTRIBUTING.md",
  "README.md",
  ...readdirSync(path.join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
  ...DECISIONS,
];

const files = ["src", "test", "docs", "oracle", "bench", "scripts", "tools/matcher"].flatMap((folder) =>
  readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" }).map(
    (name) => `${folder}/${name}`,
  ),
);

/** Files that a name means: all of a path, or its last parts. */
const meantBy = (name: string): string[] =>
  files.filter((file) => file === name || file.endsWith(`/${name}`));

describe.each(DOCUMENTS)("%s", (document) => {
  const text = readFileSync(path.join(ROOT, document), "utf8").replaceAll(/^```[\s\S]*?^```$/gm, "");

  it("links to files that exist", () => {
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
    expect(links.filter((link) => !existsSync(path.join(ROOT, path.dirname(document), link)))).toEqual([]);
  });

  it("names source files that exist, each so that one is meant", () => {
    const names = [...text.matchAll(/`([\w./-]+\.(?:ts|mjs))`/g)].map(([, name]) => name!);
    expect(names.filter((name) => meantBy(name).length !== 1).map((name) => [name, meantBy(name)])).toEqual(
      [],
    );
  });

  it("names folders that exist, or that a script makes", () => {
    const folders = [...text.matchAll(/`((?:src|test|docs|oracle|bench|scripts)\/[\w/-]+)`/g)].map(
      ([, name]) => name!,
    );
    const made = readFileSync(path.join(ROOT, ".gitignore"), "utf8").split("\n");
    const missing = folders.filter(
      (name) => !existsSync(path.join(ROOT, name)) && !made.includes(`${name}/`),
    );
    expect(missing).toEqual([]);
  });
});
