import type { DmaNames } from "./dma-event.ts";
import { encode } from "./words.ts";

/** How trace.dat begins, and the tracing data in perf.data. */
export const TRACING_MAGIC: Uint8Array = Uint8Array.of(0x17, 0x08, 0x44, ...encode("tracing"));

const beginsWith = (head: Uint8Array, magic: Uint8Array): boolean =>
  magic.every((byte, i) => head[i] === byte);

/** Is this how a trace.dat of trace-cmd begins? */
export const isTraceDat = (head: Uint8Array): boolean => beginsWith(head, TRACING_MAGIC);

/** How perf.data begins: a number, in the byte order of the machine that recorded. */
const PERF_MAGIC = encode("PERFILE2");
const PERF_MAGIC_BIG = encode("2ELIFREP");
/** Bytes of the head in a pipe. */
const PIPE_HEAD = 16;

/** Is this how a perf.data of a machine with this byte order begins? */
export const isPerfData = (head: Uint8Array, littleEndian: boolean): boolean =>
  beginsWith(head, littleEndian ? PERF_MAGIC : PERF_MAGIC_BIG);

/** Was it written to a pipe (`perf record -o -`)? Its parts come in the order in which they are read. */
export const isPerfPipe = (head: Uint8Array): boolean =>
  (isPerfData(head, true) && head[8] === PIPE_HEAD) || (isPerfData(head, false) && head[15] === PIPE_HEAD);

/** Is this how a recording begins that is no text? */
export const isRecording = (head: Uint8Array): boolean =>
  isTraceDat(head) || isPerfData(head, true) || isPerfData(head, false);

/** A recording of Linux' events in a file that is no text, and is not read from its start to its end. */
export interface Recording {
  /** What was read and left out. */
  readonly counts: {
    readonly events: number;
    readonly other: number;
    readonly kernel: number;
    readonly damaged: number;
    /** Places where events were lost. */
    readonly lostMarkers: number;
  };
  readonly names: DmaNames & {
    /** Were events of ours switched on, whether any came or not? */
    readonly areRecorded: boolean;
  };
  /** How many records there were of other events, by their names. */
  readonly others: ReadonlyMap<string, number>;
  /** Names of other buffers that have events and are not read. */
  readonly otherBuffers: readonly string[];
  /** CPUs that are told of; 0 if nothing says. */
  readonly cpus: number;
  /** Does it show that what was recorded on each CPU is there? Known when all of it was read. */
  readonly isWhole: boolean;
  /** Events that were overwritten before they were read; 0 if nothing says. */
  readonly overwritten: number;
  /** Reads all of it, and notifies of its events: each step has read some more. */
  steps(): AsyncGenerator<void>;
}
