import { IommuError } from "../../base/errors.ts";
import { counted } from "../../base/units.ts";
import { findingToJson } from "../../check/findings/finding.ts";
import { shrinkTrace } from "../../check/whole/shrink-trace.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { isScriptName, needFile, withInput } from "../input.ts";
import { type ThresholdOptions, thresholdsOf } from "../judging.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import {
  answerOptions,
  filterOption,
  quietOption,
  thresholdOptions,
  value,
  wholeNumber,
} from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface ShrinkOptions extends ThresholdOptions, MachineOptions, AnswerOptions {
  readonly filter: readonly string[];
  readonly quiet: boolean;
  readonly finding: number;
}

/** `shrink FILE --finding K`: writes an op script of a few operations that still show the K-th finding of `check`. */
export async function shrinkFile(path: string, options: ShrinkOptions): Promise<number> {
  const name = displayName(path);
  if (isScriptName(path))
    throw new IommuError("UNSUPPORTED", `${name}: is an op script: a trace of QEMU is made a script of`);
  await needFile(path, "a trace is read twice to reduce it");
  const { quiet, filter, finding: number } = options;
  const thresholds = thresholdsOf(options);
  const windows = await windowsTold(options);
  const { finding, events, lines } = await withInput(path, quiet, (data, read) =>
    shrinkTrace(data, { ...read, ...thresholds, windows, filter, finding: number }),
  );
  const [header, ...operations] = lines.map((line) => JSON.parse(line) as object);
  const answer: Answer = {
    human: () => {
      for (const line of lines) print(line);
    },
    json: () => [toJson({ file: name, finding: findingToJson(finding), events, header, operations })],
    columns: ["line", "operation"],
    // The header is the first line of the script.
    rows: () => operations.map((operation, i) => ({ line: i + 2, operation })),
  };
  await printAnswer(answer, options);
  if (!quiet) {
    const left = counted(lines.length - 1, "operation");
    const verb = lines.length === 2 ? "shows" : "show";
    printError(`${finding.kind}: ${left} of ${counted(events, "event")} still ${verb} it`);
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
    ...machineOptions(),
    filterOption(),
    ...answerOptions(),
    quietOption("print the script only"),
  ],
  examples: ["shrink --finding 1 qemu.log > finding.jsonl"],
  run: shrinkFile,
});
