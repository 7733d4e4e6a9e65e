import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { corpusNames, readCorpus } from "../helpers/corpus.ts";
import { readDocument } from "../helpers/markdown.ts";

const EVIDENCE = readDocument("evidence.md");

const linesOf = (kind: string, name: string): number =>
  new TextDecoder()
    .decode(readCorpus(kind, name))
    .split("\n")
    .filter((line) => line.trim() !== "").length;

interface Difference {
  readonly recording: string;
  readonly reason: string;
}

const differences = (kind: string): Difference[] =>
  JSON.parse(readFileSync(new URL(`../../known-differences/${kind}.json`, import.meta.url), "utf8"));

describe("docs/evidence.md", () => {
  it.each(["hcall", "vfio", "kvm", "vfio-user"])("counts the recordings and operations of %s", (kind) => {
    const names = corpusNames(kind, ".gz");
    // One line of each file is its header.
    const operations = names.reduce((sum, name) => sum + linesOf(kind, name) - 1, 0);
    const row = new RegExp(`^\\| \`${kind}\` .*$`, "m").exec(EVIDENCE)![0];
    expect(row.split("|")[2]!.trim()).toBe(String(names.length));
    expect(row).toContain(` ${operations.toLocaleString("en-US")} `);
  });

  it("counts the known differences", () => {
    const hcall = differences("hcall");
    const files = new Set(hcall.map(({ recording }) => recording)).size;
    expect(EVIDENCE).toContain(`_${hcall.length} differences in ${files} file`);
    const vfioUser = differences("vfio-user");
    expect(EVIDENCE).toContain(`which makes ${vfioUser.length} reviewed lines`);
    const quirks = new Map<string, number>();
    for (const { reason } of vfioUser) {
      const named = [...reason.matchAll(/, (vfio\w+)\)/g)].map(([, quirk]) => `\`${quirk}\``);
      const key = named.length > 1 ? "both" : named[0]!;
      quirks.set(key, (quirks.get(key) ?? 0) + 1);
    }
    for (const [quirk, lines] of quirks) {
      expect(EVIDENCE).toMatch(new RegExp(`^\\| +${lines} \\|.*\\| ${quirk} +\\|$`, "m"));
    }
  });
});
