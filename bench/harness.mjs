/**
 * How a benchmark is measured: a warm-up, then rounds in which the engine, the
 * C baseline and the reference build (reference-build.mjs) take turns, so that
 * a busy machine slows down all. Quoted is the median of the rounds.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { REFERENCE } from "./reference-build.mjs";

/**
 * @typedef {object} Benchmark
 * @property {string} name
 * @property {string} unit one of {@link NS_PER_OPERATION} if there is a baseline
 * @property {"higher" | "lower"} better
 * @property {string} target the promise, as text
 * @property {() => unknown} [setup] makes what `run` works on, or a promise of it; not measured
 * @property {(state: any) => number | Promise<number>} run one round: the value in `unit`
 * @property {string} [baseline] name of the benchmark in baseline.c
 * @property {number} [baselineOperations] operations of the baseline that are one of ours; default 1
 * @property {number} [rounds] default {@link ROUNDS}
 * @property {number} [warmups] rounds that do not count; default {@link WARMUPS}
 * @property {Floor} [floor] the least that JavaScript can do for it (floors.mjs); the row `NAME-floor` is our
 *   time over its time
 * @property {string} [over] how many times as fast as the reference build it must be, as text; without it they
 *   are not compared
 */

/**
 * @typedef {object} Floor
 * @property {(state: any) => unknown} setup makes what `run` works on, or a promise of it, from the state of the benchmark
 * @property {(state: any) => number | Promise<number>} run one round: nanoseconds of one operation
 */

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {number} value median of the rounds
 * @property {string} unit
 * @property {number} spread (max - min) / median of the rounds
 * @property {number | null} ratio our time / the baseline's; null without a compiler or a baseline
 * @property {string} target
 */

/** {@link Benchmark.over} of what no change may slow down. */
export const NOT_SLOWER = "at least 0.95";

const ROUNDS = 7;
const WARMUPS = 2;

/** Nanoseconds of one operation, from a value in a unit. */
const NS_PER_OPERATION = {
  "calls/s": (value) => 1e9 / value,
  "pairs/s": (value) => 1e9 / value,
  "translations/s": (value) => 1e9 / value,
  "million lines/s": (value) => 1e3 / value,
  "accesses/s": (value) => 1e9 / value,
  "maps/s": (value) => 1e9 / value,
  // Nanoseconds of a byte.
  "MB/s": (value) => 1e3 / value,
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
 * What takes turns in a measurement.
 *
 * @typedef {object} Contenders
 * @property {import("./rounds.mjs").Rounds} today
 * @property {import("./rounds.mjs").Rounds | undefined} reference
 * @property {Baseline} baseline
 */

/**
 * Measures one benchmark.
 *
 * @param {string} group
 * @param {Benchmark} benchmark
 * @param {Contenders} contenders
 * @returns {Promise<Result[]>} its row, and the rows over the reference build and over its floor, if they are compared
 */
export async function measure(group, benchmark, { today, reference, baseline }) {
  const { name, unit, target, better, rounds = ROUNDS, warmups = WARMUPS } = benchmark;
  const withBaseline = benchmark.baseline !== undefined && baseline.missing === undefined;
  const other = benchmark.over === undefined ? undefined : reference;
  await today.prepare(group, name, warmups);
  await other?.prepare(group, name, warmups);
  const values = [];
  const others = [];
  const baselines = [];
  const overFloor = [];
  for (let i = 0; i < rounds; i++) {
    if (withBaseline) baselines.push(baseline.nsOf(benchmark.baseline));
    values.push(await today.round());
    if (other !== undefined) others.push(await other.round());
    if (benchmark.floor !== undefined)
      overFloor.push(NS_PER_OPERATION[unit](values[i]) / (await today.floor()));
  }
  const value = median(values);
  const ratio = withBaseline
    ? NS_PER_OPERATION[unit](value) / (median(baselines) * (benchmark.baselineOperations ?? 1))
    : null;
  const rows = [{ name, value, unit, better, spread: spreadOf(values), ratio, target }];
  if (other !== undefined) {
    const times = values.map((ours, i) => (better === "higher" ? ours / others[i] : others[i] / ours));
    rows.push({
      name: `${name}-over-${REFERENCE}`,
      value: median(times),
      unit: "times",
      better: "higher",
      spread: spreadOf(times),
      ratio: null,
      target: benchmark.over,
    });
  }
  if (benchmark.floor !== undefined) {
    rows.push({
      name: `${name}-floor`,
      value: median(overFloor),
      unit: "times",
      better: "lower",
      spread: spreadOf(overFloor),
      ratio: null,
      target: "our time over the least of JavaScript",
    });
  }
  return rows;
}

const spreadOf = (values) => (Math.max(...values) - Math.min(...values)) / median(values);

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

/** Nanoseconds of processor time that `work` takes, that of V8's compiler and garbage collector included. */
export function cpuNs(work) {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1e3;
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
