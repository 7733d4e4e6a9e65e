import { IommuError } from "../base/errors.ts";
import { detectTraceFormat, HEAD_BYTES, traceReader } from "../formats/trace/trace-formats.ts";
import type { TraceFormat, TraceHandlers, TraceReader } from "../formats/trace/trace-reader.ts";

/** Reads a trace of any format, which its first bytes determine. */
export class TraceSource {
  readonly #name: string;
  readonly #handlers: TraceHandlers;
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #format: TraceFormat | undefined;
  #reader: TraceReader | undefined;

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
    return this.#reader?.skipped ?? 0;
  }

  /**
   * Reads more.
   *
   * @throws IommuError UNSUPPORTED if it is no trace
   */
  push(chunk: Uint8Array): void {
    if (this.#reader !== undefined) {
      this.#reader.push(chunk);
      return;
    }
    this.#head.push(new Uint8Array(chunk));
    this.#headBytes += chunk.length;
    if (this.#headBytes >= HEAD_BYTES) this.#begin();
  }

  /** Ends the trace; what is missing of its end is a gap. */
  end(): void {
    (this.#reader ?? this.#begin()).end();
  }

  #begin(): TraceReader {
    const head = new Uint8Array(this.#headBytes);
    let at = 0;
    for (const chunk of this.#head) {
      head.set(chunk, at);
      at += chunk.length;
    }
    this.#head = [];
    this.#format = detectTraceFormat(head);
    if (this.#format === undefined) {
      throw new IommuError(
        "UNSUPPORTED",
        `${this.#name}: no trace that is known here: no spapr_iommu events of QEMU (log or simple), no dma events of Linux`,
      );
    }
    const reader = traceReader(this.#format, this.#handlers);
    this.#reader = reader;
    reader.push(head);
    return reader;
  }
}
