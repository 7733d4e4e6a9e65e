import type { DmaNames, LinuxDmaEvent } from "./dma-event.ts";
import type { QemuTraceEvent } from "./trace-event.ts";

/**
 * Something that is missing from a trace, or cannot be read.
 *
 * @public
 */
export interface Gap {
  /** `torn`: the end is cut off. `damaged`: in the middle. `dropped`: the tracer lost events, somewhere near. */
  readonly kind: "torn" | "damaged" | "dropped";
  /** Line or byte offset. */
  readonly line: number;
  readonly message: string;
}

/**
 * Who is notified of the events of a trace.
 *
 * @public
 */
export interface TraceHandlers {
  /** An event of QEMU. The object is used again. */
  qemu(event: QemuTraceEvent): void;
  /** An event of Linux. The object is used again. */
  linux(event: LinuxDmaEvent, names: DmaNames): void;
  /** Something is missing before the next event. */
  gap(gap: Gap): void;
}

/**
 * Reads a trace of one format, piece by piece.
 *
 * @public
 */
export interface TraceReader {
  /** What was read and left out; each reader has more of them. */
  readonly counts: { readonly events: number };
  /** Lines (of a binary trace: records) that are no event of ours. */
  readonly skipped: number;
  /** Names that Linux' events have numbers of; without any for QEMU. */
  readonly names: DmaNames;
  push(chunk: Uint8Array): void;
  /** Ends the trace; what is missing of its end is a gap. */
  end(): void;
}

/** How sure a format is of bytes that it is asked about. */
export const Likeness = {
  NONE: 0,
  /** They have marks of the format, but no event of ours. */
  LOOKS: 1,
  /** There is an event, or a magic number. */
  SURE: 2,
} as const;

/**
 * Formats of traces: QEMU's `log` and `simple` backends, and text of Linux' `dma:*` events.
 *
 * @public
 */
export type TraceFormat = "qemu-log" | "qemu-simple" | "linux-dma";

/** Tells a format of traces, and reads it. */
export interface TraceFormatReader {
  readonly format: TraceFormat;
  /** {@link Likeness} of the bytes that a trace begins with: 64 KiB, or all there is. */
  likeness(head: Uint8Array): number;
  read(handlers: TraceHandlers): TraceReader;
}
