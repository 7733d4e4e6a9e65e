import { NO_NAMES } from "./dma-event.ts";
import { LineGaps } from "./line-gaps.ts";
import { DmaLogReader } from "./linux-dma-log.ts";
import { QemuLogReader } from "./qemu-log.ts";
import { isSimpleTrace } from "./simple-format.ts";
import { SimpleGaps } from "./simple-gaps.ts";
import { SimpleTraceReader } from "./simple-trace.ts";
import type { TraceFormat, TraceFormatReader, TraceHandlers, TraceReader } from "./trace-reader.ts";

/** QEMU's `simple` backend. */
const QEMU_SIMPLE: TraceFormatReader = {
  format: "qemu-simple",
  begins: isSimpleTrace,
  read: (handlers) => {
    const reader: SimpleTraceReader = new SimpleTraceReader(
      (event) => {
        gaps.look();
        handlers.qemu(event);
      },
      {},
      (event) => handlers.host?.(event),
    );
    const gaps = new SimpleGaps(reader, (gap) => handlers.gap(gap));
    let bytes = 0;
    return {
      counts: reader.counts,
      names: NO_NAMES,
      cpus: 0,
      entries: 0,
      kernelLines: 0,
      lines: undefined,
      damagedLines: [],
      get found() {
        return reader.counts.events + reader.counts.hostEvents > 0;
      },
      get hasNotified() {
        return reader.counts.events + reader.counts.hostEvents > 0;
      },
      get skipped() {
        return reader.counts.otherEvents;
      },
      readTwinsOnce: () => {},
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
  read: (handlers) => {
    const reader: DmaLogReader = new DmaLogReader(
      (event) => {
        gaps.look();
        handlers.linux(event, reader);
      },
      handlers.kernel === undefined ? undefined : (event) => handlers.kernel!(event, reader),
    );
    const gaps = new LineGaps(reader, (gap) => handlers.gap(gap));
    return {
      counts: reader.counts,
      names: reader,
      get cpus() {
        return reader.cpus;
      },
      get entries() {
        return reader.entries;
      },
      damagedLines: reader.damagedLines,
      get found() {
        return reader.counts.events > 0;
      },
      get hasNotified() {
        return reader.counts.events + reader.counts.lostMarkers > 0;
      },
      get kernelLines() {
        return reader.counts.kernel;
      },
      get unread() {
        return reader.unread.count;
      },
      get lines() {
        return reader.line;
      },
      get skipped() {
        const { damaged, long, torn, other, kernel, comments } = reader.counts;
        return damaged + long + torn + other + kernel + comments;
      },
      readTwinsOnce: () => reader.readTwinsOnce(),
      push: (chunk) => reader.push(chunk),
      end: () => {
        reader.end();
        gaps.end();
        tellUnread(reader, reader.counts.events + reader.counts.kernel > 0, handlers);
      },
    };
  },
};

/** Of a text that is read, says what else is evidence in it. */
function tellUnread(
  { unread }: DmaLogReader | QemuLogReader,
  isRead: boolean,
  handlers: TraceHandlers,
): void {
  if (isRead && unread.count > 0)
    handlers.gap({ kind: "unread", line: unread.line, message: unread.message });
}

/** QEMU's `log` backend. */
const QEMU_LOG: TraceFormatReader = {
  format: "qemu-log",
  read: (handlers) => {
    const reader: QemuLogReader = new QemuLogReader(
      (event) => {
        gaps.look();
        handlers.qemu(event);
      },
      (event) => handlers.host?.(event),
    );
    const gaps = new LineGaps(reader, (gap) => handlers.gap(gap));
    return {
      counts: reader.counts,
      names: NO_NAMES,
      cpus: 0,
      entries: 0,
      kernelLines: 0,
      damagedLines: reader.damagedLines,
      get found() {
        return reader.counts.events + reader.counts.hostEvents > 0;
      },
      get hasNotified() {
        return reader.counts.events + reader.counts.hostEvents > 0;
      },
      get unread() {
        return reader.unread.count;
      },
      get lines() {
        return reader.line;
      },
      get skipped() {
        const { damaged, long, torn, otherEvents, text } = reader.counts;
        return damaged + long + torn + otherEvents + text;
      },
      readTwinsOnce: () => reader.readTwinsOnce(),
      push: (chunk) => reader.push(chunk),
      end: () => {
        reader.end();
        gaps.end();
        tellUnread(reader, reader.counts.events + reader.counts.hostEvents > 0, handlers);
        const { mixed, mixedAt } = reader;
        if (mixed !== "") handlers.gap({ kind: "mixed", line: mixedAt, message: mixed });
      },
    };
  },
};

/** All formats; of two whose first events stand in the same block it is the first. */
export const TRACE_FORMATS: readonly TraceFormatReader[] = [QEMU_SIMPLE, LINUX_DMA, QEMU_LOG];

/**
 * A reader for a trace of a format, to which it is pushed piece by piece, cut anywhere.
 *
 * @param handlers are notified of its events and of what is missing
 * @public
 */
export const traceReader = (format: TraceFormat, handlers: TraceHandlers): TraceReader =>
  TRACE_FORMATS.find((one) => one.format === format)!.read(handlers);
