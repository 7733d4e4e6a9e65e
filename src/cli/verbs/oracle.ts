import { IommuError } from "../../base/errors.ts";
import { counted, formatCount } from "../../base/units.ts";
import { type OpScript, parseOpScript } from "../../formats/op-script/script.ts";
import { askOracle, isMismatch, type OracleOutcome, type OracleReport } from "../../live/oracle.ts";
import { findQemu, profileOf, type QemuProgram } from "../../live/qemu-program.ts";
import { lineWithTheirs, qemuOracle, searchDifference, withProfile } from "../../live/random/search.ts";
import type { RunLimits } from "../../live/real-qemu.ts";
import { operationOf } from "../../script/op/recording.ts";
import { findProfile } from "../../spapr/profile.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { readTextFile } from "../input.ts";
import { untilInterrupted } from "../interrupt.ts";
import { readKnownDifferences } from "../known-differences.ts";
import { NewFile } from "../new-file.ts";
import {
  ANY_INPUT,
  answerOptions,
  flag,
  knownOption,
  profileOption,
  quietOption,
  text,
  value,
  wholeNumber,
} from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { toldMachine, toldMachineOption } from "../told-machine.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface OracleOptions extends AnswerOptions {
  readonly random: number | undefined;
  readonly seed: number;
  readonly qemu: string | undefined;
  readonly timeout: number;
  readonly profile: string | undefined;
  readonly write: string | undefined;
  readonly machine: string | undefined;
  readonly known: string | undefined;
  readonly all: boolean;
  readonly quiet: boolean;
}

/** `oracle SCRIPT...` and `oracle --random N`: compares the engine with the QEMU that is installed. */
export async function oracle(paths: readonly string[], options: OracleOptions): Promise<number> {
  if ((options.random === undefined) === (paths.length === 0)) {
    throw new IommuError("BAD_ARGUMENT", "name op scripts, or give --random N (and not both)");
  }
  if (options.profile !== undefined) findProfile(options.profile);
  const scripts: OpScript[] = [];
  const { machine } = options;
  if (machine !== undefined && options.random !== undefined)
    throw new IommuError(
      "BAD_ARGUMENT",
      "--machine and --random: random scripts come with machines of their own",
    );
  const told = machine === undefined ? undefined : await toldMachine(machine);
  for (const path of paths) scripts.push(parseOpScript(await readTextFile(path), displayName(path), told));
  const qemu = await findQemu(options.qemu);
  const profile = options.profile ?? profileOf(qemu);
  if (!options.quiet) printError(`QEMU ${qemu.version}, profile ${profile}`);
  return untilInterrupted((signal) => {
    const limits = { timeoutSeconds: options.timeout, signal };
    return options.random === undefined
      ? compareScripts(scripts, qemu, profile, limits, options)
      : searchRandom(options.random, qemu, profile, limits, options);
  });
}

async function compareScripts(
  scripts: readonly OpScript[],
  qemu: QemuProgram,
  profile: string,
  limits: RunLimits,
  options: OracleOptions,
): Promise<number> {
  const known = await readKnownDifferences(options.known);
  const reports: OracleReport[] = [];
  for (const script of scripts) {
    const report = await askOracle(withProfile(script, profile), qemu, known, limits);
    reports.push(report);
    if (options.output === "human") printReport(report, options);
  }
  const answer: Answer = {
    // Reports were printed as they were made.
    human: () => {},
    json: () => [toJson({ qemu: qemu.version, profile, files: reports.map(showReport) })],
    columns: COLUMNS,
    rows: () => reports.flatMap(rowsOf),
  };
  await printAnswer(answer, options);
  return reports.some((report) => report.outcomes.some(isMismatch)) ? Exit.WRONG : Exit.OK;
}

const COLUMNS = ["file", "line", "verdict", "operation", "qemu", "engine", "reason"];

/** Operations whose result is not that of QEMU, known or not. */
export const rowsOf = (report: OracleReport): Row[] =>
  report.outcomes
    .filter((outcome) => outcome.verdict === "known" || isMismatch(outcome))
    .map(({ line, verdict, theirs, result, reason }) => ({
      file: report.script.file,
      line: line.number,
      verdict,
      operation: operationOf(line),
      qemu: theirs ?? null,
      engine: result,
      ...(reason === undefined ? {} : { reason }),
    }));

function printReport(report: OracleReport, options: OracleOptions): void {
  const bad = report.outcomes.filter(isMismatch);
  for (const outcome of options.all ? bad : bad.slice(0, 1)) print(describe(outcome, report));
  if (!options.quiet) print(summary(report));
}

function describe({ line, verdict, reason, result, theirs }: OracleOutcome, report: OracleReport): string {
  const what =
    verdict === "vanished" ? `listed as a known difference, but it is none: ${reason}` : "the engine differs";
  return [
    `${line.file}:${line.number}: ${colors.red(what)}`,
    `  operation ${toJson(operationOf(line))}`,
    `  QEMU      ${theirs === undefined ? describeCrash(report) : toJson(theirs)}`,
    `  engine    ${toJson(result)}`,
  ].join("\n");
}

const describeCrash = ({ crash }: OracleReport): string =>
  `ended (${crash?.signal ?? `status ${crash?.code}`})${crash?.message ? `: ${crash.message}` : ""}`;

function summary(report: OracleReport): string {
  const { outcomes, notReached, crash, script } = report;
  const count = (verdict: string): number => outcomes.filter((outcome) => outcome.verdict === verdict).length;
  const parts = [counted(script.lines.length, "operation"), `${formatCount(count("same"))} as real QEMU`];
  if (count("known") > 0) parts.push(counted(count("known"), "known difference"));
  if (crash !== null) parts.push(`QEMU ${describeCrash(report)}`);
  if (notReached > 0) parts.push(`${formatCount(notReached)} not reached`);
  const bad = outcomes.filter(isMismatch).length;
  if (bad > 0) parts.push(colors.red(`${formatCount(bad)} different`));
  return `${script.file}: ${parts.join(", ")}`;
}

/** A report in the shape of the JSON output. */
export const showReport = (report: OracleReport): object => ({
  file: report.script.file,
  operations: report.script.lines.length,
  same: report.outcomes.filter(({ verdict }) => verdict === "same").length,
  known: report.outcomes
    .filter(({ verdict }) => verdict === "known")
    .map(({ line, reason }) => ({ line: line.number, reason })),
  crash: report.crash,
  notReached: report.notReached,
  mismatches: report.outcomes.filter(isMismatch).map(({ line, verdict, theirs, result }) => ({
    line: line.number,
    verdict,
    operation: operationOf(line),
    qemu: theirs ?? null,
    engine: result,
  })),
});

async function searchRandom(
  operations: number,
  qemu: QemuProgram,
  profile: string,
  limits: RunLimits,
  options: OracleOptions,
): Promise<number> {
  const { seed, write } = options;
  // What is wrong with it is said before the search, not after it.
  const file = write === undefined ? undefined : new NewFile(write, true);
  const progress = options.quiet || !process.stderr.isTTY ? () => {} : showProgress;
  const found = await searchDifference(qemuOracle(qemu, limits), {
    operations,
    seed,
    profile,
    onProgress: (done) => progress(`${done} of ${operations} operations`),
    onShrink: (length) => progress(`difference found, shrinking: ${length} operations`),
  });
  progress("");
  const { difference, machines } = found;
  const answer: Answer = {
    human: () => {
      if (options.quiet && difference === undefined) return;
      const where = `on ${counted(machines, "machine")}, seed ${seed}`;
      const what = `${counted(found.operations, "random operation")} ${where}`;
      print(
        difference === undefined ? `${what}: all as real QEMU` : `${what}: ${colors.red("a difference")}`,
      );
      for (const outcome of difference?.outcomes.filter(isMismatch) ?? [])
        print(describe(outcome, difference!));
    },
    json: () => {
      const shown = difference === undefined ? null : showReport(difference);
      const { operations } = found;
      return [toJson({ qemu: qemu.version, profile, seed, operations, machines, difference: shown })];
    },
    columns: COLUMNS,
    rows: () => (difference === undefined ? [] : rowsOf(difference)),
  };
  await printAnswer(answer, options);
  if (difference === undefined) return Exit.OK;
  const { header } = difference.script;
  const lines = [header.text, ...difference.outcomes.map(lineWithTheirs)];
  const text = `${lines.join("\n")}\n`;
  if (file !== undefined) file.write(text);
  else if (options.output === "human") print(`\nThe smallest script, with QEMU's results:\n${text}`);
  return Exit.WRONG;
}

/** One line on the terminal that is written over and over. */
function showProgress(text: string): void {
  process.stderr.write(`\r${text}\x1b[K`);
}

export const verb: Verb = defineVerb({
  name: "oracle",
  summary: "compare the engine with the QEMU that is installed here; exit 63 if there is none",
  arguments: [["[script...]", `op scripts (JSONL); ${ANY_INPUT}`]],
  options: [
    value("--random <count>", "make up scripts of so many operations in total", wholeNumber(1, 100_000_000)),
    value("--seed <number>", "with --random: what they are made from", wholeNumber(0, 2 ** 31 - 1)).default(
      1,
    ),
    text("--write <file>", "with --random: where to write the smallest script that differs"),
    text("--qemu <command>", "which QEMU (default: $QEMU_PPC64, then qemu-system-ppc64)"),
    value("--timeout <seconds>", "most that one machine may take", wholeNumber(1, 86_400)).default(600),
    flag("--all", "print every difference, not only the first of a file"),
    toldMachineOption(),
    knownOption(),
    profileOption(),
    ...answerOptions(),
    quietOption("print differences only"),
  ],
  examples: [
    "oracle script.jsonl",
    "oracle --machine machine.yaml script.jsonl",
    "oracle --random 10000 --seed 7 --write difference.jsonl",
  ],
  run: oracle,
});
