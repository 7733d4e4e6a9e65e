import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readDocument } from "../helpers/markdown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const DOCUMENT = "docs/behaviour.md";
const text = readDocument("behaviour.md");

interface Rule {
  readonly id: string;
  readonly body: string;
}

const rules: readonly Rule[] = [...text.matchAll(/^#### (.+)\n([\s\S]*?)(?=^#|$(?![\s\S]))/gm)].map(
  ([, id, body]) => ({ id: id!, body: body! }),
);
const ids = new Set(rules.map(({ id }) => id));

/** The sources of rules; a word in capitals that begins so and ends in a number cites a rule. */
const CITATION = /\b(?:QEMU|PAPR|KVM|VFIO|LINUX|STACK)-[A-Z]+-\d+\b/g;

/** The rules that a text cites; `QEMU-TCE-1 to QEMU-TCE-3` are three. */
function citedIn(source: string): string[] {
  const ranges = source.replaceAll(
    /\b([A-Z]+-[A-Z]+-)(\d+)\s+(?:\* )?to\s+(?:\* )?\1(\d+)\b/g,
    (_, family: string, first: string, last: string) =>
      Array.from(
        { length: Number(last) - Number(first) + 1 },
        (_, i) => `${family}${Number(first) + i}`,
      ).join(" "),
  );
  return ranges.match(CITATION) ?? [];
}

function filesIn(folder: string, ending: RegExp): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((name) => ending.test(name) && !name.startsWith("test/corpus"));
}

const FILES = [
  ...["src", "test", "bench", "oracle"].flatMap((folder) => filesIn(folder, /\.(?:ts|mjs|c|S|md)$/)),
  ...filesIn("docs", /\.md$/),
  ...filesIn("known-differences", /\.json$/),
  "README.md",
  "CHANGELOG.md",
].filter((name) => name !== DOCUMENT);

const citations = new Map(FILES.map((name) => [name, citedIn(readFileSync(path.join(ROOT, name), "utf8"))]));

const recordings = filesInCorpus();
function filesInCorpus(): string[] {
  const corpus = path.join(ROOT, "test/corpus");
  return readdirSync(corpus, { recursive: true, encoding: "utf8" });
}

/** Is there a recording of a name without its ending, such as `hcall/dma` or `vfio-user/overlap-*`? */
const isRecorded = (name: string): boolean =>
  name.endsWith("*")
    ? recordings.some((file) => file.startsWith(name.slice(0, -1)))
    : recordings.some((file) => file.startsWith(`${name}.`));

describe("docs/behaviour.md", () => {
  it("has rules, each once, with a name that can be cited", () => {
    expect(rules.length).toBeGreaterThan(100);
    expect(ids.size).toBe(rules.length);
    expect(rules.map(({ id }) => id).filter((id) => citedIn(id)[0] !== id)).toEqual([]);
  });

  it("numbers the rules of each family from 1 without a gap", () => {
    const families = new Map<string, number[]>();
    for (const { id } of rules) {
      const [, family, number] = /^(.*)-(\d+)$/.exec(id)!;
      families.set(family!, [...(families.get(family!) ?? []), Number(number)]);
    }
    for (const [family, numbers] of families) {
      expect(
        numbers.sort((a, b) => a - b),
        family,
      ).toEqual(numbers.map((_, i) => i + 1));
    }
  });

  it("gives each rule its evidence: recordings that exist, or that there is none", () => {
    for (const { id, body } of rules) {
      const paragraphs = body.trim().split("\n\n");
      // Behind a rule the text before the next one may follow.
      const evidence = paragraphs
        .slice(1)
        .filter((it) => /^(?:Evidence: |Documented, not recorded\.|Not modelled: )/.test(it));
      expect(evidence, id).toHaveLength(1);
      const [line] = evidence;
      if (!line!.startsWith("Evidence: ")) continue;
      const names = [...line!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
      expect(names.length, id).toBeGreaterThan(0);
      expect(
        names.filter((name) => !isRecorded(name)),
        id,
      ).toEqual([]);
    }
  });

  it("has each rule that is cited anywhere", () => {
    for (const [name, cited] of [...citations, [DOCUMENT, citedIn(text)] as const]) {
      expect(
        cited.filter((id) => !ids.has(id)),
        name,
      ).toEqual([]);
    }
  });

  it("has no rule that nothing follows: each is cited, or says that it is not modelled", () => {
    const cited = new Set([...citations.values()].flat());
    const idle = rules.filter(({ id, body }) => !cited.has(id) && !/^Not modelled: /m.test(body));
    expect(idle.map(({ id }) => id)).toEqual([]);
  });

  it("is behind every known difference", () => {
    for (const name of filesIn("known-differences", /\.json$/)) {
      const list = JSON.parse(readFileSync(path.join(ROOT, name), "utf8")) as { reason: string }[];
      expect(list.filter(({ reason }) => citedIn(reason).length === 0)).toEqual([]);
    }
  });

  it("leads to its rules by links that exist", () => {
    const anchors = new Set(
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => title!.toLowerCase().replaceAll(" ", "-")),
    );
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThan(40);
    expect(links.filter((link) => !anchors.has(link))).toEqual([]);
  });

  it("is what is cited: nothing points to a paragraph of another document", () => {
    const stray = /\bbehaviour(?:,| section)? \d|\bnotes,? section|linux-behaviour|\(section \d/;
    for (const name of FILES) {
      if (name === "test/docs/behaviour.test.ts") continue;
      expect(stray.exec(readFileSync(path.join(ROOT, name), "utf8"))?.[0], name).toBe(undefined);
    }
  });
});
