import { NO_NAMES } from "./dma-event.ts";
import { DmaLogReader } from "./dma-log.ts";
import { LineGaps } from "./line-gaps.ts";
import { QemuLogReader } from "./qemu-log.ts";
import { isSimpleTrace } from "./simple-frames.ts";
import { SimpleGaps } from "./simple-gaps.ts";
import { SimpleTraceReader } from "./simple-trace.ts";
import {
  Likeness,
  type TraceFormat,
  type TraceFormatReader,
  type TraceHandlers,
  type TraceReader,
} from "./trace-reader.ts";
import { encode, startsWith } from "./words.ts";

/** First words of the kernel's trace files. */
const TRACER = encode("# tracer: ");

/** QEMU's `simple` backend. */
const QEMU_SIMPLE: TraceFormatReader = {
  format: "qemu-simple",
  likeness: (head) => (isSimpleTrace(head) ? Likeness.SURE : Likeness.NONE),
  read: (handlers) => {
    const reader: SimpleTraceReader = new SimpleTraceReader((event) => {
      gaps.look();
      handlers.qemu(event);
    });
    const gaps = new SimpleGaps(reader, (gap) => handlers.gap(gap));
    let bytes = 0;
    return {
      counts: reader.counts,
      names: NO_NAMES,
      get skipped() {
        return reader.counts.otherEvents;
      },
      push: (chunk) => {
        bytes += chunk.length;
        reader.push(chunk);
      },
      end: () => {
        reader.end();
        gaps.end(bytes);
      },
    };
  },
};

/** Text of Linux' `dma:*` events. */
const LINUX_DMA: TraceFormatReader = {
  format: "linux-dma",
  likeness: (head) => {
    const reader = new DmaLogReader(() => {});
    reader.push(head);
    if (reader.counts.events > 0) return Likeness.SURE;
    const looks = startsWith(head, 0, TRACER) || reader.counts.lostMarkers > 0;
    return looks ? Likeness.LOOKS : Likeness.NONE;
  },
  read: (handlers) => {
    const reader: DmaLogReader = new DmaLogReader((event) => {
      gaps.look();
      handlers.linux(event, reader);
    });
    const gaps = new LineGaps(reader, (gap) => handlers.gap(gap));
    return {
      counts: reader.counts,
      names: reader,
      get skipped() {
        const { damaged, long, torn, other, comments } = reader.counts;
        return damaged + long + torn + other + comments;
      },
      push: (chunk) => reader.push(chunk),
      end: () => {
        reader.end();
        gaps.end();
      },
    };
  },
};

/** QEMU's `log` backend. */
const QEMU_LOG: TraceFormatReader = {
  format: "qemu-log",
  likeness: (head) => {
    const reader = new QemuLogReader(() => {});
    reader.push(head);
    if (reader.counts.events > 0) return Likeness.SURE;
    return reader.counts.otherEvents > 0 ? Likeness.LOOKS : Likeness.NONE;
  },
  read: (handlers) => {
    const reader: QemuLogReader = new QemuLogReader((event) => {
      gaps.look();
      handlers.qemu(event);
    });
    const gaps = new LineGaps(reader, (gap) => handlers.gap(gap));
    return {
      counts: reader.counts,
      names: NO_NAMES,
      get skipped() {
        const { damaged, long, torn, otherEvents, text } = reader.counts;
        return damaged + long + torn + otherEvents + text;
      },
      push: (chunk) => reader.push(chunk),
      end: () => {
        reader.end();
        gaps.end();
      },
    };
  },
};

/** All formats; of two that are equally sure of a trace it is the first. */
const TRACE_FORMATS: readonly TraceFormatReader[] = [QEMU_SIMPLE, LINUX_DMA, QEMU_LOG];

/**
 * A reader for a trace of a format, to which it is pushed piece by piece, cut anywhere.
 *
 * @param handlers are notified of its events and of what is missing
 * @public
 */
export const traceReader = (format: TraceFormat, handlers: TraceHandlers): TraceReader =>
  TRACE_FORMATS.find((one) => one.format === format)!.read(handlers);

/** Bytes that are looked at to tell the format. A log with other events may begin with thousands of them. */
export const HEAD_BYTES = 65_536;

/**
 * The format of a trace, from the bytes it begins with: that of the reader
 * which finds an event there. Give it 64 KiB, or all there is.
 *
 * @returns undefined if it is none of them. (Packed files are to be unpacked first.)
 * @public
 */
export function detectTraceFormat(bytes: Uint8Array): TraceFormat | undefined {
  const head = bytes.subarray(0, HEAD_BYTES);
  let best: TraceFormat | undefined;
  let most: number = Likeness.NONE;
  for (const { format, likeness } of TRACE_FORMATS) {
    const is = likeness(head);
    if (is > most) [best, most] = [format, is];
    if (is === Likeness.SURE) break;
  }
  return best;
}
