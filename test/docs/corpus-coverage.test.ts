import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CORPUS } from "../cli/verbs/reproduced.ts";
import { recordedStreams } from "../formats/migration/sources.ts";
import { corpusNames, TRACE_ENDINGS } from "../helpers/corpus.ts";

const TESTS = new URL("../", import.meta.url);
const sourceOf = (test: string): string => readFileSync(new URL(test, TESTS), "utf8");
const filesOf = (kind: string): string[] => readdirSync(new URL(`corpus/${kind}/`, TESTS));
const ending = (name: string): string => `${name}.gz`;

/** Files of a folder that a test names one by one, or a list beside them that it goes through. */
const named = (kind: string, ...sources: string[]): string[] => {
  const texts = sources.map(sourceOf).join("\n");
  return filesOf(kind).filter((file) => texts.includes(file));
};

/** What `npm test` reads of each folder, by the lists that the tests themselves go through. */
const READ: Readonly<Record<string, readonly string[]>> = {
  // cli/verbs/exec.test.ts reproduces all of these.
  ...Object.fromEntries(CORPUS.map(({ kind }) => [kind, corpusNames(kind, ".gz").map(ending)])),
  // check/corpus.test.ts checks all, each against its sidecar.
  traces: Object.values(TRACE_ENDINGS).flatMap((form) =>
    corpusNames("traces", form).map((name) => `${name}${form}`),
  ),
  // check/saved/stream-check.test.ts and formats/migration/recordings.test.ts.
  migration: recordedStreams().map((name) => `${name}.mig.gz`),
  // check/recordings.test.ts goes through the facts, formats/recording/against-text.test.ts through the texts.
  recordings: [
    ...Object.keys(JSON.parse(sourceOf("corpus/recordings/facts.json"))).map(ending),
    ...corpusNames("recordings", ".report.txt.gz").map((name) => `${name}.report.txt.gz`),
  ],
  "qemu-files": named("qemu-files", "corpus/qemu-files/answers.json", "cli/qemu-files.test.ts"),
  packed: filesOf("packed").filter((name) =>
    sourceOf("formats/input/unpacked.test.ts").includes(`packed("${name.split(".").at(-1)}")`),
  ),
};

/** What stands beside recordings and is none: what other programs found in them, and how they were made. */
const isBeside = (file: string): boolean => /\.json(?:\.gz)?$|\.md$|\.c$/.test(file);

describe("npm test reads every recording", () => {
  it("knows every folder", () => {
    const folders = readdirSync(new URL("corpus/", TESTS)).filter((name) => !name.endsWith(".md"));
    expect(Object.keys(READ).sort()).toEqual(folders.sort());
  });

  it.each(Object.entries(READ))("of %s", (kind, files) => {
    const recordings = (list: readonly string[]): string[] => list.filter((file) => !isBeside(file)).sort();
    expect(recordings(files)).toEqual(recordings(filesOf(kind)));
  });
});
