import type { LinuxDmaEvent } from "../../../src/formats/trace/dma-event.ts";
import type { KernelEvent } from "../../../src/formats/trace/kernel-event.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { SimpleTraceReader } from "../../../src/formats/trace/simple-trace.ts";
import type { QemuTraceEvent } from "../../../src/formats/trace/trace-event.ts";
import { findSchema } from "../../../src/formats/trace/trace-schema.ts";
import type { Random } from "../../helpers/random.ts";

/** What two ways of feeding one file must have in common. */
export interface Digest {
  events: number;
  hash: number;
  /** Counts and lists of the reader, as text. */
  rest: string;
}

interface Reader {
  readonly counts: object;
  push(chunk: Uint8Array): void;
  end(): void;
}

/** All readers by the ending of the corpus' files. */
export type ReaderKind = ".log.gz" | ".simple.gz" | ".txt.gz";
export const READER_KINDS: readonly ReaderKind[] = [".log.gz", ".simple.gz", ".txt.gz"];

const asText = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value;

const scratch = new Float64Array(1);
const scratchWords = new Int32Array(scratch.buffer);

/** Reads a file in the chunks that `feed` makes of it, and mixes every field of every event into one number. */
export function digest(kind: ReaderKind, feed: (push: (chunk: Uint8Array) => void) => void): Digest {
  const result: Digest = { events: 0, hash: 0, rest: "" };
  const mix = (value: number): void => {
    scratch[0] = value;
    result.hash = Math.imul(result.hash ^ scratchWords[0]!, 0x0100_0193) ^ scratchWords[1]!;
  };
  /** What was read before, so that what is told is told in its place. */
  const mixCounts = ({ counts }: Reader): void => {
    for (const value of Object.values(counts)) mix(value);
  };
  const trace = (event: QemuTraceEvent): void => {
    result.events++;
    mixCounts(reader);
    for (const value of [event.kind, Number(event.pci), event.number, event.position, event.thread])
      mix(value);
    mix(event.seconds);
    mix(event.nanoseconds);
    for (const { word } of findSchema(event.kind, event.pci).fields) {
      mix(event.words[word]!);
      mix(event.words[word + 1]!);
    }
  };
  const dma = (event: LinuxDmaEvent): void => {
    result.events++;
    mixCounts(reader);
    for (const value of Object.values(event)) if (typeof value !== "object") mix(Number(value));
    for (const list of [event.ranges, event.rangeSizes, event.entries]) {
      mix(list.length);
      for (let i = 0; i < list.length * 2; i++) mix(list.words[i]!);
    }
  };
  const kernel = ({ line, number, seconds, nanoseconds, task, pid, what }: KernelEvent): void => {
    mixCounts(reader);
    for (const value of [line, number, seconds, nanoseconds, task, pid]) mix(value);
    for (const value of new TextEncoder().encode(JSON.stringify(Object.entries(what), asText))) mix(value);
  };
  const readers: Record<ReaderKind, () => Reader> = {
    ".log.gz": () => new QemuLogReader(trace),
    ".simple.gz": () => new SimpleTraceReader(trace),
    ".txt.gz": () => new DmaLogReader(dma, kernel),
  };
  const reader: Reader = readers[kind]();
  feed((chunk) => reader.push(chunk));
  reader.end();
  if (reader instanceof DmaLogReader) {
    const { counts, damagedLines, devices, tasks, line } = reader;
    result.rest = JSON.stringify([counts, damagedLines, devices.names, tasks.names, line]);
  } else if (reader instanceof QemuLogReader) {
    result.rest = JSON.stringify([reader.counts, reader.damagedLines, reader.line]);
  } else if (reader instanceof SimpleTraceReader) {
    const { counts, drops, broken, version, processId } = reader;
    result.rest = JSON.stringify([counts, drops, broken, version, processId]);
  }
  return result;
}

export const whole =
  (bytes: Uint8Array) =>
  (push: (chunk: Uint8Array) => void): void =>
    push(bytes);

export const byteByByte =
  (bytes: Uint8Array) =>
  (push: (chunk: Uint8Array) => void): void => {
    for (let at = 0; at < bytes.length; at++) push(bytes.subarray(at, at + 1));
  };

/** Chunks of up to `longest` bytes, often much shorter, some of them empty. */
export const inPieces =
  (bytes: Uint8Array, longest: number, random: Random) =>
  (push: (chunk: Uint8Array) => void): void => {
    for (let at = 0; at < bytes.length; ) {
      const size = random.below(1 + random.below(longest + 1));
      push(bytes.subarray(at, at + size));
      at += size;
    }
  };
