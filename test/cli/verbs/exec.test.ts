import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digest } from "../../../src/formats/known-differences.ts";
import { cli } from "../cli.ts";
import { CORPUS, OTHER_PROFILES, reproduces } from "./reproduced.ts";

const HCALL = path.resolve(import.meta.dirname, "../../corpus/hcall");
const recordings = readdirSync(HCALL).map((name) => path.join(HCALL, name));
const PUT = '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x2003"';

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "exec-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name);
  writeFileSync(at, content);
  return at;
}

describe("exec", () => {
  // Those of a host's kernel are reproduced, to the byte, by script/kernel/corpus.test.ts.
  it.each(CORPUS)("reproduces every recording, known differences aside: $kind", (kind) =>
    reproduces(kind, (_, i) => !["vfio", "kvm"].includes(kind.kind) || i < 6),
  );

  // The long run has all of them with every profile.
  it.each(OTHER_PROFILES)("reproduces them as another system, too: $kind $profile", (kind) =>
    reproduces(kind, (name, i) => i % 6 === 0 && !name.startsWith("random-")),
  );

  it("prints a script with our results, which is a script again that checks", async () => {
    const source = recordings.find((name) => name.endsWith("dma.jsonl.gz"))!;
    const printed = await cli(["exec", source]);
    expect(printed.status).toBe(0);
    const lines = printed.stdout.trimEnd().split("\n");
    const recorded = gunzipSync(readFileSync(source)).toString().trimEnd().split("\n");
    expect(lines.slice(1).map((line) => JSON.parse(line))).toEqual(
      recorded.slice(1).map((line) => JSON.parse(line)),
    );
    expect((await cli(["exec", "--check", "-"], printed.stdout)).status).toBe(0);
  });

  it("prints expected and actual of a mismatch, and exits 2", async () => {
    const script = file(
      "wrong.jsonl",
      `{"header":1}\n${PUT},"result":{"ret":-4}}\n${PUT},"result":{"ret":-2}}\n`,
    );
    const one = await cli(["exec", "--check", script]);
    expect(one.status).toBe(2);
    expect(one.stdout).toContain(`${script}:2: differs from the recording`);
    expect(one.stdout).toContain('expected  {"ret":-4}');
    expect(one.stdout).toContain('actual    {"ret":0}');
    expect(one.stdout).not.toContain(`${script}:3:`);
    expect((await cli(["exec", "--check", "--all", script])).stdout).toContain(`${script}:3: differs`);
  });

  it("fails for a listed difference that is none any more", async () => {
    const operation = digest(JSON.parse(`${PUT}}`));
    const script = file("now-right.jsonl", `{"header":1}\n${PUT},"result":{"ret":0}}\n`);
    const listed = [
      { recording: "now-right.jsonl", line: 2, operation, ours: { ret: 0 }, reason: "was wrong once" },
    ];
    const known = file("known.json", JSON.stringify(listed));
    const { status, stdout } = await cli(["exec", "--check", "--known", known, script]);
    expect(status).toBe(2);
    expect(stdout).toContain("it is none any more: was wrong once");
  });

  it("explains refusals and prints trace events on standard error", async () => {
    const script = `{"header":1}\n${PUT.replace("0x1000", "0x40000000")}}\n`;
    const { status, stderr } = await cli(["exec", "--explain", "--trace", "-"], script);
    expect(status).toBe(0);
    expect(stderr).toContain("spapr_iommu_pci_put liobn=0x80000000 ioba=0x40000000 tce=0x2003 ret=-4");
    expect(stderr).toContain("stdin:2: H_PUT_TCE = -4: the address is outside of the window (PAPR-TCE-2)");
  });

  it.each([
    { name: "no script", args: ["exec"], message: "missing required argument" },
    { name: "unknown option", args: ["exec", "--chekc", "x"], message: "Did you mean --check?" },
    {
      name: "unknown profile",
      args: ["exec", "--profile", "qemu-9", "x"],
      message: "Allowed choices are qemu-7.2",
    },
    {
      name: "unknown form",
      args: ["exec", "--output", "xml", "x"],
      message: "Allowed choices are human, json",
    },
    { name: "missing file", args: ["exec", "/nowhere/x.jsonl"], message: "/nowhere/x.jsonl: no such file" },
    { name: "folder", args: ["exec", "/tmp"], message: "/tmp: is a folder" },
    { name: "two scripts to print", args: ["exec", "a", "b"], message: "add --check" },
    { name: "unknown verb", args: ["exce"], message: "unknown command 'exce'" },
  ])("says what is wrong and exits 1: $name", async ({ args, message }) => {
    const { status, stdout, stderr } = await cli(args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(message);
  });

  it.each([
    { name: "empty", text: "", at: ":1:1:", message: "the script is empty" },
    { name: "no header", text: `${PUT}}`, at: ":1:1:", message: "the first line must be a header" },
    {
      name: "broken JSON",
      text: '{"header":1}\n{"op":"note" "text":""}',
      at: ":2:14:",
      message: 'expected "," or "}"',
    },
    { name: "cut off", text: `{"header":1}\n${PUT}`, at: ":2:70:", message: "found the end of the line" },
    {
      name: "unknown operation",
      text: '{"header":1}\n{"op":"h_put"}',
      at: ":2:7:",
      message: 'did you mean "h_put_tce"',
    },
    {
      name: "bad value",
      text: `{"header":1}\n${PUT.replace("0x2003", "0xg")}}`,
      at: ":2:62:",
      message: '"tce" is "0xg"',
    },
    {
      name: "unknown bridge",
      text: '{"header":1}\n{"op":"dma_read","phb":3,"iova":"0x0","len":4}',
      at: ":2:24:",
      message: "no such host bridge",
    },
    {
      name: "bad memory size",
      text: '{"header":1,"ramSize":"0x1000"}',
      at: ":1:23:",
      message: "blocks of 256 MiB",
    },
  ])(
    "names line and column of a broken script, before anything runs: $name",
    async ({ text, at, message }) => {
      const { status, stdout, stderr } = await cli(["exec", "-"], text);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toContain(`stdin${at}`);
      expect(stderr).toContain(message);
    },
  );

  it.each([1, 10, 200])("says that a gzip file ends early: %i bytes missing", async (missing) => {
    const bytes = readFileSync(recordings[0]!);
    const { status, stdout, stderr } = await cli([
      "exec",
      file("cut.jsonl.gz", bytes.subarray(0, bytes.length - missing)),
    ]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("the gzip data ends early");
  });
});
