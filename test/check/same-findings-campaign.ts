import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect } from "vitest";
import { DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import type { CheckReport } from "../../src/check/report.ts";
import { TraceCheck } from "../../src/check/trace-check.ts";
import { HEAD_BYTES } from "../../src/check/whole/input-kind.ts";
import { isDmaDump } from "../../src/formats/dma-dump/dma-dump.ts";
import { packingOf } from "../../src/formats/input/packing.ts";
import { corpusNames, readCorpus, smallCorpusNames } from "../helpers/corpus.ts";
import { Random } from "../helpers/random.ts";
import { type Changed, changeText, SAME } from "./text-changes.ts";

const CASES = new URL("../cases/", import.meta.url);

/** Lines that are read together. */
const PIECE = 100_000;
/** Packed bytes of a recording that a short run takes. */
const SMALL = 3000;

/** A text, packed or not. */
const unpacked = (packed: Uint8Array): Uint8Array =>
  packingOf(packed) === "gzip" ? gunzipSync(packed) : packed;

function linesOf(bytes: Uint8Array): string[] {
  const text = new TextDecoder().decode(bytes);
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

/** Lines of a case. */
export const caseLines = (name: string): string[] => linesOf(unpacked(readFileSync(new URL(name, CASES))));

/** Names and texts of recordings: cases, and those of the corpus. */
function recordings(all: boolean): { name: string; lines: string[] }[] {
  const texts: [string, Uint8Array][] = readdirSync(CASES)
    .filter((name) => /\.(txt|log|dmesg)(\.gz)?$/.test(name))
    .map((name): [string, Uint8Array] => [name, readFileSync(new URL(name, CASES))])
    .filter(([, { length }]) => all || length < SMALL);
  const names = (ending: string): string[] =>
    all ? corpusNames("traces", ending) : smallCorpusNames("traces", ending, SMALL);
  for (const ending of [".log", ".txt"]) {
    for (const name of names(`${ending}.gz`)) texts.push([name, readCorpus("traces", `${name}${ending}`)]);
  }
  return texts.flatMap(([name, packed]) => {
    const bytes = unpacked(packed);
    // A snapshot has no findings.
    return isDmaDump(bytes.subarray(0, HEAD_BYTES)) ? [] : [{ name, lines: linesOf(bytes) }];
  });
}

function check(lines: readonly string[]): CheckReport {
  const trace = new TraceCheck("trace", DEFAULT_CHECK_OPTIONS);
  // A long log as a logger's lists of bytes is longer than a string may be.
  for (let at = 0; at < lines.length; at += PIECE) {
    trace.push(new TextEncoder().encode(`${lines.slice(at, at + PIECE).join("\n")}\n`));
  }
  return trace.end();
}

/** What a report says, told by the original's lines, names and addresses. */
function told(report: CheckReport, { from, told: translation }: Pick<Changed, "from" | "told">): unknown {
  const { judged, bounced, mismatches } = report;
  const findings = report.findings.map(
    ({ kind, severity, device, liobn, ioba, pages, count, events, lines }) => ({
      kind,
      severity,
      device: device === undefined ? undefined : translation.device(device),
      liobn: liobn === undefined ? undefined : translation.liobn(liobn),
      ioba: ioba === undefined ? undefined : translation.ioba(ioba),
      pages,
      count,
      events,
      lines: lines.map((line) => from[line - 1]),
    }),
  );
  return {
    judged,
    mismatches,
    bounced: bounced.map(({ device, count, bytes }) => ({
      device: translation.device(device),
      count,
      bytes,
    })),
    findings,
  };
}

/** Is a text refused, or said to have lines that cannot be read? */
function isSaid(changed: Changed): boolean {
  try {
    return check(changed.lines).findings.some(({ kind }) => kind === "truncated");
  } catch {
    return true;
  }
}

function outcome(changed: Changed): unknown {
  try {
    return told(check(changed.lines), changed);
  } catch (error) {
    return `${error}`;
  }
}

/** Where two values of plain members differ first. */
function firstDifference(found: unknown, expected: unknown, place = ""): string | undefined {
  if (Object.is(found, expected)) return undefined;
  const isPlain = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null;
  if (!isPlain(found) || !isPlain(expected)) return `${place} is ${found}, not ${expected}`;
  for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const difference = firstDifference(found[key], expected[key], `${place}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** Where what is found in a changed text differs first from what is found in the text. */
export function differenceWith(
  lines: readonly string[],
  change: (line: string) => string,
): string | undefined {
  const untouched = { from: lines.map((_line, i) => i + 1), told: SAME };
  return firstDifference(
    outcome({ ...untouched, lines: lines.map(change), names: [] }),
    told(check(lines), untouched),
  );
}

/** Changes recordings in ways that change nothing in what they tell: the same is found in each. */
export function findTheSame(seed: number, rounds: number, all: boolean): void {
  const random = new Random(seed);
  const texts = recordings(all);
  const wrong: string[] = [];
  let findings = 0;
  for (const { name, lines } of texts) {
    const untouched = { from: lines.map((_line, i) => i + 1), told: SAME };
    const report = check(lines);
    const expected = told(report, untouched);
    findings += report.findings.length;
    for (let round = 0; round < rounds; round++) {
      const changed = changeText(lines, report.format !== "linux-dma", random);
      const difference = firstDifference(outcome(changed), expected);
      // What a mailer broke can be a name alone, which may be text: it is said then that it could not be read.
      if (difference !== undefined && !(changed.names.includes("mailed") && isSaid(changed)))
        wrong.push(`${name} with ${changed.names.join(", ")}: ${difference}`);
    }
  }
  console.log(`${texts.length} recordings with ${findings} findings, ${rounds} times changed, SEED=${seed}`);
  expect(wrong, `SEED=${seed}`).toEqual([]);
  expect(findings).toBeGreaterThan(texts.length / 2);
}
