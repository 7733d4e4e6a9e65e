import { performance } from "node:perf_hooks";
import { IommuError } from "../../base/errors.ts";
import type { ScenarioInput, ScenarioReport } from "../../lab/scenario.ts";
import { SCENARIOS } from "../../lab/scenarios.ts";
import { runStory } from "../../lab/story/run-story.ts";
import { findProfile } from "../../spapr/profile.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { openInput } from "../input.ts";
import { readMachineFile } from "../machine-file.ts";
import { MACHINE_FILE } from "../machine-file-kinds.ts";
import { NewFile } from "../new-file.ts";
import { answerOptions, flag, profileOption, quietOption, text } from "../options.ts";
import { print, toJson } from "../output.ts";
import { packageFile } from "../package-files.ts";
import { formatReport } from "../scenario-text.ts";
import { isStoryFile, readStory, storyNames } from "../story-files.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { wrap } from "../wrap.ts";

/** A recorded boot of Linux 6.1 with NVMe and e1000 on QEMU 7.2, which ships with the package. */
const RECORDED_BOOT = "test/corpus/traces/nvme-e1000-1g-linux61.log.gz";
/** The command line and the kernel of that boot. */
const RECORDED_MACHINE = "test/corpus/traces/nvme-e1000-1g-linux61.json";

export interface RunOptions extends AnswerOptions {
  readonly list: boolean;
  readonly trace: string | undefined;
  readonly machine: string | undefined;
  readonly against: string | undefined;
  readonly kernel: string | undefined;
  readonly profile: string | undefined;
  readonly coherence: boolean;
  readonly saveTrace: string | undefined;
  readonly quiet: boolean;
}

/** `run SCENARIO`: runs a scenario and prints its report. */
export async function run(name: string | undefined, options: RunOptions): Promise<number> {
  if (options.list) {
    await printAnswer(await scenarioList(), options);
    return Exit.OK;
  }
  const all = [...SCENARIOS.map((scenario) => scenario.name), ...storyNames()];
  if (name === undefined) throw new IommuError("BAD_ARGUMENT", `name a scenario: ${all.join(", ")}`);
  if (isStoryFile(name) || storyNames().includes(name)) return runStoryOf(name, options);
  const scenario = SCENARIOS.find((other) => other.name === name);
  if (scenario === undefined)
    throw new IommuError("BAD_ARGUMENT", `no scenario "${name}": there are ${all.join(", ")}`, { name });
  const { saveTrace } = options;
  if (saveTrace !== undefined)
    throw new IommuError("BAD_ARGUMENT", `--save-trace: ${name} is no story, and makes no trace of its own`);
  if (options.profile !== undefined) findProfile(options.profile);
  const { trace, machine, against } = options;
  if (trace !== undefined && against !== undefined)
    throw new IommuError("BAD_ARGUMENT", "--trace and --against: name one trace");
  if (against !== undefined && machine === undefined)
    throw new IommuError(
      "BAD_ARGUMENT",
      "--against needs --machine: the description of the machine that was traced",
    );
  const report = await scenario.run({
    now: () => performance.now() / 1000,
    profile: options.profile,
    coherence: options.coherence,
    trace: inputOf(trace ?? against, RECORDED_BOOT, "a recorded Linux boot with NVMe and e1000 (QEMU 7.2)"),
    machine: {
      name:
        machine === undefined
          ? "the machine of a recorded boot with NVMe and e1000 (QEMU 7.2)"
          : displayName(machine),
      description: await readMachineFile(machine ?? packageFile(RECORDED_MACHINE)),
    },
    against: machine === undefined || against !== undefined,
    kernel: options.kernel,
  });
  return printReport(report, options);
}

/** Runs a story of the package or of a file. */
async function runStoryOf(name: string, options: RunOptions): Promise<number> {
  const { saveTrace, ...others } = options;
  for (const option of ["trace", "machine", "against", "kernel", "profile"] as const)
    if (others[option] !== undefined)
      throw new IommuError("BAD_ARGUMENT", `--${option}: a story says itself what it runs on`);
  if (others.coherence)
    throw new IommuError("BAD_ARGUMENT", "--coherence: a story says itself what it compares");
  const file = saveTrace === undefined ? undefined : new NewFile(saveTrace, true);
  const { report, trace } = runStory(await readStory(name));
  file?.write(`${trace.join("\n")}\n`);
  return printReport(report, options);
}

async function printReport(report: ScenarioReport, options: RunOptions): Promise<number> {
  const answer: Answer = {
    human: () => print(formatReport(report)),
    json: () => [toJson(report)],
    columns: ["scenario", "name", "ok", "detail"],
    rows: () => report.checks.map((check) => ({ scenario: report.scenario, ...check })),
  };
  if (!options.quiet || options.output !== "human") await printAnswer(answer, options);
  return report.checks.every((check) => check.ok) ? Exit.OK : Exit.WRONG;
}

/** A file that the user named, or one that ships with the package and what it is called then. */
function inputOf(path: string | undefined, own: string, title: string): ScenarioInput {
  if (path === undefined) return { name: title, open: () => openInput(packageFile(own)) };
  return { name: displayName(path), open: () => openInput(path) };
}

async function scenarioList(): Promise<Answer> {
  const rows: { kind: "scenario" | "story"; name: string; summary: string }[] = SCENARIOS.map(
    ({ name, summary }) => ({ kind: "scenario", name, summary }),
  );
  for (const name of storyNames())
    rows.push({ kind: "story", name, summary: (await readStory(name)).summary });
  const part = (wanted: "scenario" | "story"): string =>
    rows
      .filter(({ kind }) => kind === wanted)
      .map(({ name, summary }) => `${colors.bold(name)}\n${indent(wrap(summary, LIST_WIDTH))}`)
      .join("\n");
  return {
    human: () =>
      print(
        `Scenarios, which measure:\n\n${part("scenario")}\n\nStories, which are data (stories/*.yaml of the package, or files of yours):\n\n${part("story")}`,
      ),
    json: () => [toJson(rows)],
    columns: ["kind", "name", "summary"],
    rows: () => rows,
  };
}

/** What a scenario shows takes two lines of a list. */
const LIST_WIDTH = 96;
const indent = (text: string): string => text.replace(/^/gm, "    ");

export const verb: Verb = defineVerb({
  name: "run",
  summary: "run a scenario or a story and print its report",
  arguments: [
    ["[scenario]", "name of a scenario or a story, or a file with a story (schema/story.schema.json)"],
  ],
  options: [
    flag("--list", "list scenarios and stories, with what each shows"),
    text("--trace <file>", "QEMU log to compare with (linux-boot), - for standard input"),
    text("--machine <file>", `the machine (linux-guest): ${MACHINE_FILE}`),
    text(
      "--against <file>",
      "trace of a boot of that machine, with which each call is compared (linux-guest)",
    ),
    text("--kernel <version>", "kernel of the guest (linux-guest): 6.1, 6.12, 7.2, or a whole version"),
    text("--save-trace <file>", "write the trace of a story's first machine, for check and its kin"),
    flag("--coherence", "compare all views of every mapping after each operation"),
    profileOption(),
    ...answerOptions(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: [
    "run --list",
    "run huge-window",
    "run hotplug --coherence",
    "run fragmentation",
    "run my-story.yaml --save-trace trace.log",
    "run linux-guest --machine command-line.txt --kernel 6.12 --against qemu.log",
  ],
  run,
});
