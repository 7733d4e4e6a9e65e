import { IommuError } from "../../base/errors.ts";
import { type InputData, isReadOnce } from "../../formats/input/input-data.ts";
import { openInput, pour } from "../../formats/input/opened-input.ts";
import { losesEvents } from "../../formats/trace/trace-reader.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { filterOf } from "../filter/filters.ts";
import type { Finding } from "../findings/finding.ts";
import { shrink, shrinkInput } from "../shrink/shrink.ts";
import { targetOf } from "../shrink/target.ts";
import { type CheckTraceOptions, checkTrace } from "./check-trace.ts";
import {
  nameOf,
  type ReadInputOptions,
  tellGap,
  thresholdsOf,
  toldOnce,
  truncation,
} from "./input-options.ts";

/**
 * A trace that was reduced to what shows one finding.
 *
 * @public
 */
export interface ShrunkTrace {
  readonly finding: Finding;
  /** Events of the whole trace. */
  readonly events: number;
  /** Lines of an op script: the header, then the operations. Real QEMU can run it (`oracle`). */
  readonly lines: readonly string[];
}

/**
 * How a trace is reduced.
 *
 * @public
 */
export interface ShrinkOptions extends CheckTraceOptions, ReadInputOptions {
  /** Which finding of {@link checkTrace}, counted from 1; default 1. */
  readonly finding?: number | undefined;
}

/**
 * Reduces a trace of QEMU to a few operations that still show a finding, as an op script.
 *
 * @param input is read twice: text, bytes, or what can be opened again; see {@link InputData}
 * @throws IommuError BAD_ARGUMENT if there is no such finding, or the input can be read only once; UNSUPPORTED if no
 * script can show it, with the reason; LIMIT_EXCEEDED if it takes too many operations; what {@link checkTrace} throws
 * @public
 */
export async function shrinkTrace(input: InputData, options: ShrinkOptions = {}): Promise<ShrunkTrace> {
  const name = nameOf(options);
  if (isReadOnce(input))
    throw new IommuError(
      "BAD_ARGUMENT",
      `${name}: is read twice: pass text, bytes, or a function that opens it`,
    );
  const told = toldOnce(options);
  const report = await checkTrace(input, told);
  if (report.format === "op-script")
    throw new IommuError("UNSUPPORTED", `${name}: an op script; a trace is reduced to one`);
  const { finding: number = 1 } = options;
  const finding = report.findings[number - 1];
  if (finding === undefined) {
    const { length } = report.findings;
    const there = length === 0 ? `check finds nothing in ${name}` : `${name} has findings 1 to ${length}`;
    throw new IommuError("BAD_ARGUMENT", `finding ${number}: ${there}`);
  }
  const target = targetOf(finding, report.windows);
  const filter = filterOf(options.filter ?? []);
  const taken = shrinkInput(target);
  const source = new TraceSource(name, {
    qemu: (event) => {
      if (event.number <= taken.lastEvent && (filter === undefined || filter.qemu(event))) taken.take(event);
    },
    linux: () => {},
    gap: (gap) => {
      tellGap(told, gap);
      if (losesEvents(gap)) taken.lose();
    },
  });
  const { chunks } = await openInput(input, name, 1);
  await pour(chunks, { push: (chunk) => source.push(chunk), truncated: truncation(told) });
  source.end();
  return { finding, events: report.events, lines: shrink(taken.operations, target, thresholdsOf(options)) };
}
