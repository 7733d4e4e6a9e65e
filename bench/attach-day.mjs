/**
 * `node bench/attach-day.mjs [--events N] [--seconds S] [--rate R]`: a day's events through `attach`.
 *
 * A writer makes QEMU's log: for so many seconds at a rate, and then as fast as it is read; a monitor answers as QEMU's does.
 * The log is rotated as virtlogd does it, by renaming, so that it does not grow without end. Exits with 1 if an event is
 * lost, something is wrong with a state, or memory grew by more than a tenth while the rate was the same.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startMonitor } from "./fake-monitor.mjs";
import { makeCycle } from "./log-cycle.mjs";

const MAIN = fileURLToPath(new URL("../dist/program/main.js", import.meta.url));
/** Lines after which nothing is mapped. */
const CYCLE = 100_000;
/** Bytes of the log at which it is rotated. */
const ROTATE = 64 * 2 ** 20;
/** Lines that the writer is ahead at most, when it writes as fast as it can: less than a log, so that no log is missed. */
const AHEAD = 200_000;
/** Time between two writes, in milliseconds. */
const TICK = 10;
/** How much more memory it may take at the end than at the beginning, of what it reads at one rate. */
const MOST_GROWTH = 1.1;

const number = (text) => Number(text.replaceAll("_", ""));

function parse() {
  const { values } = parseArgs({
    options: {
      events: { type: "string", default: "1_000_000" },
      seconds: { type: "string", default: "5" },
      rate: { type: "string", default: "100_000" },
    },
  });
  const events = Math.ceil(number(values.events) / CYCLE) * CYCLE;
  return { events, seconds: number(values.seconds), rate: number(values.rate) };
}

/** Writes a cycle again and again. */
class Writer {
  #path;
  #cycle;
  #file;
  #size = 0;
  written = 0;
  rotations = 0;

  constructor(log, cycle) {
    this.#path = log;
    this.#cycle = cycle;
    this.#file = openSync(log, "w");
  }

  write(lines) {
    const { bytes, ends } = this.#cycle;
    for (let left = lines; left > 0; ) {
      const from = this.written % CYCLE;
      const count = Math.min(left, CYCLE - from);
      const start = from === 0 ? 0 : ends[from - 1];
      for (let at = start; at < ends[from + count - 1]; ) {
        at += writeSync(this.#file, bytes, at, ends[from + count - 1] - at);
      }
      this.#size += ends[from + count - 1] - start;
      this.written += count;
      left -= count;
    }
    if (this.#size >= ROTATE) this.#rotate();
  }

  close() {
    closeSync(this.#file);
  }

  #rotate() {
    renameSync(this.#path, `${this.#path}.0`);
    closeSync(this.#file);
    this.#file = openSync(this.#path, "w");
    this.#size = 0;
    this.rotations++;
  }
}

/** Resident memory in MiB, and seconds of the CPU so far. */
function usageOf(pid) {
  const [, resident] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return { memory: Number(resident) / 1024, cpu: (Number(fields[11]) + Number(fields[12])) / 100 };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const { events, seconds, rate } = parse();
const folder = mkdtempSync(path.join(tmpdir(), "attach-day-"));
const socket = path.join(folder, "qmp");
const log = path.join(folder, "qemu.log");
const stopMonitor = await startMonitor(socket);
const cycle = makeCycle(CYCLE);
const writer = new Writer(log, cycle);
const args = [
  "attach",
  "--qmp",
  socket,
  "--log",
  log,
  "--base",
  "none",
  "--output",
  "jsonl",
  "--refresh",
  "100",
];
const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "inherit"] });
const exit = new Promise((resolve) => child.on("close", resolve));
let attached;
const isAttached = new Promise((resolve) => {
  attached = resolve;
});
let read = 0;
let lag = { bytes: 0, seconds: 0 };
const most = { bytes: 0, seconds: 0 };
let end;
createInterface({ input: child.stdout }).on("line", (line) => {
  const item = JSON.parse(line);
  if (item.type === "attached") attached();
  if (item.type === "doubt") console.error(`not known: ${item.doubt}`);
  if (item.type === "end") end = item;
  if (item.events === undefined) return;
  read = item.events;
  lag = item.lag;
  most.bytes = Math.max(most.bytes, lag.bytes);
  most.seconds = Math.max(most.seconds, lag.seconds);
});
const memories = { steady: [], fast: [] };
let phase = memories.steady;
let seen = 0;
const watch = setInterval(() => {
  const { memory } = usageOf(child.pid);
  phase.push(memory);
  if (seen++ % 10 !== 0) return;
  const parts = [`${read.toLocaleString("en")} events`, `${memory.toFixed(0)} MiB`];
  console.error([...parts, `lag ${lag.bytes} bytes, ${lag.seconds} s`].join(", "));
}, 1000);

/**
 * Memory in MiB while it read at one rate. It goes up and down with the garbage that is not collected yet; so what counts
 * is the median of the last third over that of the first one.
 */
function memoryOf(samples) {
  const third = Math.ceil(samples.length / 3);
  const median = (part) => part.toSorted((a, b) => a - b)[part.length >> 1] ?? 0;
  const first = median(samples.slice(0, third));
  const last = median(samples.slice(-third));
  return { first, last, most: Math.max(0, ...samples), growth: first === 0 ? 1 : last / first };
}

try {
  await isAttached;
  const beganAt = performance.now();
  const steady = Math.min(events, rate * seconds);
  while (writer.written < steady) {
    const due = Math.floor(((performance.now() - beganAt) / 1000) * rate);
    writer.write(Math.min(due, steady) - writer.written);
    await sleep(TICK);
  }
  const atRate = { seconds: (performance.now() - beganAt) / 1000, lag: { ...most } };
  while (read < writer.written) await sleep(TICK);
  phase = memories.fast;
  const cpuBefore = usageOf(child.pid).cpu;
  const fastAt = performance.now();
  while (writer.written < events) {
    const room = Math.min(AHEAD - (writer.written - read), events - writer.written);
    if (room > 0) writer.write(Math.min(room, CYCLE / 4));
    await sleep(room > 0 ? 0 : TICK);
  }
  while (read < writer.written && end === undefined) await sleep(TICK);
  const fast = (performance.now() - fastAt) / 1000;
  const { cpu } = usageOf(child.pid);
  clearInterval(watch);
  child.kill("SIGINT");
  const status = await exit;
  const pages = (cycle.pages * events) / CYCLE;
  const [traffic] = end.traffic;
  const memory = { steady: memoryOf(memories.steady), fast: memoryOf(memories.fast) };
  const result = {
    events: end.events,
    written: writer.written,
    pagesMapped: traffic.pagesMapped,
    pagesWritten: pages,
    stillMapped: end.windows[0].mapped,
    doubts: end.doubts,
    mistakes: end.findings.errors,
    status,
    steady: { events: steady, ...atRate },
    fast: {
      events: events - steady,
      seconds: fast,
      eventsPerSecond: Math.round((events - steady) / fast),
      cpuMicroseconds: ((cpu - cpuBefore) / (events - steady)) * 1e6,
    },
    mostLag: most,
    memory,
    rotations: writer.rotations,
  };
  console.log(JSON.stringify(result, null, 2));
  const isRight =
    end.events === writer.written &&
    traffic.pagesMapped === pages &&
    end.windows[0].mapped === 0 &&
    end.doubts.length === 0 &&
    status === 0 &&
    memory.steady.growth <= MOST_GROWTH &&
    memory.fast.growth <= MOST_GROWTH;
  process.exitCode = isRight ? 0 : 1;
} finally {
  clearInterval(watch);
  child.kill();
  await exit;
  writer.close();
  stopMonitor();
  rmSync(folder, { recursive: true, force: true });
}
