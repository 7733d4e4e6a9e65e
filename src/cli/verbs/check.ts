import colors from "picocolors";
import { IommuError } from "../../base/errors.ts";
import { formatCount } from "../../base/units.ts";
import type { CheckOptions } from "../../check/check-options.ts";
import { findingToJson, formatFinding } from "../../check/findings/finding.ts";
import { type CheckReport, checkReportToJson } from "../../check/report.ts";
import {
  type AgainstCheckReport,
  againstReportToJson,
  sumOfAgreements,
} from "../../check/saved/against-check.ts";
import type { Moment } from "../../check/state/moment.ts";
import { checkAgainst } from "../../check/whole/check-against.ts";
import { checkTrace } from "../../check/whole/check-trace.ts";
import { reportsToSarif } from "../../check/whole/sarif.ts";
import { withInput } from "../input.ts";
import {
  filterOption,
  momentOption,
  quietOption,
  type RowForm,
  rawCellsOption,
  rowsOption,
  STATE_FILE,
  text,
  thresholdOptions,
} from "../options.ts";
import { Exit, print, toJson } from "../output.ts";
import { packageVersion } from "../package-files.ts";
import { printRows } from "../rows.ts";
import { defineVerb, type Verb } from "../verb.ts";

/** Thresholds as the command line has them. */
export interface ThresholdOptions extends CheckOptions {
  /** Percent, not a part. */
  readonly fullAt: number;
}

export interface CheckCommandOptions extends ThresholdOptions {
  readonly output: RowForm | "sarif";
  readonly rawCells: boolean;
  readonly quiet: boolean;
  readonly filter: readonly string[];
  readonly against?: string | undefined;
  readonly at?: Moment;
}

/** `check FILE...`: rebuilds what the files report, verifies it, and prints what is wrong. */
export async function check(paths: readonly string[], options: CheckCommandOptions): Promise<number> {
  const thresholds = thresholdsOf(options);
  if (options.against !== undefined) return checkPair(paths, options.against, thresholds, options);
  if (options.at !== undefined)
    throw new IommuError("BAD_ARGUMENT", "--at says when the stream of --against was taken");
  const reports: CheckReport[] = [];
  for (const path of paths) {
    const report = await checkFile(path, thresholds, options);
    reports.push(report);
    if (options.output === "human") printReport(report, options.quiet);
  }
  await printForPrograms(reports, reports.map(checkReportToJson), options);
  return statusOf(reports);
}

/** `check TRACE --against STREAM`: also compares the two. */
async function checkPair(
  paths: readonly string[],
  stream: string,
  thresholds: CheckOptions,
  options: CheckCommandOptions,
): Promise<number> {
  const [path, ...more] = paths;
  const bad = (message: string): IommuError => new IommuError("BAD_ARGUMENT", `--against: ${message}`);
  if (more.length > 0) throw bad(`one trace is compared with ${stream}, and here are ${paths.length}`);
  if (isScript(path!)) throw bad(`${path} is an op script; it wants a trace`);
  if (options.filter.length > 0)
    throw bad("without the events that a filter leaves out the windows would be wrong");
  if (path === "-" && stream === "-")
    throw bad("standard input can be the trace or the saved machine, but not both");
  const report = await withInput(path!, options.quiet, (trace, { name }) =>
    withInput(stream, true, (saved, { name: savedName }) =>
      checkAgainst(trace, saved, { ...thresholds, name, savedName, at: options.at }),
    ),
  );
  await printForPrograms([report], [againstReportToJson(report)], options);
  if (options.output === "human") {
    printReport(report, options.quiet);
    if (!options.quiet) print(againstText(report));
  }
  return statusOf([report]);
}

/** Checks one file: a trace, a saved machine or an op script, as the end of its name may say. */
const checkFile = (
  path: string,
  thresholds: CheckOptions,
  { quiet, filter }: CheckCommandOptions,
): Promise<CheckReport> =>
  withInput(path, quiet, (data, { name }) =>
    checkTrace(data, { ...thresholds, name, filter, isScript: isScript(path) || undefined }),
  );

/** Op scripts are distinguished from traces by their names. */
export const isScript = (path: string): boolean => path.endsWith(".jsonl") || path.endsWith(".jsonl.gz");

/** What the options of {@link thresholdOptions} say. */
export const thresholdsOf = ({ fullAt, ...options }: ThresholdOptions): CheckOptions => ({
  ram: options.ram,
  fullAt: fullAt / 100,
  freePages: options.freePages,
  overtaken: options.overtaken,
  pool: options.pool,
  sweep: options.sweep,
});

const COLUMNS = [
  "file",
  "kind",
  "severity",
  "liobn",
  "device",
  "ioba",
  "pages",
  "count",
  "events",
  "lines",
  "message",
];

/** Prints reports in a form for programs: whole ones, or a row for each finding. */
async function printForPrograms(
  reports: readonly CheckReport[],
  json: readonly Record<string, unknown>[],
  { output, rawCells }: CheckCommandOptions,
): Promise<void> {
  if (output === "json") print(toJson({ files: json }));
  if (output === "sarif") print(toJson(reportsToSarif(reports, packageVersion())));
  if (output === "jsonl" || output === "csv") {
    const rows = reports.flatMap(({ file, findings }) =>
      findings.map((finding) => ({ file, ...findingToJson(finding) })),
    );
    await printRows(rows, COLUMNS, { output, rawCells });
  }
}

/** 2 if anything is wrong, 3 if there are only leaks and warnings. */
function statusOf(reports: readonly CheckReport[]): number {
  const findings = reports.flatMap((report) => report.findings);
  if (findings.some(({ severity }) => severity === "error")) return Exit.WRONG;
  return findings.length > 0 ? Exit.LEAKS : Exit.OK;
}

function printReport(report: CheckReport, quiet: boolean): void {
  for (const [i, finding] of report.findings.entries()) {
    const colour = finding.severity === "error" ? colors.red : colors.yellow;
    // `shrink --finding` takes the number.
    print(`${formatFinding(report.file, finding, colour)} [${i + 1}]`);
  }
  if (quiet) return;
  print(`${report.file}: ${report.format === "migration-stream" ? streamText(report) : judgedText(report)}`);
}

function streamText({ events, verified, windows, findings }: CheckReport): string {
  const found = findings.length === 0 ? colors.green("nothing found") : counted(findings.length, "finding");
  return `migration-stream, ${counted(events, "section")}, ${formatCount(verified)} as described, ${counted(windows.length, "window")}, ${found}`;
}

/** `5,067 events of 2 devices: 2,480 maps, …, 0 mistakes; not judged: …` */
function judgedText(report: CheckReport): string {
  const { judged, notJudged, findings, droppedFindings } = report;
  const ofLinux = report.format === "linux-dma";
  const whose = ofLinux ? counted(judged.devices, "device") : counted(judged.windows, "window");
  const parts = ofLinux ? linuxParts(report) : [`${counted(judged.answers, "answer")} verified`];
  const mistakes = findings.filter(({ severity }) => severity === "error").length;
  const warnings = findings.length - mistakes;
  parts.push((mistakes > 0 ? colors.red : colors.green)(counted(mistakes, "mistake")));
  if (warnings > 0) parts.push(colors.yellow(counted(warnings, "warning")));
  if (droppedFindings > 0) parts.push(`${formatCount(droppedFindings)} more left out`);
  const not = notJudged.map(({ count, reason }) => `${formatCount(count)} ${reason}`);
  const rest = not.length === 0 ? "" : `; not judged: ${not.join(", ")}`;
  return `${report.format}, ${counted(judged.events, "event")} of ${whose}: ${parts.join(", ")}${rest}`;
}

function linuxParts({ judged, findings }: CheckReport): string[] {
  const { maps, unmaps, syncs, failed, alive, alivePatterns } = judged;
  const parts = [counted(maps, "map"), counted(unmaps, "unmap")];
  if (syncs > 0) parts.push(counted(syncs, "sync"));
  if (failed > 0) parts.push(`${formatCount(failed)} failed`);
  const leaked = findings.filter(({ kind }) => kind === "leak").reduce((sum, { count }) => sum + count, 0);
  const spared = alive - leaked;
  const patterns = alive > 0 ? ` (${counted(alivePatterns, "pattern")}, ${formatCount(spared)} spared)` : "";
  return [...parts, `${formatCount(alive)} alive${patterns}`];
}

/** `1 map`, `2,480 maps`. */
const counted = (count: number, what: string): string =>
  `${formatCount(count)} ${what}${count === 1 ? "" : /(?:ch|s)$/.test(what) ? "es" : "s"}`;

/** What the comparison came to, as a line for people. */
function againstText({ file, against }: AgainstCheckReport): string {
  const { before, saves, windows } = against;
  const { agreed, confirmed, unknown, unknownMapped, differing, contradicted } = sumOfAgreements(windows);
  const when = before === undefined ? "at its end" : `before event ${before.event} (line ${before.line})`;
  const parts = [
    `${formatCount(agreed)} entries agree`,
    `${formatCount(confirmed)} inferred ones are confirmed`,
    `${formatCount(unknown)} are unknown to the trace (${formatCount(unknownMapped)} of them not zero)`,
    `${formatCount(differing)} differ`,
  ];
  if (contradicted > 0) parts.push(`${formatCount(contradicted)} inferred ones are contradicted`);
  const chosen = saves > 1 ? `; it was saved ${saves} times, and agrees best there` : "";
  return `${file} ${when} against ${against.file}: ${parts.join(", ")}${chosen}`;
}

export const verb: Verb = defineVerb({
  name: "check",
  summary: "rebuild windows from traces, verify every answer, and say what is wrong, where and since when",
  arguments: [["<file...>", STATE_FILE]],
  options: [
    ...thresholdOptions(),
    filterOption(),
    rowsOption("sarif"),
    rawCellsOption(),
    text("--against <stream>", "compare the trace with a saved machine of the same run, entry by entry"),
    momentOption("where the trace says so", "with --against: when that was saved, "),
    quietOption("print findings only"),
  ],
  examples: [
    "check qemu.log",
    "check --ram 4G --output json qemu.log.gz",
    "check --output sarif --out check.sarif qemu.log",
    "check --filter 'dma_*: device == 0000:00:03.0' trace.txt",
    "check --against vm.mig qemu.log",
  ],
  run: check,
});
