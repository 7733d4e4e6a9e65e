#!/usr/bin/env node
import { runCommandLine } from "./command-line.ts";
import { Exit } from "./output.ts";

/** Ends quietly when the reader of our output goes away, as in `spapr-iommu exec X | head`. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(Exit.OK);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2));
