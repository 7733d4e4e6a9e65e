import { Command, CommanderError } from "commander";
import { IommuError } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { completionOf, isShell, SHELLS } from "./completion.ts";
import { EXIT_TEXT, Exit } from "./exit-status.ts";
import { printError, printPieces } from "./output.ts";
import { packageVersion } from "./package-files.ts";
import { commandOf, HELP, type Verb } from "./verb.ts";

/** All verbs, in the order of the help. */
export const VERBS: Readonly<Record<string, () => Promise<{ readonly verb: Verb }>>> = {
  exec: () => import("./verbs/exec.ts"),
  check: () => import("./verbs/check.ts"),
  shrink: () => import("./verbs/shrink.ts"),
  info: () => import("./verbs/info.ts"),
  map: () => import("./verbs/map.ts"),
  diff: () => import("./verbs/diff.ts"),
  who: () => import("./verbs/who.ts"),
  alive: () => import("./verbs/alive.ts"),
  stat: () => import("./verbs/stat.ts"),
  run: () => import("./verbs/run.ts"),
  convert: () => import("./verbs/convert.ts"),
  attach: () => import("./verbs/attach.ts"),
  ui: () => import("./verbs/ui.ts"),
  report: () => import("./verbs/report.ts"),
  oracle: () => import("./verbs/oracle.ts"),
  plan: () => import("./verbs/plan.ts"),
  device: () => import("./verbs/device.ts"),
  probe: () => import("./verbs/probe.ts"),
};

const COMPLETION = "--completion";

/** The program in one sentence. */
export const SUMMARY = "The pSeries (sPAPR) IOMMU and its DMA stack, checked against real QEMU.";

/** Runs the command line and returns the exit status. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let status: number = Exit.OK;
  if (argv[0] === COMPLETION) return printCompletion(argv[1] ?? "");
  const program = new Command("spapr-iommu")
    .description(SUMMARY)
    .option(
      `${COMPLETION} <shell>`,
      "print the script that makes bash, zsh or fish complete verbs and options",
    )
    .version(packageVersion())
    .configureHelp(HELP)
    .exitOverride()
    .configureOutput({ writeErr: (text) => printError(text.trimEnd()) })
    .showHelpAfterError("(add --help for the options)")
    .addHelpText("after", `\n${EXIT_TEXT}`);
  for (const load of verbsFor(argv)) {
    const { verb } = await load();
    const command = commandOf(verb, (code) => {
      status = code;
    });
    program.addCommand(command.copyInheritedSettings(program));
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.OK : Exit.FAILED;
    if (!(error instanceof IommuError)) throw error;
    printError(`spapr-iommu: ${visible(error.message)}`);
    return error.code === "UNSUPPORTED" ? Exit.UNSUPPORTED : Exit.FAILED;
  }
}

/** All verbs as commands that do nothing, for what is made of their options. */
export async function allCommands(): Promise<{ readonly verb: Verb; readonly command: Command }[]> {
  const modules = await Promise.all(Object.values(VERBS).map((load) => load()));
  return modules.map(({ verb }) => ({ verb, command: commandOf(verb, () => {}) }));
}

async function printCompletion(shell: string): Promise<number> {
  if (!isShell(shell)) {
    printError(`spapr-iommu: ${COMPLETION} "${visible(shell)}": name a shell: ${SHELLS.join(", ")}`);
    return Exit.FAILED;
  }
  await printPieces([
    completionOf(
      shell,
      (await allCommands()).map(({ command }) => command),
    ),
  ]);
  return Exit.OK;
}

/** The verb that is called; none for the version; all if the user asks for help, or names none that there is. */
function verbsFor(argv: readonly string[]): (() => Promise<{ readonly verb: Verb }>)[] {
  const first = argv[0] ?? "";
  if (Object.hasOwn(VERBS, first)) return [VERBS[first]!];
  return first === "--version" || first === "-V" ? [] : Object.values(VERBS);
}
