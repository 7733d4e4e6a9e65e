import { IommuError } from "../../base/errors.ts";
import { shrink, shrinkInput } from "../../check/shrink/shrink.ts";
import { targetOf } from "../../check/shrink/target.ts";
import { TraceInput } from "../../check/trace-input.ts";
import { filterOf } from "../filter.ts";
import { displayName } from "../input.ts";
import { Exit, print, printError, printWarning } from "../output.ts";
import { feed } from "../trace-file.ts";
import { type CheckCommandOptions, checkFile, isScript, thresholdsOf } from "./check.ts";

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
      `--finding ${options.finding}: ${report.findings.length === 0 ? `check finds nothing in ${name}` : `${name} has findings 1 to ${report.findings.length}`}`,
    );
  }
  const target = targetOf(finding, report.windows);
  const filter = filterOf(options.filter);
  const input = shrinkInput(target);
  const trace = new TraceInput(name, {
    trace: (event) => {
      if (event.number > input.lastEvent || (filter !== undefined && !filter.trace(event))) return;
      input.take(event);
    },
    dma: () => {},
    gap: ({ kind }) => {
      if (kind !== "torn") input.lose();
    },
  });
  await feed(
    path,
    { push: (chunk) => trace.push(chunk), truncated: (reason) => printWarning(name, reason) },
    options,
  );
  trace.end();
  const lines = shrink(input.operations, target, thresholds);
  for (const line of lines) print(line);
  if (!options.quiet) {
    printError(`${finding.kind}: ${lines.length - 1} operations of ${report.events} events still show it`);
  }
  return Exit.OK;
}
