import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { IommuError } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { PROFILES } from "../spapr/profile.ts";
import { KERNEL_PROFILES } from "../vfio/host/profile.ts";
import { Exit, printError } from "./output.ts";
import { packageVersion } from "./package-files.ts";
import type { AttachVerbOptions } from "./verbs/attach.ts";
import type { CheckCommandOptions } from "./verbs/check.ts";
import type { ConvertOptions } from "./verbs/convert.ts";
import type { ExecOptions } from "./verbs/exec.ts";
import type { InfoOptions, StateOptions } from "./verbs/map.ts";
import type { OracleOptions } from "./verbs/oracle.ts";
import type { RunOptions } from "./verbs/run.ts";
import type { ShrinkOptions } from "./verbs/shrink.ts";
import type { StatOptions } from "./verbs/stat.ts";

/** Runs the command line and returns the exit status. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
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
    printError(`spapr-iommu: ${visible(error.message)}`);
    return error.code === "UNSUPPORTED" ? Exit.UNSUPPORTED : Exit.FAILED;
  }
}

/** The code of a verb is loaded when it is called: all of it takes longer than many a verb does. */
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
    .action(async (paths: string[], options: ExecOptions) =>
      finish(await (await import("./verbs/exec.ts")).exec(paths, options)),
    );
  withCheckOptions(
    program
      .command("check")
      .argument("<file...>", STATE_FILE)
      .description(
        "rebuild windows from traces, verify every answer, and say what is wrong, where and since when",
      ),
  )
    .option("--against <stream>", "compare the trace with a saved machine of the same run, entry by entry")
    .option(
      "--at <moment>",
      `with --against: when that was saved, ${MOMENT.replace("at the end", "where the trace says so")}`,
    )
    .option("-q, --quiet", "print findings only", false)
    .action(async (paths: string[], options: CheckCommandOptions) =>
      finish(await (await import("./verbs/check.ts")).check(paths, options)),
    );
  withCheckOptions(
    program
      .command("shrink")
      .argument("<file>", "trace of QEMU (log or simple)")
      .description("reduce a trace to a few operations that still show a finding, as an op script")
      .requiredOption("--finding <number>", "which finding of check, counted from 1"),
  )
    .option("-q, --quiet", "print the script only", false)
    .action(async (path: string, options: ShrinkOptions) =>
      finish(await (await import("./verbs/shrink.ts")).shrinkFile(path, options)),
    );
  program
    .command("info")
    .argument("<file>", STATE_FILE)
    .description("the DMA windows as a tree, in the way of QEMU's info mtree")
    .option("--at <moment>", MOMENT)
    .option("--migration", "what the tables cost when QEMU migrates the machine", false)
    .addOption(outputOption())
    .action(async (path: string, options: InfoOptions) =>
      finish(await (await import("./verbs/map.ts")).info(path, options)),
    );
  program
    .command("map")
    .argument("<file>", STATE_FILE)
    .description("the mappings of the windows as runs")
    .option("--liobn <liobn>", "only this window")
    .option("--at <moment>", MOMENT)
    .option("--raw", "every entry that is not zero, as it is", false)
    .addOption(outputOption())
    .action(async (path: string, options: StateOptions) =>
      finish(await (await import("./verbs/map.ts")).map(path, options)),
    );
  program
    .command("diff")
    .argument("<a>", "FILE, or FILE@MOMENT")
    .argument("<b>", "FILE, or FILE@MOMENT")
    .description("what changed between two moments of a trace, or of two traces or saved machines")
    .addOption(outputOption())
    .action(async (a: string, b: string, options: StateOptions) =>
      finish(await (await import("./verbs/map.ts")).diffMoments(a, b, options)),
    );
  program
    .command("stat")
    .argument(
      "<file>",
      "trace of QEMU (log or simple) or text of Linux' dma events; may be gzip-compressed; - for standard input",
    )
    .description(
      "how often, how much at once and for how long: rates, runs, sizes and lifetimes as histograms",
    )
    .addOption(filterOption())
    .addOption(outputOption())
    .option("-q, --quiet", "no progress bar", false)
    .action(async (path: string, options: StatOptions) =>
      finish(await (await import("./verbs/stat.ts")).stat(path, options)),
    );
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
    .action(async (name: string | undefined, options: RunOptions) =>
      finish(await (await import("./verbs/run.ts")).run(name, options)),
    );
  program
    .command("convert")
    .argument(
      "<in>",
      "trace: QEMU log, simpletrace or Linux dma events, may be gzip-compressed, - for standard input; or migration stream",
    )
    .argument(
      "<out>",
      "file.jsonl, .csv, .parquet, .perfetto-trace (.pftrace), or folder/ for partitioned Parquet; of a stream: file.mig, file.mig.gz",
    )
    .description(
      "write a trace as a table for other tools, or as a timeline for Perfetto; a saved machine without its guest's memory",
    )
    .addOption(
      new Option("--table <name>", "one row for each event, or for each mapping with its end")
        .choices(["events", "mappings"])
        .default("events"),
    )
    .option("--run <name>", "name of the recording in the table (default: that of the file)")
    .addOption(filterOption())
    .option("-f, --force", "overwrite what exists", false)
    .option("-q, --quiet", "print errors only", false)
    .action(async (input: string, output: string, options: ConvertOptions) =>
      finish(await (await import("./verbs/convert.ts")).convert(input, output, options)),
    );
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
    .action(async (options: AttachVerbOptions) =>
      finish(await (await import("./verbs/attach.ts")).attach(options)),
    );
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
    .action(async (paths: string[], options: OracleOptions) =>
      finish(await (await import("./verbs/oracle.ts")).oracle(paths, options)),
    );
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

const TRACE_FILE =
  "trace of QEMU (log or simple), text of Linux' dma events, or op script (.jsonl); may be gzip-compressed; - for standard input";

const STATE_FILE = `${TRACE_FILE}; or migration stream of a saved machine`;

const MOMENT = "behind the event of this number, or at a time in seconds (12.5, 12s); by default at the end";

/** Options of the verbs that look for what is wrong. */
function withCheckOptions(command: Command): Command {
  return command
    .option("--ram <size>", "memory of the guest, from address 0 (for beyond-ram and direct-map-hole)")
    .option("--full-at <percent>", "a window is nearly full from here on (default: 95)")
    .option(
      "--free-pages <count>",
      "... and fragmented if so many pages are not free in one piece (default: 16)",
    )
    .option(
      "--overtaken <count>",
      "a mapping leaked if so many later ones of its kind are gone (default: 1000)",
    )
    .option("--pool <count>", "more than so many of these are a pool, and no leak (default: 16)")
    .option("--sweep <pages>", "unmaps in a row that find so many pages unmapped clear a table (default: 64)")
    .addOption(filterOption())
    .addOption(outputOption());
}

const filterOption = (): Option =>
  new Option(
    "-F, --filter <filter>",
    "only events that a filter takes, as in trace-cmd: 'pci_put: ioba >= 0x1000', 'dma_*: device == 0000:00:03.0'",
  )
    .argParser((text: string, before: string[]) => [...before, text])
    .default([], "all");

const profileOption = (): Option =>
  new Option("--profile <name>", "which hypervisor to be").choices(Object.keys(PROFILES));

const outputOption = (): Option =>
  new Option("--output <form>", "form of the output").choices(["human", "json"]).default("human");
