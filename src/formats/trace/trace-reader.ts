import type { DmaNames, LinuxDmaEvent } from "./dma-event.ts";
import type { HostEvent } from "./host-event.ts";
import type { KernelEvent } from "./kernel-event.ts";
import type { DamagedLine } from "./line-reader.ts";
import type { QemuTraceEvent } from "./trace-event.ts";

/**
 * Something that is missing from a trace, or cannot be read.
 *
 * @public
 */
export interface Gap {
  /**
   * `torn`: the end is cut off. `damaged`: in the middle. `dropped`: the tracer lost events, somewhere near. `mixed`: from
   * here on there are events of several machines, and none is read. `empty`: events of ours were switched on, and none came.
   * `unread`: there is evidence of another kind, which is not read.
   */
  readonly kind: "torn" | "damaged" | "dropped" | "mixed" | "empty" | "unread";
  /** Line or byte offset. */
  readonly line: number;
  readonly message: string;
}

/** Can events be missing at a gap, after which others are read? */
export const losesEvents = ({ kind }: Gap): boolean =>
  kind === "damaged" || kind === "dropped" || kind === "mixed";

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
  /** An event of the host's side of a log of QEMU; not told if nobody asks. */
  host?(event: HostEvent): void;
  /** Linux says something of DMA in another line. Without this method such lines are other text. */
  kernel?(event: KernelEvent, names: DmaNames): void;
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
  /** Was an event of ours read? */
  readonly found: boolean;
  /** Was anybody notified of anything? */
  readonly hasNotified: boolean;
  /** Other lines in which Linux says something of DMA. */
  readonly kernelLines: number;
  /** Lines of a text that are evidence of another kind, which this does not read. */
  readonly unread?: number;
  /** Lines of a text that were read to their ends. */
  readonly lines: number | undefined;
  /** Lines (of a binary trace: records) that are no event of ours. */
  readonly skipped: number;
  /** The first few lines that name an event of ours and cannot be read as one. */
  readonly damagedLines: readonly DamagedLine[];
  /** CPUs of the machine and entries of its buffer, 0 where the trace does not say. */
  readonly cpus: number;
  readonly entries: number;
  /** Names that Linux' events have numbers of; without any for QEMU. */
  readonly names: DmaNames;
  /** Each line of the text that comes now stands twice: it is to be read once. Of a binary trace nothing. */
  readTwinsOnce(): void;
  push(chunk: Uint8Array): void;
  /** Ends the trace; what is missing of its end is a gap. */
  end(): void;
}

/**
 * Formats of traces: QEMU's `log` and `simple` backends, and text of Linux' `dma:*` events.
 *
 * @public
 */
export type TraceFormat = "qemu-log" | "qemu-simple" | "linux-dma";

/** Reads traces of a format. */
export interface TraceFormatReader {
  readonly format: TraceFormat;
  /** Of a binary format: is this how its files begin? Text is known by its first event. */
  readonly begins?: (head: Uint8Array) => boolean;
  read(handlers: TraceHandlers): TraceReader;
}
