/**
 * Saved machines: `info` and `map` on a stream of 2 GiB, which is one empty
 * window of 2^28 entries, as processes of their own; `cat` of the same file for
 * comparison. The stream is written by us, so saving is measured, too.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Machine, saveTables, writeMigration } from "../engine.mjs";
import { check, elapsedNs } from "../harness.mjs";
import { seeded } from "../random.mjs";

const CLI = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
const CREATE_WINDOW = 0x2027;
/** Prints what it runs needs at most, in KiB. */
const PEAK = "process.on('exit', () => console.error('maxrss', process.resourceUsage().maxRSS))";

let stream;

/** The stream in a folder of its own, written once and removed at the end. */
function streamFile() {
  if (stream !== undefined) return stream;
  const folder = mkdtempSync(join(tmpdir(), "spapr-iommu-stream-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  stream = join(folder, "machine.mig");
  const file = openSync(stream, "w");
  for (const piece of writeMigration("pseries-7.2", saveTables(machineWith(28)))) writeSync(file, piece);
  closeSync(file);
  check(statSync(stream).size > 2 ** 31, "the stream is too short");
  run("cat");
  return stream;
}

/** A machine with a second window of 2^n entries of 64 KiB. */
function machineWith(n) {
  const machine = new Machine();
  const [status] = machine.rtas(CREATE_WINDOW, [0, 0x0800_0000, 0x2000_0000, 16, 16 + n], 4);
  check(status === 0, "no window");
  return machine;
}

/** Milliseconds and KiB of a verb on the stream, or of cat. */
function run(verb) {
  const command =
    verb === "cat"
      ? ["cat", [streamFile()]]
      : [
          process.execPath,
          ["--import", `data:text/javascript,${encodeURIComponent(PEAK)}`, CLI, verb, streamFile()],
        ];
  let result;
  const ns = elapsedNs(() => {
    const output = openSync("/dev/null", "w");
    result = spawnSync(command[0], command[1], { stdio: ["ignore", output, "pipe"], encoding: "utf8" });
    closeSync(output);
  });
  check(result.status === 0, `${verb} failed: ${result.stderr}`);
  return { ms: ns / 1e6, kib: Number(/maxrss (\d+)/.exec(result.stderr)?.[1]) };
}

const timeOf = (verb) => ({
  name: `stream-${verb}`,
  unit: "ms",
  better: "lower",
  target: "2 GiB, an empty table of 2^28 entries",
  run: () => run(verb).ms,
});

/** How many times cat's time a verb takes, beside the 200 ms that it may take to start. */
const boundOf = (verb) => ({
  name: `stream-${verb}-over-cat`,
  unit: "times cat, beside 200 ms",
  better: "lower",
  target: "<= 3",
  run: () => {
    // Taking turns, so that a busy machine slows down both.
    const times = [run(verb).ms, run("cat").ms, run(verb).ms, run("cat").ms];
    return (times[0] + times[2] - 2 * 200) / (times[1] + times[3]);
  },
});

export const benchmarks = [
  { ...timeOf("cat"), target: "for comparison: cat of the same file" },
  timeOf("info"),
  timeOf("map"),
  boundOf("info"),
  boundOf("map"),
  {
    name: "stream-memory",
    unit: "MiB",
    better: "lower",
    target: "< 200",
    run: () => run("map").kib / 2 ** 10,
    rounds: 3,
    warmups: 0,
  },
  ...[false, true].map((full) => ({
    name: full ? "save-window-of-2^20-mapped" : "save-empty-window",
    unit: "us",
    better: "lower",
    target: full ? "as an empty one: O(1)" : "2^31 entries",
    setup: () => {
      const machine = machineWith(31);
      const random = seeded(1);
      const { table } = machine.phbs[0].windows[1];
      for (let i = 0; full && i < 2 ** 20; i++) table.put(i * 2048 + random(2048), random(2 ** 32), 3);
      check(table.validCount === (full ? 2 ** 20 : 0), "not as many entries");
      return machine;
    },
    run: (machine) => {
      const times = 10_000;
      let saved = 0;
      const ns = elapsedNs(() => {
        for (let i = 0; i < times; i++) saved += saveTables(machine).length;
      });
      check(saved === 2 * times, "not all windows were saved");
      return ns / 1e3 / times;
    },
  })),
];
