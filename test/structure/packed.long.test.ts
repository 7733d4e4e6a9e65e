import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

describe("the packed package", () => {
  /** Without the reference, which is made for a pack and has links of its own only. */
  const packed = ((): string[] => {
    const npm = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const listed = execFileSync("npm", npm, {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [{ files }] = JSON.parse(listed) as [{ files: readonly { path: string }[] }];
    return files.map((file) => file.path).filter((file) => !file.startsWith("docs/api/"));
  })();
  const isThere = (file: string): boolean => packed.some((one) => one === file || one.startsWith(`${file}/`));

  it("has what each link of its documents names", () => {
    const documents = packed.filter((file) => file.endsWith(".md"));
    expect(documents).toEqual(
      expect.arrayContaining(["README.md", "docs/findings.md", "docs/tutorial-leak.md"]),
    );
    const broken = documents.flatMap((document) =>
      [...readFileSync(path.join(ROOT, document), "utf8").matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
        .map(([, link]) => link!)
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => !isThere(path.posix.join(path.posix.dirname(document), link)))
        .map((link) => `${document}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it("has the recordings that the README names", () => {
    const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
    const named = [...readme.matchAll(/test\/(?:cases|corpus)\/[\w./-]+\w/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(1);
    for (const name of named) expect(isThere(name), name).toBe(true);
  });

  it("is no larger than what it is for", () => {
    const bytes = packed.reduce((sum, file) => sum + readFileSync(path.join(ROOT, file)).length, 0);
    expect(bytes).toBeLessThan(12_500_000);
  });
});
