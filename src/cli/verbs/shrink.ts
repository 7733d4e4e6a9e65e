import { IommuError } from "../../base/errors.ts";
import { shrink, shrinkInput } from "../../check/shrink/shrink.ts";
import { targetOf } from "../../check/shrink/target.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { filterOf } from "../filter.ts";
import { displayName } from "../input.ts";
import { filterOption, outputOption, quietOption, thresholdOptions, value, wholeNumber } from "../options.ts";
import { Exit, print, printError, printWarning } from "../output.ts";
import { feed } from "../trace-file.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { type CheckCommandOptions, checkFile, isScript, thresholdsOf } from "./check.ts";

export interface ShrinkOptions extends CheckCommandOptions {
  readonly finding: number;
}

/** `shrink FILE --finding K`: writes an op script of a few operations that still show the K-th finding of `check`. */
export async function shrinkFile(path: string, options: ShrinkOptions): Promise<number> {
  const name = displayName(path);
  if (path === "-" || isScript(path)) {
    throw new IommuError("UNSUPPORTED", `${name}: a trace is read twice: name a file with one`);
  }
  const thresholds = thresholdsOf(options);
  const report = await checkFile(path, thresholds, options);
  const finding = report.findings[options.finding - 1];
  if (finding === undefined) {
    throw new IommuError(
      "BAD_ARGUMENT",
      `--finding ${options.finding}: ${report.findings.length === 0 ? `check finds nothing in ${name}` : `${name} has findings 1 to ${report.findings.length}`}`,
    );
  }
  const target = targetOf(finding, report.windows);
  const filter = filterOf(options.filter);
  const input = shrinkInput(target);
  const trace = new TraceSource(name, {
    qemu: (event) => {
      if (event.number > input.lastEvent || (filter !== undefined && !filter.qemu(event))) return;
      input.take(event);
    },
    linux: () => {},
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

export const verb: Verb = defineVerb({
  name: "shrink",
  summary: "reduce a trace to a few operations that still show a finding, as an op script",
  arguments: [["<file>", "trace of QEMU (log or simple)"]],
  options: [
    value(
      "--finding <number>",
      "which finding of check, counted from 1",
      wholeNumber(1, 2 ** 32),
    ).makeOptionMandatory(),
    ...thresholdOptions(),
    filterOption(),
    outputOption(),
    quietOption("print the script only"),
  ],
  examples: ["shrink --finding 1 qemu.log > finding.jsonl"],
  run: shrinkFile,
});
