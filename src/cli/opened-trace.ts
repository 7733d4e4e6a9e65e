import { IommuError } from "../base/errors.ts";
import { detectTraceFormat, HEAD_BYTES } from "../formats/trace/trace-formats.ts";
import type { TraceFormat } from "../formats/trace/trace-reader.ts";
import { displayName, peekInput } from "./input.ts";

/** A trace whose format is known, and its bytes from the start on. */
export interface OpenedTrace {
  readonly format: TraceFormat;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Opens a trace of any format, packed or not, `-` for standard input.
 *
 * @param onRead notified of how many bytes of the file itself were read
 * @throws IommuError UNSUPPORTED if it is no trace
 */
export async function openTrace(path: string, onRead: (bytes: number) => void): Promise<OpenedTrace> {
  const { head, chunks } = await peekInput(path, HEAD_BYTES, onRead);
  const format = detectTraceFormat(head);
  if (format === undefined) {
    await chunks.return(undefined);
    throw new IommuError("UNSUPPORTED", `${displayName(path)}: ${describe(head)}`, { path });
  }
  return { format, chunks };
}

function describe(head: Uint8Array): string {
  if (head.length === 0) return "is empty";
  return "is no trace: none of its first 64 KiB reads as QEMU's log or simple format, or as Linux' dma events";
}
