import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { counted, formatCount } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { type Finding, findingToJson, formatFinding } from "../../check/findings/finding.ts";
import { formatStack } from "../../check/findings/finding-stack.ts";
import { FINDING_KINDS, type FindingKind } from "../../check/findings/kinds.ts";
import type { BouncedMaps } from "../../check/linux/bounces.ts";
import { type CheckReport, checkReportToJson } from "../../check/report.ts";
import {
  type AgainstCheckReport,
  againstReportToJson,
  sumOfAgreements,
} from "../../check/saved/against-check.ts";
import type { Moment } from "../../check/state/moment.ts";
import { checkAgainst } from "../../check/whole/check-against.ts";
import { type CheckTraceOptions, checkTrace } from "../../check/whole/check-trace.ts";
import { reportsToSarif } from "../../check/whole/sarif.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { isScriptName, withInput } from "../input.ts";
import { type JudgingOptions, judgingOf, judgingOptions, statusOfReports } from "../judging.ts";
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
    return withInput(log, true, (kernelLog) => checkTrace(data, { ...options, kernelLog }));
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

function streamText({ events, verified, windows, findings }: CheckReport): string {
  const found = findings.length === 0 ? colors.green("nothing found") : counted(findings.length, "finding");
  return `migration-stream, ${counted(events, "section")}, ${formatCount(verified)} as described, ${counted(windows.length, "window")}, ${found}`;
}

/** `5,067 events of 2 devices: 2,480 maps, …, 0 mistakes; not judged: …` */
function judgedText(report: CheckReport): string {
  const { judged, notJudged, findings, droppedFindings } = report;
  const ofLinux = report.format === "linux-dma";
  const whose = ofLinux ? counted(judged.devices, "device") : counted(judged.windows, "window");
  const parts = ofLinux ? linuxParts(report) : qemuParts(report);
  const mistakes = findings.filter(({ severity }) => severity === "error").length;
  const warnings = findings.length - mistakes;
  parts.push((mistakes > 0 ? colors.red : colors.green)(counted(mistakes, "mistake")));
  if (warnings > 0) parts.push(colors.yellow(counted(warnings, "warning")));
  if (droppedFindings > 0) parts.push(`${formatCount(droppedFindings)} more left out`);
  const not = notJudged.map(({ count, reason }) => `${formatCount(count)} ${reason}`);
  const rest = not.length === 0 ? "" : `; not judged: ${not.join(", ")}`;
  return `${report.format}, ${counted(judged.events, "event")} of ${whose}: ${parts.join(", ")}${rest}`;
}

function qemuParts({ judged, hostWindows = [] }: CheckReport): string[] {
  const parts = [`${counted(judged.answers, "answer")} verified`];
  if (judged.hostEvents === 0) return parts;
  const made = hostWindows.filter(({ createdAt }) => createdAt !== undefined).length;
  const removed = hostWindows.filter(({ removedAt }) => removedAt !== undefined).length;
  const windows = hostWindows.length === 0 ? "" : ` (windows: ${made} made, ${removed} removed)`;
  return [...parts, `${counted(judged.hostEvents, "event")} of the host's side${windows}`];
}

function linuxParts({ judged, findings }: CheckReport): string[] {
  const { events, maps, unmaps, syncs, failed, alive, alivePatterns } = judged;
  const parts = events === 0 ? [] : [counted(maps, "map"), counted(unmaps, "unmap")];
  if (syncs > 0) parts.push(counted(syncs, "sync"));
  if (failed > 0) parts.push(`${formatCount(failed)} failed`);
  const leaked = findings
    .filter(({ kind }) => kind === "leak" || kind === "never-unmapped")
    .reduce((sum, { count }) => sum + count, 0);
  const spared = Math.max(0, alive - leaked);
  const patterns = alive > 0 ? ` (${counted(alivePatterns, "pattern")}, ${formatCount(spared)} spared)` : "";
  if (events > 0) parts.push(`${formatCount(alive)} alive${patterns}`);
  if (judged.kernelLines > 0) parts.push(`${counted(judged.kernelLines, "line")} of the kernel`);
  if (judged.ranges > 0)
    parts.push(`${counted(judged.ranges, "range")} of the IOMMU, ${formatCount(judged.rangesAlive)} alive`);
  return parts;
}

/** `bounced: 0000:00:06.0 FROM_DEVICE: 40 buffers, 41,943,040 bytes (512 each), 40 beyond its 32 bits`. */
function bouncedText({ device, direction, count, bytes, smallest, largest, ...row }: BouncedMaps): string {
  const size =
    smallest === largest
      ? `${formatCount(largest)} each`
      : `${formatCount(smallest)} to ${formatCount(largest)}`;
  const why = [
    ...(row.beyondMask > 0 ? [`${formatCount(row.beyondMask)} beyond its ${row.maskBits} bits`] : []),
    ...(row.forced > 0 ? [`${formatCount(row.forced)} by force`] : []),
  ];
  const name = visible(direction === null ? device : `${device} ${direction}`);
  return [`bounced: ${name}: ${counted(count, "buffer")}, ${counted(bytes, "byte")} (${size})`, ...why].join(
    ", ",
  );
}

/** What the comparison came to, as a line for people. */
function againstText({ file, against }: AgainstCheckReport): string {
  const { before, saves, windows } = against;
  const { agreed, confirmed, unknown, unknownMapped, differing, contradicted } = sumOfAgreements(windows);
  const when = before === undefined ? "at its end" : `before event ${before.event} (line ${before.line})`;
  const parts = [
    counted(agreed, "entry agrees", "entries agree"),
    `${counted(confirmed, "inferred one is", "inferred ones are")} confirmed`,
    `${counted(unknown, "is", "are")} unknown to the trace (${formatCount(unknownMapped)} of them not zero)`,
    counted(differing, "differs", "differ"),
  ];
  if (contradicted > 0)
    parts.push(`${counted(contradicted, "inferred one is", "inferred ones are")} contradicted`);
  const chosen = saves > 1 ? `; it was saved ${saves} times, and agrees best there` : "";
  return `${file} ${when} against ${against.file}: ${parts.join(", ")}${chosen}`;
}

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
