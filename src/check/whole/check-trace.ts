import { IommuError } from "../../base/errors.ts";
import { counted } from "../../base/units.ts";
import { isDmaDump, readDmaDump } from "../../formats/dma-dump/dma-dump.ts";
import { KIND_BYTES } from "../../formats/file-kind.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, openInput } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import { readTrace } from "../../formats/recording/read-trace.ts";
import { readMachineAsFar } from "../../formats/saved/saved-machine.ts";
import type { CheckOptions } from "../check-options.ts";
import { filterOf } from "../filter/filters.ts";
import { type KernelLog, readKernelLog } from "../linux/kernel-log.ts";
import type { CheckReport } from "../report.ts";
import { checkStream } from "../saved/stream-check.ts";
import { TraceCheck, type TraceCheckContext } from "../trace-check.ts";
import { HEAD_BYTES, isKernelScriptHead, isScriptHead } from "./input-kind.ts";
import {
  choiceOf,
  type FilterOptions,
  type InputOptions,
  nameOf,
  thresholdsOf,
  traceOptions,
  type WindowsOptions,
} from "./input-options.ts";
import { onTraceClock } from "./kernel-log-clock.ts";
import type { KnownDevices } from "./known-devices.ts";

/**
 * How an input is checked: thresholds, each at its default if absent, and which events count.
 *
 * @public
 */
export interface CheckTraceOptions
  extends Partial<CheckOptions>,
    InputOptions,
    FilterOptions,
    WindowsOptions {
  /** Name of the hypervisor that made the trace, such as `qemu-4.0`; default `qemu-7.2`. */
  readonly profile?: string | undefined;
  /** Of a recording of Linux: the kernel's log, as text or bytes; its lines are put between the events by their times. */
  readonly kernelLog?: InputData | undefined;
  /** Its name in messages; default `kernel log`. */
  readonly kernelLogName?: string | undefined;
  /** Of a recording of Linux: what its devices are, for the findings; see {@link knownDevices}. */
  readonly devices?: KnownDevices | undefined;
  /** The input is an op script. Default: if it begins with `{"header"`. */
  readonly isScript?: boolean | undefined;
}

/**
 * Checks a trace of QEMU (log or simple), text of Linux' `dma:*` events, an op script, or a saved machine (migration
 * stream): rebuilds what it reports, verifies every recorded answer, and says what is wrong, where and since when.
 * What is missing of a trace is a finding (`truncated`).
 *
 * @param input its text or its bytes, packed or not; see {@link InputData}
 * @returns a report with the findings in the order of the input
 * @throws IommuError UNSUPPORTED if the input is nothing of that kind, or the kernel's log is no text; BAD_FILE for a
 * script with a mistake, with its place; BAD_ARGUMENT for a filter with a mistake or a threshold that is none;
 * LIMIT_EXCEEDED
 * @public
 */
export async function checkTrace(input: InputData, options: CheckTraceOptions = {}): Promise<CheckReport> {
  const name = nameOf(options);
  const thresholds = thresholdsOf(options);
  const filter = filterOf(options.filter ?? []);
  const opened = await openInput(input, name, HEAD_BYTES);
  try {
    if (isKernelScriptHead(opened.head)) {
      const what =
        "a script of calls to a host's kernel: exec runs it, and exec --check compares its results";
      throw new IommuError("UNSUPPORTED", `${name}: ${what}; map, alive and who show what it maps`);
    }
    if (options.isScript ?? isScriptHead(opened.head)) {
      // It runs a machine, which a trace does without.
      const { checkOpScript } = await import("../script-check.ts");
      return checkOpScript(await textOf(opened.chunks, name), name, thresholds);
    }
    if (opened.savedAt !== undefined) {
      if (filter !== undefined)
        throw new IommuError("BAD_ARGUMENT", `${name}: a saved machine has no events to filter`);
      const { stream, container } = await named(name, readMachineAsFar(opened, choiceOf(options)));
      return checkStream(stream, name, thresholds, container);
    }
    if (isDmaDump(opened.head)) throw noEvents(await textOf(opened.chunks, name), name);
    const check = new TraceCheck(name, thresholds, { filter, ...(await contextOf(input, options)) });
    const truncated = (reason: string): void => check.truncated(reason);
    await readTrace(opened, check.source, traceOptions(options, truncated));
    return withDevices(check.end(), options);
  } finally {
    await opened.chunks.return(undefined);
  }
}

/** What a check of a trace is told beside its events, by the options of the call. */
export async function contextOf(
  input: InputData,
  options: CheckTraceOptions,
): Promise<Pick<TraceCheckContext, "profile" | "windows" | "kernelLog">> {
  const { profile, windows, kernelLog: data, kernelLogName = "kernel log", buffer } = options;
  if (data === undefined) return { profile, windows };
  const log = await logOf(data, kernelLogName);
  const events = await onTraceClock(log.events, input, nameOf(options), buffer);
  return { profile, windows, kernelLog: { ...log, events } };
}

/** A report whose findings say what their devices are. */
export function withDevices(report: CheckReport, { devices }: CheckTraceOptions): CheckReport {
  for (const finding of report.findings) finding.pci = devices?.get(finding.device ?? "");
  return report;
}

/** A dump of mappings is a moment: nothing happens in it that could be judged. */
function noEvents(text: string, name: string): IommuError {
  const { mappings } = readDmaDump(text);
  const devices = new Set(mappings.map(({ device }) => device)).size;
  return new IommuError(
    "UNSUPPORTED",
    `${name}: ${counted(mappings.length, "live mapping")} of ${counted(devices, "device")} (a dma-api/dump of Linux): it is a snapshot and has no events to judge; map, alive and who show what is mapped, and diff compares two of them`,
  );
}

async function logOf(log: InputData, name: string): Promise<KernelLog> {
  const opened = await openInput(log, name, KIND_BYTES);
  try {
    return await readKernelLog(opened, name);
  } finally {
    await opened.chunks.return(undefined);
  }
}
