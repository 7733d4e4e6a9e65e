import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { IommuError } from "../../base/errors.ts";
import type { CheckTraceOptions } from "../../check/whole/check-trace.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { makePrivateFolder } from "../../live/private-folder.ts";
import { Reading } from "../../workbench/desk/open-recording.ts";
import { reportOf } from "../../workbench/report/report.ts";
import { styleOf } from "../../workbench/report/style.ts";
import { statusOfReports } from "../exit-status.ts";
import { isScriptName, withInput } from "../input.ts";
import { untilInterrupted } from "../interrupt.ts";
import { type JudgingOptions, judgingOf, judgingOptions } from "../judging.ts";
import { quietOption, STATE_FILE } from "../options.ts";
import { printPieces, printWarning } from "../output.ts";
import { packageFile } from "../package-files.ts";
import { Progress } from "../progress.ts";
import { SeekableFile } from "../seekable-file.ts";
import { splitLogs } from "../split-logs.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface ReportOptions extends JudgingOptions {
  readonly out: string | undefined;
  readonly quiet: boolean;
}

/** `report FILE... -o report.html`: writes what the workbench shows of files as one page that needs nothing else. */
export async function report(paths: readonly string[], options: ReportOptions): Promise<number> {
  const { out, quiet, kernelLog } = options;
  const how = await judgingOf(options);
  if (out === undefined && process.stdout.isTTY)
    throw new IommuError("BAD_ARGUMENT", "a report is a page: name a file for it, -o report.html");
  const folder = await makePrivateFolder(tmpdir());
  const files: SeekableFile[] = [];
  try {
    return await untilInterrupted(async (signal) => {
      const readings: Reading[] = [];
      for (const path of paths.flatMap(splitLogs)) {
        const file = await SeekableFile.open(path, folder, signal);
        files.push(file);
        const reading = (log?: InputData, named?: { readonly name?: string | undefined }): Promise<Reading> =>
          read(file, path, { ...how, kernelLog: log, kernelLogName: named?.name }, quiet, signal);
        readings.push(kernelLog === undefined ? await reading() : await withInput(kernelLog, true, reading));
      }
      const text = styleOf(readFileSync(packageFile("src/workbench/page/style.css"), "utf8"));
      const style = { text, sha256: createHash("sha256").update(text).digest("base64") };
      for await (const piece of reportOf(readings, style)) {
        signal.throwIfAborted();
        await printPieces([piece]);
      }
      return statusOfReports(
        readings.map(({ findings, report }) => ({ findings, notJudged: report?.notJudged ?? [] })),
      );
    });
  } finally {
    for (const file of files) await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reads a file as the workbench does. */
async function read(
  file: SeekableFile,
  path: string,
  how: CheckTraceOptions,
  quiet: boolean,
  signal: AbortSignal,
): Promise<Reading> {
  const reading = new Reading(await file.bytes(), file.name, () => performance.now(), {
    ...how,
    isScript: isScriptName(path) || undefined,
  });
  const progress = await Progress.begin(path, quiet);
  try {
    await reading.read({
      read: ({ bytes }) => {
        signal.throwIfAborted();
        progress.read(bytes);
      },
    });
  } finally {
    progress.stop();
  }
  const { early, unjudged } = reading;
  if (early !== undefined) printWarning(file.name, early);
  if (unjudged !== undefined) printWarning(file.name, `not judged: ${unjudged}`);
  return reading;
}

export const verb: Verb = defineVerb({
  name: "report",
  summary: "write pictures, findings and tables of files as one page that needs nothing else",
  arguments: [["<file...>", STATE_FILE]],
  options: [...judgingOptions(), quietOption("print errors only")],
  examples: [
    "report qemu.log -o report.html",
    "report before.log after.log saved.mig -o report.html",
    "report --kernel-log dmesg.txt --devices lspci.txt trace.txt -o report.html",
  ],
  run: report,
});
