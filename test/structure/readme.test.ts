import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { cli } from "../cli/cli.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");

const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)![1]!;

describe("the README", () => {
  it("has an example that runs and prints what it says", () => {
    // Inside of the package, so that its own name resolves to it.
    const file = path.join(ROOT, "dist/readme-example.mjs");
    writeFileSync(file, block("ts"));
    try {
      const printed = execFileSync(process.execPath, [file], { encoding: "utf8" }).trim();
      expect(readme).toContain(`prints \`${printed}\``);
    } finally {
      rmSync(file);
    }
  });

  it("has an op script that runs", async () => {
    const { status, stdout } = await cli(["exec", "-"], block("jsonl"));
    expect(status).toBe(0);
    const results = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => (JSON.parse(line) as { result: unknown }).result);
    expect(results).toMatchObject([{ status: 0 }, { ret: 0 }, { fault: false, data: "0".repeat(32) }]);
  });

  it("names only files that exist, verbs that exist", async () => {
    for (const [, link] of readme.matchAll(/\]\(([^)#]+)\)/g))
      expect(() => readFileSync(path.join(ROOT, link!))).not.toThrow();
    for (const [, verb] of readme.matchAll(/npx spapr-iommu (\w+)/g)) {
      expect((await cli([verb!, "--help"])).stdout).toContain(`Usage: spapr-iommu ${verb}`);
    }
  });
});
