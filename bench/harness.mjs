/**
 * How a benchmark is measured: a warm-up, then rounds in which the engine and
 * the C baseline take turns, so that a busy machine slows down both. Quoted is
 * the median of the rounds.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Benchmark
 * @property {string} name
 * @property {string} unit one of {@link NS_PER_OPERATION} if there is a baseline
 * @property {"higher" | "lower"} better
 * @property {string} target the promise, as text
 * @property {() => unknown} [setup] makes what `run` works on; not measured
 * @property {(state: any) => number} run one round: the value in `unit`
 * @property {string} [baseline] name of the benchmark in baseline.c
 * @property {number} [baselineOperations] operations of the baseline that are one of ours; default 1
 * @property {number} [rounds] default {@link ROUNDS}
 * @property {number} [warmups] rounds that do not count; default {@link WARMUPS}
 */

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {number} value median of the rounds
 * @property {string} unit
 * @property {number} spread (max - min) / median of the rounds
 * @property {number | null} ratio our time / the baseline's; null without a compiler or a baseline
 */

const ROUNDS = 7;
const WARMUPS = 2;

/** Nanoseconds of one operation, from a value in a unit. */
const NS_PER_OPERATION = {
  "calls/s": (value) => 1e9 / value,
  "pairs/s": (value) => 1e9 / value,
  "translations/s": (value) => 1e9 / value,
  "ns/TCE": (value) => value,
  us: (value) => value * 1e3,
  ms: (value) => value * 1e6,
};

/** The C baseline, compiled into a directory of its own for this run. */
export class Baseline {
  #directory = mkdtempSync(join(tmpdir(), "spapr-iommu-bench-"));
  #program = join(this.#directory, "baseline");
  /** Why there is none, or undefined. */
  missing = this.#compile();

  #compile() {
    const source = fileURLToPath(new URL("baseline.c", import.meta.url));
    const { error, status, stderr } = spawnSync("cc", ["-O2", "-o", this.#program, source], {
      encoding: "utf8",
    });
    if (error !== undefined) return `no C compiler (cc: ${error.code})`;
    return status === 0 ? undefined : `cc failed:\n${stderr}`;
  }

  /** Nanoseconds of one operation, measured once. */
  nsOf(name) {
    const { error, status, stdout, stderr } = spawnSync(this.#program, [name], { encoding: "utf8" });
    if (error !== undefined || status !== 0) {
      throw new Error(`baseline ${name}: ${error?.message ?? `status ${status}: ${stderr}`}`);
    }
    return Number(stdout.trim().split(" ")[1]);
  }

  remove() {
    rmSync(this.#directory, { recursive: true });
  }
}

/**
 * Measures one benchmark.
 *
 * @param {Benchmark} benchmark
 * @param {Baseline} baseline
 * @returns {Result}
 */
export function measure(benchmark, baseline) {
  const { name, unit, setup, run, rounds = ROUNDS, warmups = WARMUPS } = benchmark;
  const compared = benchmark.baseline !== undefined && baseline.missing === undefined;
  const state = setup?.();
  for (let i = 0; i < warmups; i++) run(state);
  const values = [];
  const baselines = [];
  for (let i = 0; i < rounds; i++) {
    if (compared) baselines.push(baseline.nsOf(benchmark.baseline));
    values.push(run(state));
  }
  const value = median(values);
  const ratio = compared
    ? NS_PER_OPERATION[unit](value) / (median(baselines) * (benchmark.baselineOperations ?? 1))
    : null;
  return { name, value, unit, spread: (Math.max(...values) - Math.min(...values)) / value, ratio };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How long `work` takes, in nanoseconds. */
export function elapsedNs(work) {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

/** Bytes in use, on the heap and in array buffers, after a garbage collection. */
export function bytesInUse() {
  if (globalThis.gc === undefined) throw new Error("memory is measured with node --expose-gc only");
  // Some garbage (finalizers, code that is not used any more) goes only after several collections.
  let before = Infinity;
  for (;;) {
    globalThis.gc();
    // `external` includes array buffers.
    const { heapUsed, external } = process.memoryUsage();
    const bytes = heapUsed + external;
    if (bytes > before - 1024) return bytes;
    before = bytes;
  }
}

/** Fails the run when a benchmark did not do what it measures. */
export function check(right, what) {
  if (!right) throw new Error(`benchmark went wrong: ${what}`);
}
