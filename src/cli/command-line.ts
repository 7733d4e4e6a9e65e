import { Command, CommanderError } from "commander";
import { IommuError } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { Exit, printError } from "./output.ts";
import { packageVersion } from "./package-files.ts";
import { commandOf, type Verb } from "./verb.ts";

/** All verbs, in the order of the help. */
export const VERBS: Readonly<Record<string, () => Promise<{ readonly verb: Verb }>>> = {
  exec: () => import("./verbs/exec.ts"),
  check: () => import("./verbs/check.ts"),
  shrink: () => import("./verbs/shrink.ts"),
  info: () => import("./verbs/info.ts"),
  map: () => import("./verbs/map.ts"),
  diff: () => import("./verbs/diff.ts"),
  stat: () => import("./verbs/stat.ts"),
  run: () => import("./verbs/run.ts"),
  convert: () => import("./verbs/convert.ts"),
  attach: () => import("./verbs/attach.ts"),
  oracle: () => import("./verbs/oracle.ts"),
};

/** Runs the command line and returns the exit status. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let status: number = Exit.OK;
  const program = new Command("spapr-iommu")
    .description("The pSeries (sPAPR) IOMMU and its DMA stack, checked against real QEMU.")
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError("(add --help for the options)")
    .addHelpText(
      "after",
      "\nExit status: 0 fine, 1 could not be done, 2 wrong (mismatch), 3 only leaks, 63 not supported for this input.",
    );
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

/** The verb that is called; none for the version; all if the user asks for help, or names none that there is. */
function verbsFor(argv: readonly string[]): (() => Promise<{ readonly verb: Verb }>)[] {
  const first = argv[0] ?? "";
  if (Object.hasOwn(VERBS, first)) return [VERBS[first]!];
  return first === "--version" || first === "-V" ? [] : Object.values(VERBS);
}
