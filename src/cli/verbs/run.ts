import { performance } from "node:perf_hooks";
import { IommuError } from "../../base/errors.ts";
import { findScenario, SCENARIOS } from "../../lab/scenarios.ts";
import { findProfile } from "../../spapr/profile.ts";
import { displayName } from "../display-name.ts";
import { openInput } from "../input.ts";
import { flag, outputOption, profileOption, quietOption, text } from "../options.ts";
import { Exit, formatReport, print, toJson } from "../output.ts";
import { packageFile } from "../package-files.ts";
import { defineVerb, type Verb } from "../verb.ts";

/** A recorded boot of Linux 6.1 with NVMe and e1000 on QEMU 7.2, which ships with the package. */
const RECORDED_BOOT = "test/corpus/traces/nvme-e1000-1g-linux61.log.gz";

export interface RunOptions {
  readonly list: boolean;
  readonly trace: string | undefined;
  readonly profile: string | undefined;
  readonly coherence: boolean;
  readonly output: "human" | "json";
  readonly quiet: boolean;
}

/** `run SCENARIO`: runs a scenario and prints its report. */
export async function run(name: string | undefined, options: RunOptions): Promise<number> {
  if (options.list) {
    listScenarios(options);
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
  const path = options.trace ?? packageFile(RECORDED_BOOT);
  const report = await scenario.run({
    now: () => performance.now() / 1000,
    profile: options.profile,
    coherence: options.coherence,
    trace: {
      name:
        options.trace === undefined
          ? "a recorded Linux boot with NVMe and e1000 (QEMU 7.2)"
          : displayName(path),
      open: () => openInput(path),
    },
  });
  if (options.output === "json") print(toJson(report));
  else if (!options.quiet) print(formatReport(report));
  return report.checks.every((check) => check.ok) ? Exit.OK : Exit.WRONG;
}

function listScenarios(options: RunOptions): void {
  if (options.output === "json") {
    print(toJson(SCENARIOS.map(({ name, summary }) => ({ name, summary }))));
    return;
  }
  const width = Math.max(...SCENARIOS.map((scenario) => scenario.name.length));
  for (const { name, summary } of SCENARIOS) print(`${name.padEnd(width)}  ${summary}`);
}

export const verb: Verb = defineVerb({
  name: "run",
  summary: "run a scenario and print its report",
  arguments: [["[scenario]", "name of the scenario"]],
  options: [
    flag("--list", "list the scenarios"),
    text("--trace <file>", "QEMU log to compare with (linux-boot), - for standard input"),
    flag("--coherence", "compare all views of every mapping after each operation"),
    profileOption(),
    outputOption(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: ["run --list", "run huge-window", "run hotplug --coherence"],
  run,
});
