import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readCorpus, readCorpusHead } from "../helpers/corpus.ts";
import { some } from "../helpers/some.ts";
import { cli } from "./cli.ts";

const TRACES = path.resolve(import.meta.dirname, "../corpus/traces");
const folder = mkdtempSync(path.join(tmpdir(), "cut-inputs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LINES = gunzipSync(readFileSync(path.join(TRACES, "nvme-e1000-1g-linux61.log.gz")))
  .toString()
  .split("\n")
  .slice(0, 600);
const TEXT = `${LINES.join("\n")}\n`;

const SLOW_READER = readCorpus("traces", "simple-dropped-slow-reader-e1000-linux61.simple");
/** The first 1,500 events of a trace, and from the first record of dropped ones on as many. */
const DROPPED = Buffer.concat([SLOW_READER.subarray(0, 272_193), SLOW_READER.subarray(1_156_057, 1_262_105)]);
/** A trace that ends within a record. */
const KILLED = readCorpusHead("traces", "simple-killed-under-load-nvme-e1000-linux61.simple", 400_001);

/** Inputs of which something is missing. */
const CUT: Readonly<Record<string, () => string>> = {
  "a last line without its end": () => written("cut.log", TEXT.slice(0, -5)),
  "packed data that ends early": () => {
    const packed = gzipSync(TEXT);
    return written("cut.log.gz", packed.subarray(0, packed.length - 100));
  },
  "a trace that QEMU was killed over": () => written("killed.simple", KILLED),
  "events that QEMU dropped": () => written("dropped.simple", DROPPED),
  "events that the kernel lost": () => path.join(TRACES, "dma-x86-linux72-vtd-lost-trace-pipe.txt.gz"),
};

function written(name: string, bytes: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

/** A fault that an op script can show. */
const FAULT = "spapr_iommu_xlate liobn=0x80000000 0x7777000 -> 0x0 perm=0 mask=0xfff";

/** Calls of which each reads a file to its end and answers. */
const VERBS: Readonly<Record<string, (file: string) => readonly string[]>> = {
  stat: (file) => ["stat", file],
  alive: (file) => ["alive", file],
  "diff of two moments": (file) => ["diff", `${file}@100`, file],
  "diff of two files": (file) => ["diff", written("whole.log", TEXT), file],
  who: (file) => ["who", file, "0x10000"],
  "convert to a table": (file) => ["convert", "--force", file, path.join(folder, "out.csv")],
  "convert to a table of mappings": (file) => [
    ...["convert", "--force", "--table", "mappings"],
    ...[file, path.join(folder, "out.jsonl")],
  ],
  "convert to a timeline": (file) => ["convert", "--force", file, path.join(folder, "out.pftrace")],
};

describe.each(Object.keys(VERBS).map((verb, i) => ({ verb, i })))("$verb", ({ verb, i }) => {
  // Each verb with one, each of which some verbs have.
  it.each(some([...Object.keys(CUT).slice(i % 5), ...Object.keys(CUT).slice(0, i % 5)], 5))(
    "does not exit as if nothing was missing: %s",
    async (what) => {
      const { status, stderr, stdout } = await cli(VERBS[verb]!(CUT[what]!()));
      expect(status, stderr).toBe(3);
      if (verb === "who") return;
      expect(stderr + stdout).toMatch(/warning: |note: /);
    },
  );

  it("exits with 0 of what is whole, also after one that is not", async () => {
    const { status, stderr } = await cli(VERBS[verb]!(written("whole.log", TEXT)));
    expect(status, stderr).toBe(verb === "who" ? 3 : 0);
  });
});

it.each(["info", "map"])("%s does neither", async (verb) => {
  for (const what of Object.keys(CUT).filter((name) => !name.includes("kernel")))
    expect((await cli([verb, CUT[what]!()])).status, what).toBe(3);
  expect((await cli([verb, written("whole.log", TEXT)])).status).toBe(0);
});

it("who says that it found an address in a file of which something is missing", async () => {
  // The one list of TCEs in it.
  const { ioba } = /pci_indirect .* ioba=(?<ioba>0x[0-9a-f]+) /.exec(TEXT)!.groups!;
  expect((await cli(["who", written("whole.log", TEXT), ioba!])).status).toBe(0);
  for (const what of ["a last line without its end", "packed data that ends early"])
    expect((await cli(["who", CUT[what]!(), ioba!])).status, what).toBe(3);
});

it("shrink says that it reduced a trace of which something is missing", async () => {
  const text = `${TEXT}${FAULT}\n`;
  const of = (bytes: string) => cli(["shrink", "--finding", "1", written("fault.log", bytes)]);
  const whole = await of(text);
  expect(whole.status, whole.stderr).toBe(0);
  const cut = await of(text + LINES[0]!.slice(0, -4));
  expect(cut.status, cut.stderr).toBe(3);
  expect(cut.stdout).toBe(whole.stdout);
});

describe("diff --exit-code", () => {
  const diff = (a: string, b: string) => cli(["diff", "--exit-code", a, b]);
  it.each([
    { name: "whole and the same", before: "", after: TEXT, status: 0 },
    { name: "whole and different", before: "@100", after: TEXT, status: 1 },
    { name: "cut and the same as far as it goes", before: "", after: TEXT.slice(0, -5), status: 2 },
    { name: "cut and different", before: "@100", after: TEXT.slice(0, -5), status: 1 },
  ])("exits with $status of what is $name", async ({ before, after, status }) => {
    const file = written("after.log", after);
    const { stderr, ...ended } = await diff(`${file}${before}`, file);
    expect(ended.status, stderr).toBe(status);
  });
});

it("stat names no line of what has none", async () => {
  const packed = readFileSync(path.resolve(TRACES, "../recordings/72-perf-pipe.data.gz"));
  const whole = gunzipSync(packed);
  const file = written("cut.data", whole.subarray(0, (whole.length * 2) / 3));
  const { status, stderr } = await cli(["stat", file]);
  expect([status, stderr]).toEqual([3, expect.stringMatching(/cut\.data: warning: perf\.data, byte \d+/)]);
});

it("exec refuses a script that is cut", async () => {
  const script = ['{"header":1}', '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x2003"}'];
  const text = `${script.join("\n")}\n`;
  expect((await cli(["exec", written("whole.jsonl", text)])).status).toBe(0);
  const packed = gzipSync(text);
  for (const [name, bytes] of [
    ["cut.jsonl", text.slice(0, -5)],
    ["cut.jsonl.gz", packed.subarray(0, packed.length - 10)],
  ] as const) {
    const { status, stderr } = await cli(["exec", written(name, bytes)]);
    expect(status).toBe(1);
    expect(stderr).toContain(name);
  }
});
