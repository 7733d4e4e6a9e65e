import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  digest,
  type KnownDifference,
  KnownDifferences,
  sameJson,
} from "../../../src/formats/known-differences.ts";
import { parseOpScript } from "../../../src/formats/op-script/script.ts";
import { runOpScript } from "../../../src/script/op/run.ts";
import { parseRecording } from "../../../src/script/parse-recording.ts";
import type { CheckedLine, Recording } from "../../../src/script/recording.ts";
import { corpusNames, readCorpus, smallCorpusNames } from "../../helpers/corpus.ts";
import { some } from "../../helpers/some.ts";

const LIST = readFileSync(new URL("../../../known-differences/hcall.json", import.meta.url), "utf8");
const listed = JSON.parse(LIST) as KnownDifference[];
const known = KnownDifferences.parse([{ text: LIST, file: "hcall.json" }]);
const recordings = corpusNames("hcall", ".gz");

const read = (name: string): string => new TextDecoder().decode(readCorpus("hcall", name));
const parse = (name: string): Recording => parseRecording(read(name), `corpus/hcall/${name}`);

const run = (recording: Recording, list = known, profile?: string): CheckedLine[] => [
  ...recording.run({ known: list, profile, refusals: true, events: true }),
];

/** Reads of hundreds of thousands of entries. */
const WHOLE_SCAN = /"count":\d{6}/;

describe("the recordings of QEMU", () => {
  it("are all there", () => {
    expect(recordings.length).toBeGreaterThanOrEqual(56);
    expect(recordings).toEqual(expect.arrayContaining([...new Set(listed.map((item) => item.recording))]));
  });

  // `exec --check` reproduces all of them; here are the short ones, and those with differences.
  const short = smallCorpusNames("hcall", ".gz", 4000).filter((name) => !WHOLE_SCAN.test(read(name)));
  const differing = listed.map(({ recording }) => recording);
  it.each([...new Set([...some(short, 4), ...differing])])("are reproduced: %s", (name) => {
    const outcomes = run(parse(name));
    const wrong = outcomes.filter(({ verdict }) => verdict !== "same" && verdict !== "known");
    expect(wrong.map((it) => [it.line, it.verdict, it.expected, it.result])).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(0);

    const mine = listed.filter(({ recording }) => recording === name);
    const differing = outcomes.filter(({ verdict }) => verdict === "known");
    expect(differing.map(({ line }) => line)).toEqual(mine.map(({ line }) => line));
    // Wherever we differ on purpose, something happened that has no defined answer.
    if (mine.length > 0) expect(outcomes.flatMap(({ hazards }) => hazards)).not.toEqual([]);
  });

  it.each(["hcall-basic.jsonl", "random-dma-derived.jsonl", "winsize-at-top.jsonl"])(
    "can be written with our results and run again, alike with either replay: %s",
    (name) => {
      const recording = parse(name);
      const outcomes = run(recording);
      const text = [recording.header("ours", undefined), ...outcomes.map((line) => line.text)].join("\n");
      const again = run(parseRecording(text, "again.jsonl"), new KnownDifferences([]));
      expect(again.map(({ verdict }) => verdict)).toEqual(outcomes.map(() => "same"));
      const walked = runOpScript(parseOpScript(text, name), { replayStrategy: "page-walk" });
      expect(walked).toEqual(outcomes.map(({ result }) => result));
    },
  );

  it("are refused by a profile that behaves differently", () => {
    const outcomes = run(parse("hcall-indirect.jsonl"), known, "papr");
    const different = outcomes.filter(({ verdict }) => verdict === "different");
    expect(different.length).toBeGreaterThan(0);
    expect(outcomes.some(({ refusals }) => refusals.some(({ source }) => source === "PAPR"))).toBe(true);
  });
});

describe("the list of known differences", () => {
  const script = (result: string): Recording =>
    parseRecording(
      `{"header":1}\n{"op":"h_get_tce","liobn":"0x80000000","ioba":"0x0"${result === "" ? "" : ","}${result}}`,
      "a/x.jsonl.gz",
    );
  const entry = (ours: Record<string, unknown>, ioba = "0x0"): KnownDifference => ({
    recording: "x.jsonl",
    line: 2,
    operation: digest({ op: "h_get_tce", liobn: "0x80000000", ioba }),
    ours,
    reason: "because",
  });
  const OURS = { ret: 0, tce: "0x0" };
  it.each([
    { name: "same, not listed", result: '"result":{"tce":"0x0","ret":0}', list: [], verdict: "same" },
    { name: "other, not listed", result: '"result":{"ret":-4}', list: [], verdict: "different" },
    { name: "other, listed", result: '"result":{"ret":-4}', list: [entry(OURS)], verdict: "known" },
    {
      name: "other than listed",
      result: '"result":{"ret":-4}',
      list: [entry({ ret: 9 })],
      verdict: "different",
    },
    {
      name: "listed for another operation",
      result: '"result":{"ret":-4}',
      list: [entry(OURS, "0x1")],
      verdict: "different",
    },
    {
      name: "same, listed",
      result: '"result":{"ret":0,"tce":"0x0"}',
      list: [entry(OURS)],
      verdict: "vanished",
    },
    { name: "an end, not listed", result: '"crash":{"code":1}', list: [], verdict: "different" },
    {
      name: "an end, listed",
      result: '"crash":{"code":1}',
      list: [entry(OURS)],
      verdict: "known",
    },
    {
      name: "an end with our words",
      result: '"crash":{"ret":0,"tce":"0x0"}',
      list: [],
      verdict: "different",
    },
    { name: "no result", result: "", list: [], verdict: "unrecorded" },
  ])("makes a line $verdict: $name", ({ result, list, verdict }) => {
    expect(run(script(result), new KnownDifferences(list)).map((it) => it.verdict)).toEqual([verdict]);
  });

  it.each([
    { text: "{", message: "list.json: " },
    { text: "{}", message: "list.json: expected a list of differences" },
    { text: "[null]", message: 'list.json: entry 1 needs "recording", "line"' },
    { text: '[{"recording":"x","line":"2","reason":"r"}]', message: "list.json: entry 1 needs" },
    { text: '[{"recording":"x","line":2,"reason":"r"}]', message: "list.json: entry 1 needs" },
  ])("is refused when it is broken: $text", ({ text, message }) => {
    expect(() => KnownDifferences.parse([{ text, file: "list.json" }])).toThrow(message);
  });

  it.each([
    [{ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, true],
    [{ a: 1 }, { a: 1, b: undefined }, false],
    [[1, 2], [2, 1], false],
    [[], {}, false],
    [null, {}, false],
    ["1", 1, false],
  ])("compares %j and %j: %s", (a, b, same) => {
    expect(sameJson(a, b)).toBe(same);
    expect(sameJson(b, a)).toBe(same);
  });
});
