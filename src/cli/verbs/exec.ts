import { IommuError } from "../../base/errors.ts";
import { counted, formatCount } from "../../base/units.ts";
import type { KnownDifferences } from "../../formats/known-differences.ts";
import { parseRecording } from "../../script/parse-recording.ts";
import type { CheckedLine, Recording } from "../../script/recording.ts";
import type { Refusal } from "../../spapr/observer.ts";
import { PROFILES } from "../../spapr/profile.ts";
import { formatTraceEvent } from "../../spapr/trace-events.ts";
import { KERNEL_PROFILES } from "../../vfio/host/profile.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { readTextFile } from "../input.ts";
import { readKnownDifferences } from "../known-differences.ts";
import { ANY_INPUT, answerOptions, flag, knownOption, quietOption, text } from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { packageVersion } from "../package-files.ts";
import { toldMachine, toldMachineOption } from "../told-machine.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface ExecOptions extends AnswerOptions {
  readonly check: boolean;
  readonly profile: string | undefined;
  readonly explain: boolean;
  readonly trace: boolean;
  readonly all: boolean;
  readonly known: string | undefined;
  readonly machine: string | undefined;
  readonly quiet: boolean;
}

/** `exec SCRIPT...`: runs scripts and recordings, prints them with our results, or compares with theirs. */
export async function exec(paths: readonly string[], options: ExecOptions): Promise<number> {
  if (paths.length > 1 && !options.check) {
    throw new IommuError("BAD_ARGUMENT", "several scripts at once can only be checked: add --check");
  }
  const known = await readKnownDifferences(options.known);
  // Read and check every file before anything runs.
  const told = options.machine === undefined ? undefined : await toldMachine(options.machine);
  const recordings: Recording[] = [];
  for (const path of paths)
    recordings.push(parseRecording(await readTextFile(path), displayName(path), told));
  if (!options.check) {
    await printAnswer(resultsOf(recordings[0]!, known, options), options);
    return Exit.OK;
  }
  const reports = recordings.map((recording) => checkRecording(recording, known, options));
  const answer: Answer = {
    // Reports were printed as they were made.
    human: () => {},
    json: () => [toJson({ files: reports.map(({ rows: _, ...report }) => report) })],
    columns: COLUMNS,
    rows: () => reports.flatMap(({ rows }) => rows),
  };
  await printAnswer(answer, options);
  return reports.some((report) => report.mismatches.length > 0) ? Exit.WRONG : Exit.OK;
}

const COLUMNS = ["file", "line", "verdict", "operation", "expected", "actual", "reason", "hazards"];

/** The operations of a script with our results, each when it is done; for people, as the script that they are. */
function resultsOf(recording: Recording, known: KnownDifferences, options: ExecOptions): Answer {
  const { file } = recording;
  const lines = function* (): Generator<CheckedLine> {
    for (const line of execute(recording, known, options)) {
      yield line;
      explain(file, line, options);
    }
  };
  return {
    human: () => {
      print(recording.header(`spapr-iommu ${packageVersion()}`, options.profile));
      for (const { text } of lines()) print(text);
    },
    *json() {
      yield `{"file":${toJson(file)},"operations":[`;
      let comma = "";
      for (const line of lines()) {
        const { file: _, ...operation } = rowOf(file, line);
        yield `${comma}${toJson(operation)}`;
        comma = ",";
      }
      yield "]}";
    },
    columns: COLUMNS,
    *rows() {
      for (const line of lines()) yield rowOf(file, line);
    },
  };
}

const rowOf = (file: string, checked: CheckedLine): ExecRow => {
  const { line, verdict, operation, expected, result, reason, hazards } = checked;
  return {
    file,
    line,
    verdict,
    operation,
    ...(expected === undefined ? {} : { expected }),
    actual: result,
    ...(reason === undefined ? {} : { reason }),
    ...(hazards.length === 0 ? {} : { hazards }),
  };
};

/** An operation and what came of it. */
interface ExecRow extends Row, Pick<CheckedLine, "line" | "verdict" | "operation"> {
  readonly file: string;
}

interface FileReport {
  readonly file: string;
  readonly operations: number;
  readonly same: number;
  readonly unrecorded: number;
  readonly known: readonly Pick<CheckedLine, "line" | "reason">[];
  readonly hazards: readonly Record<string, unknown>[];
  readonly mismatches: readonly Record<string, unknown>[];
  /** What is not as it was recorded, known or not. */
  readonly rows: readonly ExecRow[];
}

function checkRecording(recording: Recording, known: KnownDifferences, options: ExecOptions): FileReport {
  const { file, operations } = recording;
  const counts = { same: 0, unrecorded: 0 };
  const knownLines: FileReport["known"][number][] = [];
  const hazards: Record<string, unknown>[] = [];
  const mismatches: Record<string, unknown>[] = [];
  const rows: ExecRow[] = [];
  const human = options.output === "human";
  for (const checked of execute(recording, known, options)) {
    const { line, verdict, operation, expected, result, reason } = checked;
    for (const hazard of checked.hazards) hazards.push({ line, ...hazard });
    if (verdict === "same" || verdict === "unrecorded") counts[verdict]++;
    else {
      rows.push(rowOf(file, checked));
      if (verdict === "known") knownLines.push({ line, reason });
      else {
        mismatches.push({ line, verdict, operation, expected, actual: result });
        if (human && (options.all || mismatches.length === 1)) print(describeMismatch(file, checked));
      }
    }
    explain(file, checked, options);
  }
  const report = { file, operations, ...counts, known: knownLines, hazards, mismatches, rows };
  if (human && !options.quiet) print(summary(report));
  return report;
}

const execute = (
  recording: Recording,
  known: KnownDifferences,
  options: ExecOptions,
): Generator<CheckedLine> =>
  recording.run({ known, profile: options.profile, refusals: options.explain, events: options.trace });

/** What was observed during an operation, on standard error. */
function explain(file: string, checked: CheckedLine, options: ExecOptions): void {
  const { line, refusals, hazards, events, locked } = checked;
  for (const event of events) printError(formatTraceEvent(event));
  for (const refusal of refusals) printError(`${file}:${line}: ${describeRefusal(refusal)}`);
  if (options.explain && locked !== undefined) printError(`${file}:${line}: ${locked}`);
  if (options.output !== "human" || options.quiet) return;
  for (const { id, what, values } of hazards) {
    printError(`${file}:${line}: ${colors.yellow("hazard")}: ${what} (${id}) ${toJson(values)}`);
  }
}

const describeRefusal = ({ call, status, rule, id, values }: Refusal): string =>
  `${call} = ${status}: ${rule} (${id}) ${toJson(values)}`;

function describeMismatch(file: string, checked: CheckedLine): string {
  const { line, verdict, operation, expected, result, reason } = checked;
  const what =
    verdict === "vanished"
      ? `listed as a known difference, but it is none any more: ${reason}`
      : "differs from the recording";
  return [
    `${file}:${line}: ${colors.red(what)}`,
    `  operation ${toJson(operation)}`,
    `  expected  ${toJson(expected)}`,
    `  actual    ${toJson(result)}`,
  ].join("\n");
}

function summary(report: FileReport): string {
  const parts = [counted(report.operations, "operation"), `${formatCount(report.same)} as recorded`];
  if (report.known.length > 0) parts.push(counted(report.known.length, "known difference"));
  if (report.unrecorded > 0) parts.push(`${formatCount(report.unrecorded)} without a recorded result`);
  if (report.hazards.length > 0) parts.push(counted(report.hazards.length, "hazard"));
  if (report.mismatches.length > 0)
    parts.push(colors.red(`${formatCount(report.mismatches.length)} different`));
  return `${report.file}: ${parts.join(", ")}`;
}

export const verb: Verb = defineVerb({
  name: "exec",
  summary: "run an op script and print it with our results, or compare with the results in it",
  arguments: [["<script...>", `op scripts or recordings (JSONL); ${ANY_INPUT}`]],
  options: [
    flag("--check", "compare with the recorded results; exit 2 on a difference"),
    flag("--all", "with --check: print every difference, not only the first of a file"),
    knownOption(),
    toldMachineOption(),
    flag("--explain", "tell on standard error why calls were refused, and what they charge to locked memory"),
    flag("--trace", "print QEMU's trace events on standard error"),
    text(
      "--profile <name>",
      "which system to be (default: the one that was recorded, else qemu-7.2)",
    ).choices([...Object.keys(PROFILES), ...KERNEL_PROFILES.map((profile) => profile.name)]),
    ...answerOptions(),
    quietOption("print differences only"),
  ],
  examples: [
    "exec script.jsonl",
    "exec --check test/corpus/hcall/*.jsonl.gz",
    "exec --explain --trace script.jsonl",
    "exec --machine test/cases/machines/two-bridges.yaml puts.jsonl",
  ],
  run: exec,
});
