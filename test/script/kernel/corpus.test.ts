import { describe, expect, it } from "vitest";
import { parseKernelScript } from "../../../src/formats/kernel-script/parse.ts";
import { compareKernelScript } from "../../../src/script/kernel/compare.ts";
import { runKernelScript } from "../../../src/script/kernel/run.ts";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";

const textOf = (kind: string, name: string): string => new TextDecoder().decode(readCorpus(kind, name));

/** Operations of all recordings: a file that is lost would go unnoticed otherwise. */
const OPERATIONS = { vfio: 4518, kvm: 2783 };

describe.each(["vfio", "kvm"] as const)("recordings of a real Linux 6.12: %s", (kind) => {
  const names = corpusNames(kind, ".jsonl.gz").map((name) => `${name}.jsonl`);

  let operations = 0;
  it.each(names)("%s is reproduced, to the byte", (name) => {
    const text = textOf(kind, name);
    const script = parseKernelScript(text, name);
    operations += script.lines.length;
    const written = [...runKernelScript(script)].map((result) => JSON.stringify(result));
    expect([script.headerText, ...written, ""].join("\n")).toBe(text);
  });

  it("all of them are here", () => {
    expect(operations).toBe(OPERATIONS[kind]);
  });
});

describe("compareKernelScript", () => {
  it("names what differs, and where", () => {
    const [header, first, ...rest] = textOf("vfio", "01-lifecycle.jsonl").split("\n");
    const wrong = first!.replace('"ret":0', '"ret":7').replace('"lck":0', '"lck":64');
    const script = parseKernelScript([header, wrong, ...rest].join("\n"), "x");
    const [line] = [...compareKernelScript(script)];
    expect(line!.differences).toEqual(["ret", "lck"]);
    expect(line!.line.line).toBe(2);
    expect(line!.actual.ret).toBe(0);
  });

  it("has nothing to say where nothing was recorded", () => {
    const [header] = textOf("vfio", "01-lifecycle.jsonl").split("\n");
    const script = parseKernelScript(`${header}\n{"op":"open_container","args":{"c":"0x0"}}\n`, "x");
    expect([...compareKernelScript(script)].map((line) => line.differences)).toEqual([[]]);
  });
});
