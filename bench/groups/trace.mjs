/**
 * Traces: `check` with all its work (reading, rebuilding every window, verifying
 * every answer, all detectors), in chunks as a file is read.
 *
 * The text is the largest recording, again and again, up to 1 GiB a round. For
 * comparison a script as people write it, with readline and regular expressions
 * (readline-reader.mjs), and `wc -l` read the recording once, from a file. Where
 * a ratio is quoted, both sides take turns, so that a busy machine slows down both.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import {
  DEFAULT_CHECK_OPTIONS,
  DmaLogReader,
  QemuLogReader,
  SimpleTraceReader,
  TraceCheck,
} from "../engine.mjs";
import { bytesInUse, check, cpuNs, elapsedNs, NOT_SLOWER } from "../harness.mjs";
import { liveMaps, longRecording } from "../linux-text.mjs";
import { textFloor } from "../text-floor.mjs";

const CHUNK = 1 << 20;
const GIB = 2 ** 30;

const recording = (name) =>
  gunzipSync(readFileSync(new URL(`../../test/corpus/traces/${name}.gz`, import.meta.url)));

const LOG = "net-load-disable-ddw-e1000-linux61.log";
const DMA = "dma-x86-linux612-vtd-iommu-events.txt";
const DMA_PAIRS = "dma-ppc64le-linux612-nvme-e1000.txt";
const SIMPLE = "simple-net-load-disable-ddw-e1000-linux61.simple";

function* repeated(bytes, total) {
  for (let read = 0; read < total; read += bytes.length) {
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
  }
}

/** Checks the recording again and again; the report and the seconds it took. */
function checkRepeated(bytes, total) {
  let report;
  const ns = elapsedNs(() => {
    const trace = new TraceCheck("bench", DEFAULT_CHECK_OPTIONS);
    for (const chunk of repeated(bytes, total)) trace.push(chunk);
    report = trace.end();
  });
  check(report.mismatches === 0 && report.verified > 0, "a mismatch");
  return { report, seconds: ns / 1e9 };
}

const bytesOf = (recorded, total) => Math.ceil(total / recorded.length) * recorded.length;

/** MB/s of a check of 1 GiB. */
const checkRate = (bytes) => bytesOf(bytes, GIB) / 1e6 / checkRepeated(bytes, GIB).seconds;

/** The recording, and a file that other programs can read it from. */
function recordingInFile() {
  const directory = mkdtempSync(join(tmpdir(), "spapr-iommu-bench-"));
  process.once("exit", () => rmSync(directory, { recursive: true }));
  const bytes = recording(LOG);
  const file = join(directory, LOG);
  writeFileSync(file, bytes);
  return { bytes, file };
}

/** MB/s of a script with readline and regular expressions, a process of its own. */
function readlineRate({ bytes, file }) {
  const script = fileURLToPath(new URL("../readline-reader.mjs", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, file], { encoding: "utf8" });
  check(status === 0, "the reader failed");
  const [seconds, events] = stdout.split(" ").map(Number);
  check(events > 1e6, "the reader did not read");
  return bytes.length / 1e6 / seconds;
}

/** MB/s of `wc -l`, its start included. */
function wcRate({ bytes, file }) {
  const ns = elapsedNs(() => check(spawnSync("wc", ["-l", file]).status === 0, "wc failed"));
  return bytes.length / 1e6 / (ns / 1e9);
}

/** Bytes that are read in a round, at least. */
const READ_BYTES = 1e8;

/** Reading alone, by file after file of one recording. */
const readingOf = (name, file, Reader, target) => ({
  name,
  unit: "million events/s",
  better: "higher",
  target,
  over: NOT_SLOWER,
  setup: () => recording(file),
  run: (bytes) => {
    let events = 0;
    let taken = 0;
    const ns = elapsedNs(() => {
      for (let read = 0; read < READ_BYTES; read += bytes.length) {
        const reader = new Reader(() => {
          taken++;
        });
        for (const chunk of repeated(bytes, 1)) reader.push(chunk);
        reader.end();
        events += reader.counts.events;
      }
    });
    check(taken === events && events > 0, `${taken} of ${events} events`);
    return events / 1e6 / (ns / 1e9);
  },
});

/** Bytes of a text of Linux that is checked. */
const DMA_BYTES = 64e6;
/** Maps that are alive at once, of a tenth of them and of all; and bytes of each. */
const LIVE_MAPS = [10_000, 100_000];
const LIVE_SIZES = [2 ** 24, 2 ** 30];

function checkDma(bytes) {
  const trace = new TraceCheck("bench", DEFAULT_CHECK_OPTIONS);
  for (const chunk of repeated(bytes, 1)) trace.push(chunk);
  return trace;
}

/** What a check of so many live maps costs: nanoseconds and bytes. */
function costOfLive(bytes, count) {
  let trace;
  const before = bytesInUse();
  const ns = elapsedNs(() => {
    trace = checkDma(bytes);
  });
  const used = bytesInUse() - before;
  check(trace.end().events === count, "maps are missing");
  return [ns, used];
}

/** How much more a map costs among ten times as many, in the worst of time and memory at both sizes. */
function growth(texts) {
  const grown = texts.flatMap(([few, many]) => {
    const small = costOfLive(few, LIVE_MAPS[0]);
    const large = costOfLive(many, LIVE_MAPS[1]);
    return small.map((cost, i) => large[i] / cost / (LIVE_MAPS[1] / LIVE_MAPS[0]));
  });
  return Math.max(...grown);
}

export const benchmarks = [
  {
    name: "check-text",
    unit: "MB/s",
    better: "higher",
    target: ">= 150 (1 GiB of QEMU log)",
    setup: () => recording(LOG),
    run: checkRate,
    rounds: 3,
    warmups: 1,
  },
  {
    name: "check-events",
    unit: "million events/s",
    better: "higher",
    target: ">= 1.5",
    over: NOT_SLOWER,
    setup: () => recording(LOG),
    run: (bytes) => {
      const { report, seconds } = checkRepeated(bytes, GIB / 4);
      return report.events / 1e6 / seconds;
    },
    rounds: 5,
    warmups: 1,
  },
  {
    name: "check-memory",
    unit: "MiB",
    better: "lower",
    target: "< 512, whatever the length",
    setup: () => recording(LOG),
    run: (bytes) => {
      checkRepeated(bytes, GIB);
      return process.memoryUsage.rss() / 2 ** 20;
    },
    rounds: 1,
    warmups: 0,
  },
  {
    name: "check-dma",
    unit: "million lines/s",
    better: "higher",
    target: ">= 1.5 (text of Linux; time of the processor)",
    over: "at least 4",
    setup: () => longRecording(recording(DMA_PAIRS), DMA_BYTES),
    run: (bytes) => {
      let report;
      const ns = cpuNs(() => {
        report = checkDma(bytes).end();
      });
      check(report.findings.length === 0 && report.events > 1e5, "a finding, or no events");
      return report.events / 1e6 / (ns / 1e9);
    },
    floor: textFloor(),
    rounds: 5,
    warmups: 2,
  },
  {
    name: "check-dma-live-maps",
    unit: "times the cost of a map",
    better: "lower",
    target: "< 2 (time and memory of 100,000 live maps of 16 MiB and 1 GiB, for one of 10,000)",
    setup: () => LIVE_SIZES.map((size) => LIVE_MAPS.map((count) => liveMaps(count, size))),
    run: growth,
    rounds: 3,
    warmups: 1,
  },
  readingOf("read-log", LOG, QemuLogReader, "for comparison: without any checks"),
  readingOf("read-simple", SIMPLE, SimpleTraceReader, ">= 5"),
  readingOf("read-dma", DMA, DmaLogReader, ""),
  {
    name: "readline-and-regexp",
    unit: "MB/s",
    better: "higher",
    target: "for comparison: a script that only reads",
    setup: recordingInFile,
    run: readlineRate,
    rounds: 3,
    warmups: 0,
  },
  {
    name: "check-over-readline",
    unit: "times as fast",
    better: "higher",
    target: ">= 6",
    setup: recordingInFile,
    run: (recorded) => checkRate(recorded.bytes) / readlineRate(recorded),
    rounds: 3,
    warmups: 1,
  },
  {
    name: "wc-lines",
    unit: "MB/s",
    better: "higher",
    target: "for comparison: wc -l",
    setup: recordingInFile,
    run: wcRate,
    rounds: 5,
  },
  {
    name: "wc-over-check",
    unit: "times as fast",
    better: "lower",
    target: "for comparison",
    setup: recordingInFile,
    run: (recorded) => wcRate(recorded) / checkRate(recorded.bytes),
    rounds: 3,
    warmups: 0,
  },
];
