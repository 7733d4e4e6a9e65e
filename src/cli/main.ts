#!/usr/bin/env node
import { runCommandLine } from "./command-line.ts";
import { Exit } from "./exit-status.ts";
import { endInterrupted } from "./interrupt.ts";
import { printError } from "./output.ts";

/** Ends when nobody takes our output any more: quietly as in `spapr-iommu exec X | head`, else with the reason. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(Exit.OK);
  printError(`spapr-iommu: standard output: ${error.message}`);
  process.exit(Exit.FAILED);
});
// What cannot be said there cannot be said anywhere; the exit status is right nevertheless.
process.stderr.on("error", () => {});

process.exitCode = await runCommandLine(process.argv.slice(2));
endInterrupted();
