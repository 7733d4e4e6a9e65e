import { type InputData, isReadOnce } from "../../formats/input/input-data.ts";
import { openInput } from "../../formats/input/opened-input.ts";
import { traceSteps } from "../../formats/recording/read-trace.ts";
import type { KernelEvent } from "../../formats/trace/kernel-event.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { areOneClock, clockDistance, later } from "../linux/clock-match.ts";
import { HEAD_BYTES } from "./input-kind.ts";

/**
 * The lines of a kernel's log by the clock of a trace, where the two clocks count from different moments, and a fault that
 * stands in both shows how far these are apart. The trace is read for that, if it can be read again.
 *
 * @returns the log as it is where nothing shows that
 */
export async function onTraceClock(
  log: readonly KernelEvent[],
  trace: InputData,
  name: string,
  buffer?: string | undefined,
): Promise<readonly KernelEvent[]> {
  const [first] = log;
  if (first === undefined || Number.isNaN(first.seconds) || isReadOnce(trace)) return log;
  const said: KernelEvent[] = [];
  let isOther: boolean | undefined;
  const source = new TraceSource(name, {
    qemu: () => {},
    linux: ({ seconds }) => {
      if (!Number.isNaN(seconds)) isOther ??= !areOneClock(seconds, first.seconds);
    },
    // What has a process is an event of the trace; a line of the log that stands in it has the log's own time.
    kernel: (event) => {
      if (event.pid >= 0) said.push(event);
    },
    gap: () => {},
  });
  const opened = await openInput(trace, name, HEAD_BYTES);
  for await (const _ of traceSteps(opened, source, { name, buffer, truncated: () => {} })) {
    if (isOther === false) return log;
  }
  source.end();
  const distance = isOther === true ? clockDistance(said, log) : undefined;
  return distance === undefined ? log : log.map((event) => later(event, distance));
}
