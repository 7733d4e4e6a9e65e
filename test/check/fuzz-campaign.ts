import { expect } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import type { CheckReport } from "../../src/check/report.ts";
import { checkOpScript } from "../../src/check/script-check.ts";
import { TraceCheck } from "../../src/check/trace-check.ts";
import { corpusNames, readCorpus } from "../helpers/corpus.ts";
import { Random } from "../helpers/random.ts";
import { mutate, mutateNumbers } from "./trace-mutations.ts";
import { SimplePieces, textPiece } from "./trace-pieces.ts";

/** Pieces of which inputs are made, at most. */
const PIECES = 400;
/** Bytes of a piece of text, and records of one of a binary trace. */
const PIECE_BYTES = 600;
const PIECE_RECORDS = 8;
/** One in so many inputs is checked again with its end cut off. */
const CUT_EVERY = 16;
/** All inputs together keep no more. */
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

function makePieces(count: number, random: Random): Piece[] {
  const texts = [
    LOGS.map((name) => `${name}.log`),
    corpusNames("traces", ".txt.gz").map((name) => `${name}.txt`),
  ];
  const binary = new SimplePieces(readCorpus("traces", "simple-timestamps-smp2-virtio-linux612.simple"));
  const script = readCorpus("hcall", "random-ddw-off.jsonl");
  const header = script.subarray(0, script.indexOf(0x0a) + 1);
  return Array.from({ length: count }, (_, i) => {
    if (i % 8 === 0) return { bytes: binary.piece(PIECE_RECORDS, random), check: checkTrace };
    if (i % 16 !== 1) {
      const text = readCorpus("traces", random.pick(random.pick(texts)));
      return { bytes: textPiece(text, PIECE_BYTES, random), check: checkTrace };
    }
    const bytes = new Uint8Array([...header, ...textPiece(script, PIECE_BYTES, random)]);
    return { bytes, check: checkScript };
  });
}

/** A text that ends early gives what stands before, and a warning; what is wrong with that, if anything. */
function faultOfCut(whole: Uint8Array, random: Random): string | undefined {
  const cut = whole.subarray(0, random.below(whole.length));
  const lines = cut.subarray(0, cut.lastIndexOf(0x0a) + 1);
  const [report, ofLines, ofWhole] = [cut, lines, whole].map((one) => outcome(checkTrace, one, random));
  // Where pieces of several formats are mixed, the end can tell which one it is.
  const isSame = report?.format === ofWhole?.format && report?.format === ofLines?.format;
  if (report === undefined || !isSame || report.format === "qemu-simple") return undefined;
  const events = [ofLines!.events, report.events, ofWhole!.events];
  if (events[1] !== events[0] || events[1]! > events[2]!) return `events of lines, cut and whole: ${events}`;
  if (lines.length === cut.length) return undefined;
  const truncated = report.findings.filter(({ kind }) => kind === "truncated");
  const isTold = truncated.length > 0 && truncated.every(({ severity }) => severity === "warning");
  return isTold ? undefined : "the cut is not told";
}

/** So many inputs are of all formats, whatever the seed. */
const ALL_FORMATS = 2000;

/** Checks damaged traces of all formats: none ends the check, and what it counts is what it tells. */
export function fuzzChecks(seed: number, inputs: number): void {
  const random = new Random(seed);
  const pieces = makePieces(Math.min(PIECES, inputs / 30), random);
  const others = pieces.map(({ bytes }) => bytes);
  const read: Record<string, number> = {};
  const wrong: string[] = [];
  let findings = 0;
  let most = 0;
  for (let i = 0; i < inputs; i++) {
    const { bytes, check } = random.pick(pieces);
    const input = check === checkScript ? mutateNumbers(bytes, random) : mutate(bytes, others, random);
    try {
      const report = outcome(check, input, random);
      read[report?.format ?? "refused"] = (read[report?.format ?? "refused"] ?? 0) + 1;
      if (report !== undefined) {
        findings += report.findings.length;
        const told = report.findings.filter(({ kind, liobn }) => kind === "mismatch" && liobn !== undefined);
        if (report.format !== "op-script" && told.length !== report.mismatches) {
          wrong.push(`input ${i}: ${told.length} of ${report.mismatches} mismatches told`);
        }
      }
      if (check === checkTrace && i % CUT_EVERY === 0 && input.length > 0) {
        const fault = faultOfCut(input, random);
        if (fault !== undefined) wrong.push(`input ${i}: ${fault}`);
      }
    } catch (error) {
      throw new Error(`SEED=${seed}, input ${i}`, { cause: error });
    }
    if (i % 1000 === 0) {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      most = Math.max(most, heapUsed + arrayBuffers);
    }
  }
  const formats = Object.entries(read).map(([format, count]) => `${format} ${count}`);
  console.log(`${inputs} damaged traces, SEED=${seed}: ${formats.join(", ")}; ${findings} findings`);
  expect(wrong, `SEED=${seed}`).toEqual([]);
  expect(most, `SEED=${seed}`).toBeLessThan(MAX_BYTES);
  // A few inputs need not be of all formats.
  if (inputs < ALL_FORMATS) return;
  for (const format of ["qemu-log", "qemu-simple", "linux-dma", "op-script"]) {
    expect(read[format], format).toBeGreaterThan(inputs / 200);
  }
  expect(findings).toBeGreaterThan(inputs / 10);
}
