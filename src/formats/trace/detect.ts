import { DmaLogReader } from "./dma-log.ts";
import { QemuLogReader } from "./qemu-log.ts";
import { isSimpleTrace } from "./simple-frames.ts";
import { encode, startsWith } from "./words.ts";

/** Formats of traces: QEMU's `log` and `simple` backends, and text of Linux' `dma:*` events. */
export type TraceFormat = "qemu-log" | "qemu-simple" | "linux-dma";

/** Bytes that are looked at. A log with other events may begin with thousands of them. */
const HEAD_BYTES = 65_536;

/** First words of the kernel's trace files. */
const TRACER = encode("# tracer: ");

/**
 * The format of a trace, from the bytes it begins with: that of the reader
 * which finds an event there. Give it 64 KiB, or all there is.
 *
 * @returns undefined if it is none of them. (Packed files are to be unpacked first.)
 */
export function detectTraceFormat(bytes: Uint8Array): TraceFormat | undefined {
  if (isSimpleTrace(bytes)) return "qemu-simple";
  const head = bytes.subarray(0, HEAD_BYTES);
  const dma = new DmaLogReader(() => {});
  dma.push(head);
  if (dma.counts.events > 0) return "linux-dma";
  const log = new QemuLogReader(() => {});
  log.push(head);
  if (log.counts.events > 0) return "qemu-log";
  if (startsWith(head, 0, TRACER) || dma.counts.lostMarkers > 0) return "linux-dma";
  return log.counts.otherEvents > 0 ? "qemu-log" : undefined;
}
