import { performance } from "node:perf_hooks";
import { IommuError } from "../../base/errors.ts";
import type { ScenarioInput } from "../../lab/scenario.ts";
import { findScenario, SCENARIOS } from "../../lab/scenarios.ts";
import { findProfile } from "../../spapr/profile.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { displayName } from "../display-name.ts";
import { openInput } from "../input.ts";
import { MACHINE_FILE, readMachineFile } from "../machine-file.ts";
import { answerOptions, flag, profileOption, quietOption, text } from "../options.ts";
import { Exit, print, toJson } from "../output.ts";
import { packageFile } from "../package-files.ts";
import { formatReport } from "../scenario-text.ts";
import { printTable } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";

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
  readonly quiet: boolean;
}

/** `run SCENARIO`: runs a scenario and prints its report. */
export async function run(name: string | undefined, options: RunOptions): Promise<number> {
  if (options.list) {
    await printAnswer(SCENARIO_LIST, options);
    return Exit.OK;
  }
  if (name === undefined) {
    throw new IommuError(
      "BAD_ARGUMENT",
      `name a scenario: ${SCENARIOS.map((scenario) => scenario.name).join(", ")}`,
    );
  }
  const scenario = findScenario(name);
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

const SCENARIO_LIST: Answer = {
  human: () =>
    printTable(
      [{ head: "scenario" }, { head: "what it shows" }],
      SCENARIOS.map(({ name, summary }) => [name, summary]),
    ),
  json: () => [toJson(SCENARIOS.map(({ name, summary }) => ({ name, summary })))],
  columns: ["name", "summary"],
  rows: () => SCENARIOS.map(({ name, summary }) => ({ name, summary })),
};

export const verb: Verb = defineVerb({
  name: "run",
  summary: "run a scenario and print its report",
  arguments: [["[scenario]", "name of the scenario"]],
  options: [
    flag("--list", "list the scenarios"),
    text("--trace <file>", "QEMU log to compare with (linux-boot), - for standard input"),
    text("--machine <file>", `the machine (linux-guest): ${MACHINE_FILE}`),
    text(
      "--against <file>",
      "trace of a boot of that machine, with which each call is compared (linux-guest)",
    ),
    text("--kernel <version>", "kernel of the guest (linux-guest): 6.1, 6.12, 7.2, or a whole version"),
    flag("--coherence", "compare all views of every mapping after each operation"),
    profileOption(),
    ...answerOptions(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: [
    "run --list",
    "run huge-window",
    "run hotplug --coherence",
    "run linux-guest --machine command-line.txt --kernel 6.12 --against qemu.log",
  ],
  run,
});
