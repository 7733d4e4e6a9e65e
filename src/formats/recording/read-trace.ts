import { IommuError } from "../../base/errors.ts";
import { memoryDumpKind } from "../file-kind.ts";
import { named, type OpenedInput, untilTruncated } from "../input/opened-input.ts";
import { isFile, isOnce, type MigrationSource } from "../migration/source.ts";
import { PerfData } from "../perf-data/perf-data.ts";
import { describeKind, unknownEvents } from "../trace/foreign-text.ts";
import { isPerfData, isPerfPipe, isRecording, isTraceDat, type Recording } from "../trace/recording.ts";
import type { TraceSource } from "../trace/trace-source.ts";
import { TraceDat } from "../trace-dat/trace-dat.ts";
import { ForwardFile, randomFile } from "./random-file.ts";

/** How a trace is read. */
export interface ReadTraceOptions {
  /** Name of the input, for messages. */
  readonly name: string;
  /** Of a recording with several buffers: which one; default: the top one. */
  readonly buffer?: string | undefined;
  /** Of a saved machine: which one; a trace has none. */
  readonly snapshot?: string | undefined;
  /** The input's packed data ends early, for a reason. */
  truncated(reason: string): void;
}

/**
 * Gives all of a trace to its source, whatever its format: each step has read some more. Text and QEMU's
 * traces are read from the start to the end, recordings of Linux where their parts are.
 *
 * @throws IommuError as the readers do; BAD_ARGUMENT for a buffer or a snapshot that such an input cannot have
 */
export async function* traceSteps(
  opened: OpenedInput,
  source: TraceSource,
  options: ReadTraceOptions,
): AsyncGenerator<void> {
  const { name, buffer, snapshot } = options;
  if (snapshot !== undefined)
    throw new IommuError("BAD_ARGUMENT", `${name}: is no saved machine, and has no snapshot "${snapshot}"`);
  if (buffer !== undefined && !isTraceDat(opened.head))
    throw new IommuError("BAD_ARGUMENT", `${name}: is no trace.dat, and has no buffer "${buffer}"`);
  const dump = memoryDumpKind(opened.head);
  if (dump !== undefined) throw unknownEvents(name, describeKind(dump));
  if (isRecording(opened.head)) yield* recordingSteps(opened, source, options);
  else {
    try {
      for await (const chunk of untilTruncated(opened.chunks, options.truncated)) {
        source.push(chunk);
        yield;
      }
    } finally {
      await opened.chunks.return(undefined);
    }
  }
}

/** The same in one go. */
export async function readTrace(
  opened: OpenedInput,
  source: TraceSource,
  options: ReadTraceOptions,
): Promise<void> {
  for await (const _ of traceSteps(opened, source, options));
}

async function* recordingSteps(
  opened: OpenedInput,
  source: TraceSource,
  { name, buffer, truncated }: ReadTraceOptions,
): AsyncGenerator<void> {
  let isTold = false;
  const whole = untilEnd(await opened.source(), (reason) => {
    if (!isTold) truncated(reason);
    isTold = true;
  });
  const { head } = opened;
  const file = isPerfPipe(head) && !isFile(whole) ? new ForwardFile(whole) : await randomFile(whole, name);
  try {
    const opening: Promise<Recording> = isTraceDat(head)
      ? TraceDat.open(file, buffer, source.handlers)
      : PerfData.open(file, isPerfData(head, true), source.handlers);
    const recording = await named(name, opening);
    yield* source.follow(recording);
  } finally {
    await file.close();
  }
}

/** A source whose packed data may end early. */
function untilEnd(source: MigrationSource, truncated: (reason: string) => void): MigrationSource {
  if (isOnce(source)) return untilTruncated(source, truncated);
  return typeof source === "function" ? () => untilTruncated(source(), truncated) : source;
}
