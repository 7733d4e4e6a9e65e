/**
 * Recordings of Linux as the tools write them: `check` of a trace.dat and a perf.data with ten million events, beside what
 * the tools need to print them. Both sides are processes of their own that take turns; what counts is the time of the
 * processor, which a busy machine changes least.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { check } from "../harness.mjs";
import { writeLongDat, writeLongPerf } from "../long-files.mjs";

const EVENTS = 10_000_000;
const CLI = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));

const recording = (name) =>
  new Uint8Array(
    gunzipSync(readFileSync(new URL(`../../test/corpus/recordings/${name}.gz`, import.meta.url))),
  );

/** Is a program of the system there? */
const isThere = (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

let directory;
/** A file in a folder that goes when the bench ends. */
function fileNamed(name) {
  if (directory === undefined) {
    directory = mkdtempSync(join(tmpdir(), "spapr-iommu-bench-"));
    process.once("exit", () => rmSync(directory, { recursive: true }));
  }
  return join(directory, name);
}

/** Each file is made once. */
const files = new Map();
function once(name, make) {
  if (!files.has(name)) files.set(name, make(fileNamed(name)));
  return files.get(name);
}

const longDat = () =>
  once("long.dat", async (path) => {
    await writeLongDat(path, recording("612-v6.dat"), EVENTS);
    return path;
  });

const longPerf = () =>
  once("long.data", (path) => {
    writeLongPerf(path, recording("72-perf-pipe.data"), EVENTS);
    return path;
  });

const packedDat = () =>
  once("long-zstd.dat", async (path) => {
    const args = [
      "convert",
      "--file-version",
      "7",
      "--compression",
      "zstd",
      "-i",
      await longDat(),
      "-o",
      path,
    ];
    check(spawnSync("trace-cmd", args).status === 0, "trace-cmd convert failed");
    return path;
  });

/** Seconds of the processor that a command needs, with what it is printed for thrown away. */
function secondsOf(command, args) {
  const quoted = [command, ...args].map((word) => `'${word}'`).join(" ");
  const { stdout } = spawnSync("sh", ["-c", `${quoted} > /dev/null 2>&1; times`], { encoding: "utf8" });
  const times = stdout
    .trim()
    .split("\n")
    .at(-1)
    .matchAll(/(\d+)m([\d.]+)s/g);
  const seconds = [...times].reduce((sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest), 0);
  check(seconds > 0, `${command} did not run`);
  return seconds;
}

const secondsOfCheck = (path) => secondsOf(process.execPath, [CLI, "check", path]);

/** MiB that a check has at most. */
function memoryOfCheck(path) {
  const tell = "process.on('exit', () => console.error(process.resourceUsage().maxRSS))";
  const args = ["--import", `data:text/javascript,${encodeURIComponent(tell)}`, CLI, "check", path];
  const { stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  check(stdout.includes(`${EVENTS.toLocaleString("en-US").slice(0, 6)}`), "the check did not read all");
  return Number(stderr.trim().split("\n").at(-1)) / 1024;
}

const ONE_ROUND = { better: "lower", rounds: 1, warmups: 0 };

const withTraceCmd = [
  {
    ...ONE_ROUND,
    name: "check-dat-over-trace-cmd-report",
    unit: "times",
    target: "<= 0.2",
    setup: longDat,
    run: (path) => secondsOfCheck(path) / secondsOf("trace-cmd", ["report", path]),
  },
  {
    ...ONE_ROUND,
    name: "check-dat-zstd-over-plain",
    unit: "times",
    target: "<= 1.6 (1.3 where Node has zstd)",
    setup: async () => [await packedDat(), await longDat()],
    run: ([packed, plain]) => secondsOfCheck(packed) / secondsOfCheck(plain),
  },
];

const withPerf = [
  {
    ...ONE_ROUND,
    name: "check-perf-over-perf-script",
    unit: "times",
    target: "<= 0.2",
    setup: longPerf,
    run: (path) => secondsOfCheck(path) / secondsOf("perf", ["script", "-i", path]),
  },
];

export const benchmarks = [
  ...(isThere("trace-cmd") ? withTraceCmd : []),
  ...(isThere("perf") ? withPerf : []),
  ...[
    ["check-dat-memory", longDat],
    ["check-perf-memory", longPerf],
  ].map(([name, setup]) => ({
    ...ONE_ROUND,
    name,
    unit: "MiB",
    target: "< 256",
    setup,
    run: memoryOfCheck,
  })),
];
