import { expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import { checkOpScript } from "../../src/check/script-check.ts";
import { type CheckReport, TraceCheck } from "../../src/check/trace-check.ts";
import { corpusNames, readCorpus } from "../helpers/corpus.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { mutate, mutateNumbers } from "./trace-mutations.ts";
import { SimplePieces, textPiece } from "./trace-pieces.ts";

const INPUTS = 100_000;
/** Pieces of which all inputs are made. */
const PIECES = 400;
/** Bytes of a piece of text, and records of one of a binary trace. */
const PIECE_BYTES = 600;
const PIECE_RECORDS = 8;
/** One in so many inputs is checked again with its end cut off. */
const CUT_EVERY = 16;
/** No input takes longer, and all of them together keep no more. */
const MAX_MILLISECONDS = 5000;
const MAX_BYTES = 768 * 2 ** 20;

const LOGS = [
  "nvme-e1000-1g-linux61",
  "vfio-in-guest-windows-linux612",
  "reboot-twice-nvme-e1000-linux61",
  "vio-vscsi-vlan-linux61",
  "nvme-4g-parallel-io-linux612-timestamps",
  "migration-destination-virtio-e1000-linux61",
  "mixed-events-guest-errors-linux61",
];

type Check = (bytes: Uint8Array, random: Random) => CheckReport;

const checkTrace: Check = (bytes, random) => {
  const check = new TraceCheck("fuzz", { ...DEFAULT_CHECK_OPTIONS, ram: 0x4000_0000n });
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(bytes.length);
    check.push(bytes.subarray(at, at + size));
    at += size;
  }
  return check.end();
};

const checkScript: Check = (bytes) =>
  checkOpScript(new TextDecoder().decode(bytes), "fuzz.jsonl", DEFAULT_CHECK_OPTIONS);

/** Errors that say that an input is no trace, or no script. */
const REFUSALS: readonly string[] = ["UNSUPPORTED", "BAD_FILE", "LIMIT_EXCEEDED"];

function outcome(check: Check, bytes: Uint8Array, random: Random): CheckReport | undefined {
  try {
    return check(bytes, random);
  } catch (error) {
    if (error instanceof IommuError && REFUSALS.includes(error.code)) return undefined;
    throw error;
  }
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly check: Check;
}

function makePieces(random: Random): Piece[] {
  const texts = [
    LOGS.map((name) => readCorpus("traces", `${name}.log`)),
    corpusNames("traces", ".txt.gz").map((name) => readCorpus("traces", `${name}.txt`)),
  ];
  const binary = new SimplePieces(readCorpus("traces", "simple-timestamps-smp2-virtio-linux612.simple"));
  const script = readCorpus("hcall", "random-ddw-off.jsonl");
  const header = script.subarray(0, script.indexOf(0x0a) + 1);
  return Array.from({ length: PIECES }, (_, i) => {
    if (i % 8 === 0) return { bytes: binary.piece(PIECE_RECORDS, random), check: checkTrace };
    if (i % 16 !== 1)
      return { bytes: textPiece(random.pick(random.pick(texts)), PIECE_BYTES, random), check: checkTrace };
    const bytes = new Uint8Array([...header, ...textPiece(script, PIECE_BYTES, random)]);
    return { bytes, check: checkScript };
  });
}

/** A text that ends early gives what stands before, and a warning. */
function expectCut(whole: Uint8Array, random: Random): void {
  const cut = whole.subarray(0, random.below(whole.length));
  const lines = cut.subarray(0, cut.lastIndexOf(0x0a) + 1);
  const [report, ofLines, ofWhole] = [cut, lines, whole].map((one) => outcome(checkTrace, one, random));
  // Where pieces of several formats are mixed, the end can tell which one it is.
  const isSame = report?.format === ofWhole?.format && report?.format === ofLines?.format;
  if (report === undefined || !isSame || report.format === "qemu-simple") return;
  expect(report.events).toBe(ofLines!.events);
  expect(report.events).toBeLessThanOrEqual(ofWhole!.events);
  if (lines.length === cut.length) return;
  const warnings = report.findings.filter(({ kind }) => kind === "truncated");
  expect(warnings.length).toBeGreaterThan(0);
  expect(warnings.every(({ severity }) => severity === "warning")).toBe(true);
}

it(`survives ${INPUTS} damaged traces of all formats, in time and memory`, { timeout: 600_000 }, () => {
  const random = new Random(runSeed());
  const pieces = makePieces(random);
  const others = pieces.map(({ bytes }) => bytes);
  const read: Record<string, number> = {};
  let findings = 0;
  let slowest = 0;
  let most = 0;
  for (let i = 0; i < INPUTS; i++) {
    const { bytes, check } = random.pick(pieces);
    const input = check === checkScript ? mutateNumbers(bytes, random) : mutate(bytes, others, random);
    const started = performance.now();
    try {
      const report = outcome(check, input, random);
      read[report?.format ?? "refused"] = (read[report?.format ?? "refused"] ?? 0) + 1;
      if (report !== undefined) {
        findings += report.findings.length;
        const told = report.findings.filter(({ kind, liobn }) => kind === "mismatch" && liobn !== undefined);
        if (report.format !== "op-script") expect(told.length).toBe(report.mismatches);
      }
      if (check === checkTrace && i % CUT_EVERY === 0 && input.length > 0) expectCut(input, random);
    } catch (error) {
      throw new Error(`SEED=${random.seed}, input ${i}: ${(error as Error).stack}`);
    }
    slowest = Math.max(slowest, performance.now() - started);
    if (i % 1000 === 0) {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      most = Math.max(most, heapUsed + arrayBuffers);
    }
  }
  const formats = Object.entries(read).map(([format, count]) => `${format} ${count}`);
  console.log(
    `${INPUTS} damaged traces, seed ${random.seed}: ${formats.join(", ")}; ${findings} findings; slowest ${slowest.toFixed(0)} ms, most memory ${(most / 2 ** 20).toFixed(0)} MiB`,
  );
  expect(slowest, `SEED=${random.seed}`).toBeLessThan(MAX_MILLISECONDS);
  expect(most, `SEED=${random.seed}`).toBeLessThan(MAX_BYTES);
  for (const format of ["qemu-log", "qemu-simple", "linux-dma", "op-script"]) {
    expect(read[format], format).toBeGreaterThan(INPUTS / 200);
  }
  expect(findings).toBeGreaterThan(INPUTS / 10);
});
