#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { IommuError } from "../base/errors.ts";
import { DEFAULT_PROFILE, PROFILES } from "../spapr/profile.ts";
import { type AttachVerbOptions, attach } from "./attach.ts";
import { type ExecOptions, exec } from "./exec.ts";
import { type OracleOptions, oracle } from "./oracle.ts";
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
    .argument("<script...>", "op scripts (JSONL, may be gzip-compressed), - for standard input")
    .description("run an op script and print it with our results, or compare with the results in it")
    .option("--check", "compare with the recorded results; exit 2 on a difference", false)
    .option("--all", "with --check: print every difference, not only the first of a file", false)
    .option("--known <file>", "reviewed differences (default: those that ship with the package)")
    .option("--explain", "tell on standard error why calls were refused", false)
    .option("--trace", "print QEMU's trace events on standard error", false)
    .addOption(profileOption().default(DEFAULT_PROFILE))
    .addOption(outputOption())
    .option("-q, --quiet", "print differences only", false)
    .action(async (paths: string[], options: ExecOptions) => finish(await exec(paths, options)));
  program
    .command("run")
    .argument("[scenario]", "name of the scenario")
    .description("run a scenario and print its report")
    .option("--list", "list the scenarios", false)
    .option("--trace <file>", "QEMU log to compare with (linux-boot), - for standard input")
    .addOption(profileOption())
    .addOption(outputOption())
    .option("-q, --quiet", "print nothing, only set the exit status", false)
    .action(async (name: string | undefined, options: RunOptions) => finish(await run(name, options)));
  program
    .command("attach")
    .description("follow the DMA windows of a running QEMU, by its monitor and its trace")
    .requiredOption("--qmp <socket>", "the monitor: a QEMU started with -qmp unix:SOCKET,server=on,wait=off")
    .option("--log <file>", "where QEMU writes its log (default: what its -D says)")
    .option("--no-base", "do not take the machine's state first, which stops the guest for a moment")
    .option("--large-windows", "take it even if a window may be too large for QEMU to save", false)
    .option("--for <seconds>", "end after so many seconds", wholeNumber(1, 1_000_000_000))
    .option("--refresh <ms>", "time between two states", wholeNumber(10, 3_600_000), 500)
    .option("--mappings", "show all mappings of all windows", false)
    .addOption(profileOption())
    .addOption(outputOption())
    .option("-q, --quiet", "print nothing, only set the exit status", false)
    .action(async (options: AttachVerbOptions) => finish(await attach(options)));
  program
    .command("oracle")
    .argument("[script...]", "op scripts (JSONL, may be gzip-compressed), - for standard input")
    .description("compare the engine with the QEMU that is installed here; exit 63 if there is none")
    .option("--random <count>", "make up scripts of so many operations in total", wholeNumber(1, 100_000_000))
    .option("--seed <number>", "with --random: what they are made from", wholeNumber(0, 2 ** 31 - 1), 1)
    .option("--write <file>", "with --random: where to write the smallest script that differs")
    .option("--qemu <command>", "which QEMU (default: $QEMU_PPC64, then qemu-system-ppc64)")
    .option("--timeout <seconds>", "most that one machine may take", wholeNumber(1, 86_400), 600)
    .option("--all", "print every difference, not only the first of a file", false)
    .option("--known <file>", "reviewed differences (default: those that ship with the package)")
    .addOption(profileOption())
    .addOption(outputOption())
    .option("-q, --quiet", "print differences only", false)
    .action(async (paths: string[], options: OracleOptions) => finish(await oracle(paths, options)));
  return program;
}

/** Reads an option that is a whole number within limits. */
const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

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
