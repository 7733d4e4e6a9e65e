import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { type Finding, findingToJson, formatFinding } from "../../check/findings/finding.ts";
import { formatStack } from "../../check/findings/finding-stack.ts";
import { FINDING_KINDS, type FindingKind } from "../../check/findings/kinds.ts";
import { type CheckReport, checkReportToJson } from "../../check/report.ts";
import { againstReportToJson } from "../../check/saved/against-check.ts";
import type { Moment } from "../../check/state/moment.ts";
import { checkAgainst } from "../../check/whole/check-against.ts";
import { type CheckTraceOptions, checkTrace } from "../../check/whole/check-trace.ts";
import { reportsToSarif } from "../../check/whole/sarif.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { againstText, bouncedText, judgedText, streamText } from "../check-text.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { statusOfReports } from "../exit-status.ts";
import { isScriptName, withInput } from "../input.ts";
import { type JudgingOptions, judgingOf, judgingOptions } from "../judging.ts";
import { answerOptions, momentOption, quietOption, STATE_FILE, text } from "../options.ts";
import { print, toJson } from "../output.ts";
import { packageVersion } from "../package-files.ts";
import { splitLogs } from "../split-logs.ts";
import { outputWidth } from "../terminal.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { wrap } from "../wrap.ts";

export interface CheckCommandOptions extends JudgingOptions {
  readonly output: AnswerOptions["output"] | "sarif";
  readonly rawCells: boolean;
  readonly quiet: boolean;
  readonly against?: string | undefined;
  readonly at?: Moment;
}

/** `check FILE...`: rebuilds what the files report, verifies it, and prints what is wrong. */
export async function check(paths: readonly string[], options: CheckCommandOptions): Promise<number> {
  const how = await judgingOf(options);
  if (options.against !== undefined) return checkPair(paths, options.against, how, options);
  if (options.at !== undefined)
    throw new IommuError("BAD_ARGUMENT", "--at says when the stream of --against was taken");
  const reports: CheckReport[] = [];
  for (const path of paths.flatMap(splitLogs)) {
    const report = await checkFile(path, how, options);
    reports.push(report);
    if (options.output === "human") printReport(report, options.quiet);
  }
  await printForPrograms(reports, reports.map(checkReportToJson), options);
  return statusOfReports(reports);
}

/** `check TRACE --against STREAM`: also compares the two. */
async function checkPair(
  paths: readonly string[],
  stream: string,
  how: CheckTraceOptions,
  options: CheckCommandOptions,
): Promise<number> {
  const [path, ...more] = paths;
  const bad = (message: string): IommuError => new IommuError("BAD_ARGUMENT", `--against: ${message}`);
  if (more.length > 0) throw bad(`one trace is compared with ${stream}, and here are ${paths.length}`);
  if (isScriptName(path!)) throw bad(`${path} is an op script; it wants a trace`);
  if (options.filter.length > 0)
    throw bad("without the events that a filter leaves out the windows would be wrong");
  if (path === "-" && stream === "-")
    throw bad("standard input can be the trace or the saved machine, but not both");
  const report = await withInput(path!, options.quiet, (trace, { name }) =>
    withInput(stream, true, (saved, { name: savedName }) =>
      checkAgainst(trace, saved, { ...how, name, savedName, at: options.at, snapshot: options.snapshot }),
    ),
  );
  await printForPrograms([report], [againstReportToJson(report)], options);
  if (options.output === "human") {
    printReport(report, options.quiet);
    if (!options.quiet) print(againstText(report));
  }
  return statusOfReports([report]);
}

/** Checks one file: a trace, a saved machine or an op script, as the end of its name may say. */
const checkFile = (
  path: string,
  how: CheckTraceOptions,
  { quiet, kernelLog: log }: CheckCommandOptions,
): Promise<CheckReport> =>
  withInput(path, quiet, (data, { name }) => {
    const options = { ...how, name, isScript: isScriptName(path) || undefined };
    if (log === undefined) return checkTrace(data, options);
    return withInput(log, true, (kernelLog, { name: kernelLogName }) =>
      checkTrace(data, { ...options, kernelLog, kernelLogName }),
    );
  });

const COLUMNS = [
  "file",
  "kind",
  "severity",
  "liobn",
  "device",
  "driver",
  "deviceName",
  "ioba",
  "pages",
  "count",
  "events",
  "lines",
  "logLines",
  "time",
  "task",
  "stack",
  "message",
];

/** Prints reports in a form for programs: whole ones, or a row for each finding. */
async function printForPrograms(
  reports: readonly CheckReport[],
  json: readonly Record<string, unknown>[],
  { output, rawCells }: CheckCommandOptions,
): Promise<void> {
  if (output === "sarif") {
    print(toJson(reportsToSarif(reports, packageVersion())));
    return;
  }
  const answer: Answer = {
    // Reports are printed as they are made.
    human: () => {},
    json: () => [toJson({ files: json })],
    columns: COLUMNS,
    rows: () =>
      reports.flatMap(({ file, findings }) =>
        findings.map((finding) => ({ file, ...findingToJson(finding) })),
      ),
  };
  await printAnswer(answer, { output, rawCells });
}

/** In front of what belongs to the line before. */
const INDENT = "    ";

function printReport(report: CheckReport, quiet: boolean): void {
  const { file } = report;
  // `shrink --finding` takes the number.
  const numbered = report.findings.map((finding, i) => ({ finding, number: i + 1 }));
  const explained = new Set<FindingKind>();
  for (const { finding, number } of worstFirst(numbered)) {
    const { kind, severity } = finding;
    const colour = severity === "error" ? colors.red : colors.yellow;
    print(wrap(`${formatFinding(file, finding, colour)} [${number}]`, outputWidth(), INDENT));
    for (const stack of finding.stack) print(wrap(formatStack(stack), outputWidth(), INDENT, INDENT));
    if (quiet || explained.has(kind)) continue;
    explained.add(kind);
    const advice = `${colors.bold("what to do:")} ${FINDING_KINDS[kind].advice.replaceAll("`", "")}`;
    print(wrap(advice, outputWidth(), INDENT, INDENT));
    printWho(file, finding);
  }
  if (quiet) return;
  for (const row of report.bounced) print(wrap(`${file}: ${bouncedText(row)}`, outputWidth(), INDENT));
  const last = report.format === "migration-stream" ? streamText(report) : judgedText(report);
  print(wrap(`${file}: ${last}`, outputWidth(), INDENT));
}

/** Errors before warnings, so that a screen full of these hides none of them. */
const worstFirst = <Numbered extends { readonly finding: Finding }>(
  findings: readonly Numbered[],
): Numbered[] =>
  (["error", "warning"] as const).flatMap((severity) =>
    findings.filter(({ finding }) => finding.severity === severity),
  );

/** Prints the command that shows more of an address; not wrapped, so that it can be copied. */
function printWho(file: string, { ioba, device, liobn }: Finding): void {
  if (ioba === undefined || file === STDIN) return;
  const space = device ?? (liobn === undefined ? undefined : hex(liobn));
  const whose = space === undefined ? "" : ` --device ${shellWord(space)}`;
  print(`${INDENT}${colors.bold("who had it:")} spapr-iommu who${whose} ${shellWord(file)} ${hex(ioba)}`);
}

const STDIN = displayName("-");

/** A word as a shell takes it for one. */
const shellWord = (text: string): string =>
  /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

export const verb: Verb = defineVerb({
  name: "check",
  summary: "rebuild windows from traces, verify every answer, and say what is wrong, where and since when",
  arguments: [["<file...>", STATE_FILE]],
  options: [
    ...judgingOptions(),
    ...answerOptions("sarif"),
    text("--against <stream>", "compare the trace with a saved machine of the same run, entry by entry"),
    momentOption("where the trace says so", "with --against: when that was saved, "),
    quietOption("print findings only"),
  ],
  examples: [
    "check qemu.log",
    "check --ram 4G --output json qemu.log.gz",
    "check --output sarif --out check.sarif qemu.log",
    "check --filter 'dma_*: device == 0000:00:03.0' trace.txt",
    "check --kernel-log dmesg.txt --devices lspci.txt trace.txt",
    "check --against vm.mig qemu.log",
    "check --window 0x80000000=0x20000000+256M,4K qemu.log",
  ],
  run: check,
});
