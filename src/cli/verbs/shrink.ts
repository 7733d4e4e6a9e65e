import { IommuError } from "../../base/errors.ts";
import { shrinkTrace } from "../../check/whole/shrink-trace.ts";
import { displayName } from "../display-name.ts";
import { isScriptName, withInput } from "../input.ts";
import { machineOptions, windowsTold } from "../machine-options.ts";
import { filterOption, outputOption, quietOption, thresholdOptions, value, wholeNumber } from "../options.ts";
import { Exit, print, printError } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { type CheckCommandOptions, thresholdsOf } from "./check.ts";

export interface ShrinkOptions extends CheckCommandOptions {
  readonly finding: number;
}

/** `shrink FILE --finding K`: writes an op script of a few operations that still show the K-th finding of `check`. */
export async function shrinkFile(path: string, options: ShrinkOptions): Promise<number> {
  const name = displayName(path);
  if (path === "-" || isScriptName(path)) {
    throw new IommuError("UNSUPPORTED", `${name}: a trace is read twice: name a file with one`);
  }
  const { quiet, filter, finding: number } = options;
  const thresholds = thresholdsOf(options);
  const windows = await windowsTold(options);
  const { finding, events, lines } = await withInput(path, quiet, (data, read) =>
    shrinkTrace(data, { ...read, ...thresholds, windows, filter, finding: number }),
  );
  for (const line of lines) print(line);
  if (!quiet) printError(`${finding.kind}: ${lines.length - 1} operations of ${events} events still show it`);
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
    ...machineOptions(),
    filterOption(),
    outputOption(),
    quietOption("print the script only"),
  ],
  examples: ["shrink --finding 1 qemu.log > finding.jsonl"],
  run: shrinkFile,
});
