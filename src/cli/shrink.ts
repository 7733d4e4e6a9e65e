import { IommuError } from "../base/errors.ts";
import { ShrinkInput, shrink, type Target } from "../check/shrink.ts";
import { TraceInput } from "../check/trace-input.ts";
import { type CheckCommandOptions, checkFile, isScript, thresholdsOf } from "./check.ts";
import { filterOf } from "./filter.ts";
import { displayName } from "./input.ts";
import { Exit, print, printError } from "./output.ts";
import { feed } from "./trace-file.ts";

export interface ShrinkOptions extends CheckCommandOptions {
  readonly finding: string;
}

/** `shrink FILE --finding K`: writes an op script of a few operations that still show the K-th finding of `check`. */
export async function shrinkFile(path: string, options: ShrinkOptions): Promise<number> {
  const name = displayName(path);
  if (path === "-" || isScript(path)) {
    throw new IommuError("UNSUPPORTED", `${name}: a trace is read twice: name a file with one`);
  }
  const thresholds = thresholdsOf(options);
  const report = await checkFile(path, thresholds, options);
  const number = Number(options.finding);
  const finding = report.findings[number - 1];
  if (!/^[0-9]+$/.test(options.finding) || finding === undefined) {
    throw new IommuError(
      "BAD_ARGUMENT",
      `--finding ${options.finding}: ${name} has findings 1 to ${report.findings.length}`,
    );
  }
  const window = report.windows.findLast(
    ({ liobn, createdAt }) => liobn === finding.liobn && (createdAt?.event ?? 0) <= finding.events[0]!,
  );
  const target: Target = {
    finding,
    pageShift: window?.pageShift ?? 12,
    busOffset: window?.busOffset ?? 0n,
  };
  const filter = filterOf(options.filter);
  const input = new ShrinkInput(target);
  const last = finding.events.at(-1) ?? Number.POSITIVE_INFINITY;
  const trace = new TraceInput(name, {
    trace: (event) => {
      if (event.number > last || (filter !== undefined && !filter.trace(event))) return;
      input.take(event);
    },
    dma: () => {
      throw new IommuError(
        "UNSUPPORTED",
        `${name}: op scripts are calls of a pSeries guest; dma events are none`,
      );
    },
    gap: () => {},
  });
  await feed(path, { push: (chunk) => trace.push(chunk), truncated: () => {} }, options);
  trace.end();
  const lines = shrink(input.operations, target, thresholds);
  for (const line of lines) print(line);
  if (!options.quiet) {
    printError(`${finding.kind}: ${lines.length - 1} operations of ${report.events} events still show it`);
  }
  return Exit.OK;
}
