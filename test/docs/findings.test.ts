import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { EXAMPLES } from "../../scripts/finding-examples.mjs";
import { FINDING_KINDS } from "../../src/check/findings/kinds.ts";
import { readDocument } from "../helpers/markdown.ts";

describe("docs/findings.md", () => {
  it("is what the code says (npm run findings)", () => {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/findings.mjs", "--check"], {
      cwd: path.resolve(import.meta.dirname, "../.."),
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("has every kind once, each with an example of its own", () => {
    const titles = [...readDocument("findings.md").matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    expect(titles).toEqual(Object.keys(FINDING_KINDS));
    expect(Object.keys(EXAMPLES).sort()).toEqual(titles.sort());
  });
});
