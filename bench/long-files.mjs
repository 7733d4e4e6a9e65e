/**
 * Long trace.dat and perf.data, made of what was recorded once: the same events again and again, with moved times.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { RawClock } from "../dist/formats/event-format/raw-clock.js";
import { USUAL_PAGE } from "../dist/formats/event-format/tracing-data.js";
import { CpuCursor } from "../dist/formats/trace-dat/cpu-cursor.js";
import { readDatHead } from "../dist/formats/trace-dat/dat-file.js";

const PAGE = 4096;
const PAGE_HEAD = 16;
/** Times are this much closer than they were recorded, so that each fits into its record. */
const FASTER = 1000;
const BLOCK = 2 ** 22;

const readerOf = (bytes) => ({ read: async (offset, length) => bytes.subarray(offset, offset + length) });

/** The records of each CPU: their data, and the nanoseconds since the first one of all. */
function recordsOf(bytes, { buffers: [buffer] }) {
  const cursors = buffer.cpus.map(({ cpu, offset, size }, index) => {
    const cursor = new CpuCursor({ cpu, index, littleEndian: true }, USUAL_PAGE, PAGE, () => {
      throw new Error("a damaged page");
    });
    cursor.take({ bytes: bytes.subarray(offset, offset + size), offset, isPacked: false });
    return cursor;
  });
  const clock = new RawClock(cursors.map(({ firstTime }) => firstTime).sort()[0], false);
  return cursors.map((cursor) => {
    cursor.begin(clock);
    const records = [];
    while (cursor.advance())
      records.push({
        data: cursor.bytes.slice(cursor.start, cursor.end),
        time: Math.floor(cursor.time / FASTER),
      });
    return records;
  });
}

/** Writes the pages of a CPU; returns their bytes. */
function writePages(file, offset, records, rounds, length) {
  const block = Buffer.alloc(BLOCK);
  let written = 0;
  let page = 0;
  let at = PAGE;
  let last = 0;
  const endPage = () => {
    block.writeBigUInt64LE(BigInt(at - PAGE_HEAD - page), page + 8);
    page += PAGE;
    if (page < BLOCK) return;
    writeSync(file, block, 0, BLOCK, offset + written);
    written += BLOCK;
    page = 0;
    block.fill(0);
  };
  let isOpen = false;
  for (let round = 0; round < rounds; round++) {
    for (const { data, time } of records) {
      const now = round * length + time;
      const words = data.length / 4;
      const size = data.length + (words > 28 ? 8 : 4);
      if (isOpen && at + size > page + PAGE) {
        endPage();
        isOpen = false;
      }
      if (!isOpen) {
        block.writeBigUInt64LE(BigInt(now) + 1_000_000_000n, page);
        at = page + PAGE_HEAD;
        last = now;
        isOpen = true;
      }
      block.writeUInt32LE((((now - last) << 5) | (words > 28 ? 0 : words)) >>> 0, at);
      at += 4;
      if (words > 28) {
        block.writeUInt32LE(data.length + 4, at);
        at += 4;
      }
      block.set(data, at);
      at += data.length;
      last = now;
    }
  }
  endPage();
  writeSync(file, block, 0, page, offset + written);
  return written + page;
}

/**
 * Writes a trace.dat of version 6.
 *
 * @param {string} path
 * @param {Uint8Array} recorded a short one of that version
 * @param {number} events how many it has at least
 */
export async function writeLongDat(path, recorded, events) {
  const head = await readDatHead(readerOf(recorded));
  const cpus = recordsOf(recorded, head);
  const each = cpus.reduce((sum, records) => sum + records.length, 0);
  const rounds = Math.ceil(events / each);
  const length = Math.max(...cpus.flat().map(({ time }) => time)) + 1000;
  const table = Buffer.from(recorded).indexOf("flyrecord\0") + 10;
  const begin = Buffer.from(recorded.subarray(0, table + cpus.length * 16));
  const file = openSync(path, "w");
  let offset = Math.ceil(begin.length / PAGE) * PAGE;
  for (const [cpu, records] of cpus.entries()) {
    const size = writePages(file, offset, records, rounds, length);
    begin.writeBigUInt64LE(BigInt(offset), table + cpu * 16);
    begin.writeBigUInt64LE(BigInt(size), table + cpu * 16 + 8);
    offset += size;
  }
  writeSync(file, begin, 0, begin.length, 0);
  closeSync(file);
  return rounds * each;
}

const SAMPLE = 9;
const FINISHED_ROUND = 68;
const TRACING_DATA = 66;
/** Bytes of the head of a pipe, and the place of a sample's time. */
const PIPE_HEAD = 16;
const SAMPLE_TIME = 32;
const SAMPLES_PER_ROUND = 5000;

/**
 * Writes a perf.data as perf writes it to a pipe, which older versions of perf read, too.
 *
 * @param {string} path
 * @param {Uint8Array} recorded a short one of that form
 * @param {number} events how many it has at least
 */
export function writeLongPerf(path, recorded, events) {
  const bytes = Buffer.from(recorded);
  const samples = [];
  const others = [];
  for (let at = PIPE_HEAD; at < bytes.length; ) {
    const type = bytes.readUInt32LE(at);
    const size = bytes.readUInt16LE(at + 6) + (type === TRACING_DATA ? bytes.readUInt32LE(at + 8) : 0);
    if (type !== FINISHED_ROUND) (type === SAMPLE ? samples : others).push(bytes.subarray(at, at + size));
    at += size;
  }
  const timeOf = (sample) => sample.readBigUInt64LE(SAMPLE_TIME);
  samples.sort((a, b) => Number(timeOf(a) - timeOf(b)));
  const first = timeOf(samples[0]);
  const times = samples.map((sample) => timeOf(sample) - first);
  const length = times.at(-1) + 1000n;
  const one = Buffer.concat(samples);
  const starts = samples.map((_, i) => samples.slice(0, i).reduce((sum, { length: size }) => sum + size, 0));
  const endOfRound = Buffer.alloc(8);
  endOfRound.writeUInt32LE(FINISHED_ROUND, 0);
  endOfRound.writeUInt16LE(8, 6);
  const file = openSync(path, "w");
  writeSync(file, Buffer.concat([bytes.subarray(0, PIPE_HEAD), ...others]));
  const rounds = Math.ceil(events / samples.length);
  const perWrite = Math.ceil(SAMPLES_PER_ROUND / samples.length);
  for (let round = 0; round < rounds; round += perWrite) {
    const pieces = Array.from({ length: Math.min(perWrite, rounds - round) }, (_, i) => {
      const piece = Buffer.from(one);
      const base = first + BigInt(round + i) * length;
      times.forEach((time, at) => {
        piece.writeBigUInt64LE(base + time, starts[at] + SAMPLE_TIME);
      });
      return piece;
    });
    writeSync(file, Buffer.concat([...pieces, endOfRound]));
  }
  closeSync(file);
  return rounds * samples.length;
}
