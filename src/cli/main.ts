#!/usr/bin/env node
import { Command, CommanderError, Option } from "commander";
import { IommuError } from "../base/errors.ts";
import { PROFILES } from "../spapr/profile.ts";
import { KERNEL_PROFILES } from "../vfio/host/profile.ts";
import { type ExecOptions, exec } from "./exec.ts";
import { Exit, printError } from "./output.ts";
import { packageVersion } from "./package-files.ts";
import { type RunOptions, run } from "./run.ts";

/** Runs the command line and returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  let status: number = Exit.OK;
  const program = makeProgram((code) => {
    status = code;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.OK : Exit.FAILED;
    if (!(error instanceof IommuError)) throw error;
    printError(`spapr-iommu: ${error.message}`);
    return error.code === "UNSUPPORTED" ? Exit.UNSUPPORTED : Exit.FAILED;
  }
}

function makeProgram(finish: (status: number) => void): Command {
  const program = new Command("spapr-iommu")
    .description("The pSeries (sPAPR) IOMMU and its DMA stack, checked against real QEMU.")
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError("(add --help for the options)")
    .addHelpText(
      "after",
      "\nExit status: 0 fine, 1 could not be done, 2 wrong (mismatch), 3 only leaks, 63 not supported for this input.",
    );
  program
    .command("exec")
    .argument("<script...>", "op scripts or recordings (JSONL, may be gzip-compressed), - for standard input")
    .description("run an op script and print it with our results, or compare with the results in it")
    .option("--check", "compare with the recorded results; exit 2 on a difference", false)
    .option("--all", "with --check: print every difference, not only the first of a file", false)
    .option("--known <file>", "reviewed differences (default: those that ship with the package)")
    .option("--explain", "tell on standard error why calls were refused", false)
    .option("--trace", "print QEMU's trace events on standard error", false)
    .addOption(
      new Option(
        "--profile <name>",
        "which system to be (default: the one that was recorded, else qemu-7.2)",
      ).choices([...Object.keys(PROFILES), ...KERNEL_PROFILES.map((profile) => profile.name)]),
    )
    .addOption(outputOption())
    .option("-q, --quiet", "print differences only", false)
    .action(async (paths: string[], options: ExecOptions) => finish(await exec(paths, options)));
  program
    .command("run")
    .argument("[scenario]", "name of the scenario")
    .description("run a scenario and print its report")
    .option("--list", "list the scenarios", false)
    .option("--trace <file>", "QEMU log to compare with (linux-boot), - for standard input")
    .option("--coherence", "compare all views of every mapping after each operation", false)
    .addOption(profileOption())
    .addOption(outputOption())
    .option("-q, --quiet", "print nothing, only set the exit status", false)
    .action(async (name: string | undefined, options: RunOptions) => finish(await run(name, options)));
  return program;
}

const profileOption = (): Option =>
  new Option("--profile <name>", "which hypervisor to be").choices(Object.keys(PROFILES));

const outputOption = (): Option =>
  new Option("--output <form>", "form of the output").choices(["human", "json"]).default("human");

/** Ends quietly when the reader of our output goes away, as in `spapr-iommu exec X | head`. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(Exit.OK);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
