/**
 * How fast traces are read, in one thread: `npm run build && node bench/trace-readers.mjs [--json]`.
 *
 * Each recording is read again and again in chunks of 256 KiB until there was
 * enough of it; best and median of several passes. The QEMU log is read by
 * readline and a regular expression, too, as a script would do it.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { DmaLogReader } from "../dist/formats/trace/dma-log.js";
import { QemuLogReader } from "../dist/formats/trace/qemu-log.js";
import { SimpleTraceReader } from "../dist/formats/trace/simple-trace.js";

const CHUNK = 262_144;
const PASSES = 7;
/** Bytes of one pass, rounded up to whole recordings. */
const PASS_BYTES = 200e6;
const SLOW_PASS_BYTES = 30e6;

const recording = (name) =>
  gunzipSync(readFileSync(new URL(`../test/corpus/traces/${name}.gz`, import.meta.url)));

function* chunksOf(bytes, total) {
  for (let read = 0; read < total; read += bytes.length) {
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
  }
}

/** Takes two fields of each event, so that nothing can be left out. */
const checksum = { value: 0 };
const takeTrace = (event) => {
  checksum.value ^= event.iobaLo ^ event.tceLo ^ event.ret;
};
const takeDma = (event) => {
  checksum.value ^= event.dmaLo ^ event.device;
};

const readText = (makeReader) => (bytes) => {
  const reader = makeReader();
  for (const chunk of chunksOf(bytes, PASS_BYTES)) reader.push(chunk);
  reader.end();
  return reader.counts.events;
};

/** A binary trace has one header, so each round is a file of its own. */
function readSimple(bytes) {
  let events = 0;
  for (let read = 0; read < PASS_BYTES; read += bytes.length) {
    const reader = new SimpleTraceReader(takeTrace);
    for (const chunk of chunksOf(bytes, 1)) reader.push(chunk);
    reader.end();
    events += reader.counts.events;
  }
  return events;
}

const PATTERN =
  /^(?:(\d+)@(\d+\.\d+):)?spapr_iommu_(pci_)?(?:(put) liobn=0x([0-9a-f]+) ioba=0x([0-9a-f]+) tce=0x([0-9a-f]+) ret=(-?\d+)|(stuff) liobn=0x([0-9a-f]+) ioba=0x([0-9a-f]+) tcevalue=0x([0-9a-f]+) npages=(-?\d+) ret=(-?\d+)|(xlate) liobn=0x([0-9a-f]+) 0x([0-9a-f]+) -> 0x([0-9a-f]+) perm=(\d+) mask=0x([0-9a-f]+))$/;

async function readWithRegExp(bytes) {
  let events = 0;
  const lines = createInterface({ input: Readable.from(chunksOf(bytes, SLOW_PASS_BYTES)) });
  for await (const line of lines) {
    const match = PATTERN.exec(line);
    if (match === null) continue;
    events++;
    const ioba = BigInt(`0x${match[6] ?? match[11] ?? match[17]}`);
    const tce = BigInt(`0x${match[7] ?? match[12] ?? match[18]}`);
    checksum.value ^= Number((ioba ^ tce) & 0xffff_ffffn);
  }
  return events;
}

const LOG = "net-load-disable-ddw-e1000-linux61.log";
const CASES = [
  { name: "QEMU log", file: LOG, read: readText(() => new QemuLogReader(takeTrace)) },
  {
    name: "QEMU log with times",
    file: "nvme-4g-parallel-io-linux612-timestamps.log",
    read: readText(() => new QemuLogReader(takeTrace)),
  },
  { name: "QEMU simple", file: "simple-net-load-disable-ddw-e1000-linux61.simple", read: readSimple },
  {
    name: "Linux dma, trace_pipe",
    file: "dma-x86-linux72-vtd-lost-trace-pipe.txt",
    read: readText(() => new DmaLogReader(takeDma)),
  },
  {
    name: "Linux dma, perf script",
    file: "dma-ppc64le-linux612-perf-script.txt",
    read: readText(() => new DmaLogReader(takeDma)),
  },
  {
    name: "QEMU log, readline and RegExp",
    file: LOG,
    read: readWithRegExp,
    bytes: SLOW_PASS_BYTES,
    passes: 3,
  },
];

/** Seconds of each pass, sorted, and the events of one. */
async function measure({ file, read, bytes = PASS_BYTES, passes = PASSES }) {
  const recorded = recording(file);
  const total = Math.ceil(bytes / recorded.length) * recorded.length;
  const seconds = [];
  let events = 0;
  for (let pass = 0; pass < passes; pass++) {
    const start = performance.now();
    events = await read(recorded);
    seconds.push((performance.now() - start) / 1000);
  }
  seconds.sort((a, b) => a - b);
  return { seconds, total, events };
}

const results = [];
for (const one of CASES) {
  const { seconds, total, events } = await measure(one);
  const best = seconds[0];
  const median = seconds[Math.floor(seconds.length / 2)];
  results.push({
    name: one.name,
    megabytesPerSecond: { best: total / best / 1e6, median: total / median / 1e6 },
    eventsPerSecond: { best: events / best, median: events / median },
  });
}

if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(results)}\n`);
else {
  process.stdout.write("best (median)                      MB/s            million events/s\n");
  for (const { name, megabytesPerSecond: mb, eventsPerSecond: ev } of results) {
    const rate = `${mb.best.toFixed(0)} (${mb.median.toFixed(0)})`;
    const eventRate = `${(ev.best / 1e6).toFixed(2)} (${(ev.median / 1e6).toFixed(2)})`;
    process.stdout.write(`${name.padEnd(34)} ${rate.padEnd(15)} ${eventRate}\n`);
  }
}
