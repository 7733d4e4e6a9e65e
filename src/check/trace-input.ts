import { IommuError } from "../base/errors.ts";
import { detectTraceFormat, type TraceFormat } from "../formats/trace/detect.ts";
import type { DmaEvent } from "../formats/trace/dma-event.ts";
import { DmaLogReader } from "../formats/trace/dma-log.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import { SimpleTraceReader } from "../formats/trace/simple-trace.ts";
import type { TraceEvent } from "../formats/trace/trace-event.ts";

/** Bytes that are looked at to tell the format. */
const HEAD_BYTES = 65_536;

/** Something that is missing from a trace, or cannot be read. */
export interface Gap {
  /** `torn`: the end is cut off. `damaged`: in the middle. `dropped`: the tracer lost events, somewhere near. */
  readonly kind: "torn" | "damaged" | "dropped";
  /** Line or byte offset. */
  readonly line: number;
  readonly message: string;
}

/** Who hears the events of a trace. */
export interface TraceHandlers {
  /** Events of QEMU. The object is used again. */
  trace(event: TraceEvent): void;
  /** Events of Linux. The object is used again. */
  dma(event: DmaEvent, reader: DmaLogReader): void;
  /** Something is missing before the next event. */
  gap(gap: Gap): void;
}

type AnyReader = QemuLogReader | SimpleTraceReader | DmaLogReader;

/** Reads a trace of any format, told by its first bytes. */
export class TraceInput {
  readonly #name: string;
  readonly #handlers: TraceHandlers;
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #bytes = 0;
  #format: TraceFormat | undefined;
  #reader: AnyReader | undefined;
  /** What the reader had found damaged when it was looked at last. */
  #seen = 0;
  #seenDrops = 0;

  /** @param name of the file, for messages */
  constructor(name: string, handlers: TraceHandlers) {
    this.#name = name;
    this.#handlers = handlers;
  }

  /** Known once 64 KiB or the end were read. */
  get format(): TraceFormat | undefined {
    return this.#format;
  }

  get events(): number {
    return this.#reader?.counts.events ?? 0;
  }

  /** Lines (of a binary trace: records) that are no event of ours. */
  get skipped(): number {
    const reader = this.#reader;
    if (reader === undefined) return 0;
    if (reader instanceof SimpleTraceReader) return reader.counts.otherEvents;
    const { damaged, long, torn } = reader.counts;
    const rest = damaged + long + torn;
    if (reader instanceof QemuLogReader) return rest + reader.counts.otherEvents + reader.counts.text;
    return rest + reader.counts.other + reader.counts.comments;
  }

  /**
   * Reads more.
   *
   * @throws IommuError UNSUPPORTED if it is no trace
   */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#reader !== undefined) {
      this.#reader.push(chunk);
      return;
    }
    this.#head.push(chunk.slice());
    this.#headBytes += chunk.length;
    if (this.#headBytes >= HEAD_BYTES) this.#begin();
  }

  /** Ends the trace, and tells what is missing of its end. */
  end(): void {
    if (this.#reader === undefined) this.#begin();
    const reader = this.#reader!;
    reader.end();
    if (reader instanceof SimpleTraceReader) {
      this.#lookAtRecords(reader);
      const { tornBytes } = reader.counts;
      if (tornBytes > 0)
        this.#tornEnd(this.#bytes - tornBytes, `the last record is cut off after ${tornBytes} bytes`);
    } else {
      this.#lookAtLines(reader);
      if (reader.counts.torn > 0) this.#tornEnd(reader.line, "the last line has no end: it may be cut off");
    }
  }

  #tornEnd(line: number, message: string): void {
    this.#handlers.gap({ kind: "torn", line, message });
  }

  #begin(): void {
    const head = new Uint8Array(this.#headBytes);
    let at = 0;
    for (const chunk of this.#head) {
      head.set(chunk, at);
      at += chunk.length;
    }
    this.#head = [];
    this.#format = detectTraceFormat(head);
    this.#reader = this.#makeReader();
    this.#reader.push(head);
  }

  #makeReader(): AnyReader {
    const handlers = this.#handlers;
    switch (this.#format) {
      case "qemu-log": {
        const reader = new QemuLogReader((event) => {
          if (reader.counts.damaged + reader.counts.long !== this.#seen) this.#lookAtLines(reader);
          handlers.trace(event);
        });
        return reader;
      }
      case "qemu-simple": {
        const reader = new SimpleTraceReader((event) => {
          const { breaks, droppedRecords } = reader.counts;
          if (breaks !== this.#seen || droppedRecords !== this.#seenDrops) this.#lookAtRecords(reader);
          handlers.trace(event);
        });
        return reader;
      }
      case "linux-dma": {
        const reader = new DmaLogReader((event) => {
          if (reader.counts.damaged + reader.counts.long !== this.#seen) this.#lookAtLines(reader);
          handlers.dma(event, reader);
        });
        return reader;
      }
      default:
        throw new IommuError(
          "UNSUPPORTED",
          `${this.#name}: no trace that is known here: no spapr_iommu events of QEMU (log or simple), no dma events of Linux`,
        );
    }
  }

  #lookAtLines(reader: QemuLogReader | DmaLogReader): void {
    const bad = reader.counts.damaged + reader.counts.long;
    if (bad === this.#seen) return;
    const last = reader.damagedLines[bad - 1];
    const more = bad - this.#seen;
    this.#seen = bad;
    const message = `${more === 1 ? "a line names" : `${more} lines name`} an event and cannot be read as one${last === undefined ? "" : `: ${last.text}`}`;
    this.#handlers.gap({ kind: "damaged", line: last?.line ?? reader.line, message });
  }

  #lookAtRecords(reader: SimpleTraceReader): void {
    const { breaks, droppedRecords } = reader.counts;
    if (breaks !== this.#seen) {
      this.#seen = breaks;
      const last = reader.broken[breaks - 1];
      const message =
        last === undefined
          ? "records are broken"
          : `bytes ${last.offset} to ${last.end} are no whole records`;
      this.#handlers.gap({ kind: "damaged", line: last?.offset ?? 0, message });
    }
    const drops = reader.drops.slice(this.#seenDrops, droppedRecords);
    this.#seenDrops = droppedRecords;
    for (const { offset, count } of drops) {
      const message = `QEMU dropped ${count} events, somewhere near`;
      this.#handlers.gap({ kind: "dropped", line: offset, message });
    }
  }
}
