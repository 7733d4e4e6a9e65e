import colors from "picocolors";
import { IommuError } from "../base/errors.ts";
import { executeScript, type LineOutcome, withResult } from "../formats/op-script/check.ts";
import { KnownDifferences, operationOf } from "../formats/op-script/known-differences.ts";
import { completeHeader, type OpScript, parseOpScript } from "../formats/op-script/script.ts";
import type { Hazard, Refusal } from "../spapr/observer.ts";
import { findProfile } from "../spapr/profile.ts";
import { formatTraceEvent } from "../spapr/trace-events.ts";
import { displayName, readText } from "./input.ts";
import { Exit, print, printError, toJson } from "./output.ts";
import { packageFile, packageVersion } from "./package-files.ts";

export interface ExecOptions {
  readonly check: boolean;
  readonly profile: string;
  readonly output: "human" | "json";
  readonly explain: boolean;
  readonly trace: boolean;
  readonly all: boolean;
  readonly known: string | undefined;
  readonly quiet: boolean;
}

/** `exec SCRIPT...`: runs op scripts, prints them with our results, or compares with theirs. */
export async function exec(paths: readonly string[], options: ExecOptions): Promise<number> {
  if (paths.length > 1 && !options.check) {
    throw new IommuError("BAD_ARGUMENT", "several scripts at once can only be checked: add --check");
  }
  findProfile(options.profile);
  const knownPath = options.known ?? packageFile("known-differences.json");
  const known = KnownDifferences.parse(await readText(knownPath), knownPath);
  // Read and check every file before anything runs.
  const scripts: OpScript[] = [];
  for (const path of paths) scripts.push(parseOpScript(await readText(path), displayName(path)));
  if (!options.check) return printResults(scripts[0]!, known, options);
  const reports = scripts.map((script) => checkScript(script, known, options));
  if (options.output === "json") print(toJson({ files: reports }));
  return reports.some((report) => report.mismatches.length > 0) ? Exit.WRONG : Exit.OK;
}

function printResults(script: OpScript, known: KnownDifferences, options: ExecOptions): number {
  print(toJson(completeHeader(script, `spapr-iommu ${packageVersion()}`, findProfile(options.profile))));
  for (const outcome of execute(script, known, options)) {
    print(withResult(outcome.line, outcome.result));
    tell(outcome, options);
  }
  return Exit.OK;
}

interface FileReport {
  readonly file: string;
  readonly operations: number;
  readonly same: number;
  readonly unrecorded: number;
  readonly known: readonly { line: number; reason: string | undefined }[];
  readonly hazards: readonly ({ line: number } & Hazard)[];
  readonly mismatches: readonly Record<string, unknown>[];
}

function checkScript(script: OpScript, known: KnownDifferences, options: ExecOptions): FileReport {
  const counts = { same: 0, unrecorded: 0 };
  const knownLines: { line: number; reason: string | undefined }[] = [];
  const hazards: ({ line: number } & Hazard)[] = [];
  const mismatches: Record<string, unknown>[] = [];
  const human = options.output === "human";
  for (const outcome of execute(script, known, options)) {
    const { line, verdict, expected, result, reason } = outcome;
    for (const hazard of outcome.hazards) hazards.push({ line: line.number, ...hazard });
    if (verdict === "same" || verdict === "unrecorded") counts[verdict]++;
    else if (verdict === "known") knownLines.push({ line: line.number, reason });
    else {
      mismatches.push({ line: line.number, verdict, operation: operationOf(line), expected, actual: result });
      if (human && (options.all || mismatches.length === 1)) print(describeMismatch(outcome));
    }
    tell(outcome, options);
  }
  const report = {
    file: script.file,
    operations: script.lines.length,
    ...counts,
    known: knownLines,
    hazards,
    mismatches,
  };
  if (human && !options.quiet) print(summary(report));
  return report;
}

const execute = (script: OpScript, known: KnownDifferences, options: ExecOptions): Generator<LineOutcome> =>
  executeScript(
    script,
    known,
    { profile: options.profile },
    { refusals: options.explain, events: options.trace },
  );

/** What was heard during an operation, on standard error. */
function tell({ line, refusals, hazards, events }: LineOutcome, options: ExecOptions): void {
  for (const event of events) printError(formatTraceEvent(event));
  for (const refusal of refusals) printError(`${line.file}:${line.number}: ${describeRefusal(refusal)}`);
  if (options.output === "json" || options.quiet) return;
  for (const { what, values } of hazards) {
    printError(`${line.file}:${line.number}: ${colors.yellow("hazard")}: ${what} ${toJson(values)}`);
  }
}

const describeRefusal = ({ call, status, rule, source, values }: Refusal): string =>
  `${call} = ${status}: ${rule} (${source}) ${toJson(values)}`;

function describeMismatch({ line, verdict, expected, result, reason }: LineOutcome): string {
  const what =
    verdict === "vanished"
      ? `listed as a known difference, but it is none any more: ${reason}`
      : "differs from the recording";
  return [
    `${line.file}:${line.number}: ${colors.red(what)}`,
    `  operation ${toJson(operationOf(line))}`,
    `  expected  ${toJson(expected)}`,
    `  actual    ${toJson(result)}`,
  ].join("\n");
}

function summary(report: FileReport): string {
  const parts = [`${report.operations} operations`, `${report.same} as recorded`];
  if (report.known.length > 0) parts.push(`${report.known.length} known differences`);
  if (report.unrecorded > 0) parts.push(`${report.unrecorded} without a recorded result`);
  if (report.hazards.length > 0) parts.push(`${report.hazards.length} hazards`);
  if (report.mismatches.length > 0) parts.push(colors.red(`${report.mismatches.length} different`));
  return `${report.file}: ${parts.join(", ")}`;
}
