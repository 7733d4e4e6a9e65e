import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { beforeAll, describe, expect, it } from "vitest";
import { headOfDocument } from "../../scripts/stories-document.mjs";
import { checkTrace } from "../../src/check/index.ts";
import { storyNames } from "../../src/cli/story-files.ts";
import { parseYaml } from "../../src/cli/yaml.ts";
import { machineOfCommandLine } from "../../src/formats/machine/qemu-command-line.ts";
import { runStory } from "../../src/lab/story/run-story.ts";
import type { Story } from "../../src/lab/story/story.ts";
import { storyOfDocument } from "../../src/lab/story/story-shape.ts";
import { cli } from "../cli/cli.ts";
import { SCHEMAS } from "../cli/schemas.ts";
import { readDocument } from "../helpers/markdown.ts";
import { plainValue } from "../helpers/plain-value.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { comeOutAsTheySay, failWithTheirMutation } from "./told-stories.ts";

const folder = scratchFolder();
const DOCUMENT = readDocument("stories.md");

const validate = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false }).compile(
  SCHEMAS.get("story")!,
);

/** What `run --list` prints. */
let listed = "";
beforeAll(async () => {
  listed = (await cli(["run", "--list"])).stdout;
});

describe.each(storyNames())("the story %s", (name) => {
  it("follows the schema, and is explained in two lines", async () => {
    const file = path.resolve(import.meta.dirname, "../../stories", `${name}.yaml`);
    const isValid = validate(plainValue(parseYaml(readFileSync(file, "utf8"), file)));
    expect(validate.errors ?? []).toEqual([]);
    expect(isValid).toBe(true);
    const lines = listed.split("\n");
    const at = lines.indexOf(name);
    expect(lines.slice(at + 1).findIndex((line) => !line.startsWith("    "))).toBeLessThanOrEqual(2);
  });
});

// The long run tells all of them.
comeOutAsTheySay(storyNames().filter((_, i) => i % 9 === 6));
failWithTheirMutation(storyNames().filter((_, i) => i % 16 === 7));

it("docs/stories.md has all stories, in their order, after what a story may say", () => {
  expect(DOCUMENT.startsWith(headOfDocument())).toBe(true);
  const named = [...DOCUMENT.matchAll(/^`spapr-iommu run ([\w-]+)`/gm)].map(([, name]) => name);
  expect(named).toEqual(storyNames());
});

const MACHINE = 'machine: {ram: 1G, kernel: "6.12", devices: [{model: e1000, id: nic}]}';
const HEAD = `title: t\nsummary: s\nabout: a\n${MACHINE}\n`;

describe("a story in a file", () => {
  it.each([
    ["title: t", ':1:1: a story without "summary"'],
    [`${HEAD}steps: []`, ":5:8: the story expects nothing"],
    [`${HEAD}steps:\n  - bot`, ':6:5: unknown step "bot", did you mean "boot"?'],
    [`${HEAD}steps:\n  - boot: {now: true}`, ':6:12: unknown member "now" of boot'],
    [
      `${HEAD}steps:\n  - map: {device: nic, as: x, buffers: 0, size: 4K}`,
      ":6:40: 0: expected a whole number",
    ],
    [`${HEAD}steps:\n  - map: {device: nic, as: x, buffers: 1}`, ':6:10: map without "size"'],
    [
      `${HEAD}steps:\n  - expect: {failedMap: 1}`,
      ':6:14: unknown member "failedMap" of expect, did you mean "failedMaps"?',
    ],
    [
      `${HEAD}steps:\n  - traffic: {device: nic, operations: 1, sizes: []}`,
      ":6:50: a list of 0: there must be 1 at least",
    ],
    [`${HEAD}steps:\n  - traffic: {device: nic, operations: 1, sizes: [0]}`, ":6:51: 0 is less than 1 B"],
    [`${HEAD}steps:\n  - expect: {right: .nan}`, ":6:21: expected a number, or a comparison"],
    [`${HEAD}steps:\n  - expect: {right: -1}`, ":6:21: expected a number, or a comparison"],
    [`${HEAD}steps:\n  - expect: {right: many}`, ':6:21: expected a number, or a comparison such as "> 0"'],
    [
      `${HEAD}steps:\n  - expect: {findings: [leek]}`,
      ':6:25: "leek" is no kind of finding, did you mean "leak"?',
    ],
    [`${HEAD}steps:\n  - switch\n  - expect: {}`, ":6:5: switch: there is no other machine"],
    [
      `${HEAD}steps:\n  - plug-memory: {id: d, size: 1G}\n  - expect: {}`,
      ":6:5: a module of 1 GiB does not fit",
    ],
    [
      `${HEAD}steps:\n  - expect: {}\nmutation: {about: x, step: 2}`,
      ":7:28: there is no step 2: the story has 1",
    ],
    [`${HEAD}seed: -1\nsteps:\n  - expect: {}`, ":5:7: -1: expected a whole number from 0"],
    [`${HEAD.replace("ram: 1G", "ram: 1")}steps: [boot]`, ":4:16: 1 is no multiple of 256 MiB"],
    [`${HEAD.replace("{ram", "{steps: [reset], ram")}steps:\n  - expect: {}`, ":4:18: steps of a machine"],
    ["a: &a [x,x]\nb: *c", ':2:4: there is no anchor "c"'],
    ["x: 1", "no story: it should have a title and steps"],
  ])("is refused with its place: %s", async (text, message) => {
    const file = path.join(folder, "story.yaml");
    writeFileSync(file, text);
    const { status, stderr } = await cli(["run", file]);
    expect(stderr).toContain(message);
    expect(status === 1 || status === 63).toBe(true);
  });

  it("says which step speaks of what is not there", async () => {
    const file = path.join(folder, "wrong-step.yaml");
    writeFileSync(file, `${HEAD}steps:\n  - boot\n  - use: {buffers: ring}\n  - expect: {}`);
    const { status, stderr } = await cli(["run", file]);
    expect(status).toBe(1);
    expect(stderr).toContain('wrong-step, step 2 (use): there are no buffers "ring": no step mapped any');
  });

  it("says that a device is found by a boot", async () => {
    const file = path.join(folder, "no-boot.yaml");
    writeFileSync(file, `${HEAD}steps:\n  - map: {device: nic, as: x, buffers: 1, size: 4K}\n  - expect: {}`);
    const { stderr } = await cli(["run", file]);
    expect(stderr).toContain('no kernel that runs has found the device "nic": it is found by a boot');
  });

  it.each([
    ["no-such-folder/trace.log", "there is no folder"],
    [".", "is a folder, not a file"],
  ])("says that it cannot write its trace to %s", async (to, message) => {
    const { status, stderr } = await cli(["run", "kexec-old-window", "--save-trace", path.join(folder, to)]);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  it("exits with 2 and says what was expected and what was found", async () => {
    const file = path.join(folder, "fails.yaml");
    writeFileSync(
      file,
      `${HEAD}steps:\n  - boot\n  - map: {device: nic, as: ring, buffers: 3, size: 4K}\n  - use: {buffers: ring}\n  - expect: {right: 4, log: [never said], findings: [leak]}`,
    );
    const { status, stdout } = await cli(["run", file]);
    expect(status).toBe(2);
    expect(stdout).toContain("right: expected 4, found 3");
    expect(stdout).toContain('FAILED step 4: the kernel says "never said" (no such line)');
    expect(stdout).toContain("expected leak, found nothing");
  });

  it("writes a trace in which check finds what the story says", async () => {
    const trace = path.join(folder, "early-free.log");
    expect((await cli(["run", "early-free", "-q", "--save-trace", trace])).status).toBe(0);
    const { findings } = await checkTrace(readFileSync(trace, "utf8"));
    expect([...new Set(findings.map(({ kind }) => kind))]).toContain("dma-after-unmap");
    const checked = await cli(["check", trace]);
    expect(checked.status).toBe(2);
    expect(checked.stdout).toContain("dma-after-unmap");
  });

  it.each([["--machine", "x"], ["--trace", "x"], ["--kernel", "6.12"], ["--coherence"]])(
    "does not take %s",
    async (...option) => {
      const { status, stderr } = await cli(["run", "kdump", ...option]);
      expect(status).toBe(1);
      expect(stderr).toContain("a story says itself");
    },
  );
});

describe("a story in TypeScript", () => {
  const story: Story = {
    name: "typed",
    title: "A driver of a described machine",
    summary: "the same runner",
    about: ["No file."],
    machine: {
      ...machineOfCommandLine("-nodefaults -m 1G -device e1000,id=nic,addr=1"),
      kernelVersion: "6.12",
    },
    seed: 7,
    steps: [
      { kind: "boot" },
      { kind: "traffic", device: "nic", operations: 100, sizes: [4096, 65_536] },
      {
        kind: "expect",
        numbers: { right: { relation: "=", value: 100 }, entries: { relation: "<=", value: 0 } },
        noLog: ["iommu_alloc failed"],
        findings: [],
      },
    ],
  };

  it("runs as one of a file does", () => {
    const { report, trace } = runStory(story);
    expect(report.checks.map(({ ok }) => ok)).toEqual([true, true, true, true]);
    expect(trace.length).toBeGreaterThan(200);
  });

  it("is what a file is read into", () => {
    const text = `title: A driver of a described machine\nsummary: the same runner\nabout: No file.\nseed: 7
machine: {ram: 1G, kernel: "6.12", devices: [{model: e1000, id: nic, slot: 1}]}
steps:
  - boot
  - traffic: {device: nic, operations: 100, sizes: [4K, 64K]}
  - expect: {right: 100, entries: "<= 0", noLog: [iommu_alloc failed], findings: []}`;
    const read = storyOfDocument(parseYaml(text, "typed.yaml"), "typed");
    expect(read.steps).toEqual(story.steps);
    expect(runStory(read).trace).toEqual(runStory(story).trace);
  });

  it("depends on its seed and on nothing else", () => {
    const traces = [7, 7, 8].map((seed) => runStory({ ...story, seed }).trace.join("\n"));
    expect(traces[1]).toBe(traces[0]);
    expect(traces[2]).not.toBe(traces[0]);
  });
});
