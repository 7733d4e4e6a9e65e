import { existsSync, mkdirSync, rmdirSync, statSync } from "node:fs";
import path from "node:path";
import { IommuError } from "../../base/errors.ts";
import { counted, formatCount } from "../../base/units.ts";
import type { StackWeight } from "../../check/lifetimes/linux-stacks.ts";
import type { ConversionSummary } from "../../check/whole/conversion.ts";
import { writeFoldedStacks, writeTable, writeTimeline } from "../../check/whole/tables.ts";
import type { Column, TableWriter } from "../../formats/table/row-buffer.ts";
import { isStreamName, writeBlankMachine } from "../blank-machine.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { withInput, withoutPacking } from "../input.ts";
import { discardOnSignal } from "../interrupt.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import { asOutputError, NewFile } from "../new-file.ts";
import {
  filterOption,
  flag,
  quietOption,
  rawCellsOption,
  SAVED_FILE,
  snapshotOption,
  text,
} from "../options.ts";
import { printError } from "../output.ts";
import { appender, type TableForm, tableMaker } from "../table-writers.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface ConvertOptions extends MachineOptions {
  readonly table: "events" | "mappings";
  readonly run: string | undefined;
  readonly filter: readonly string[];
  readonly force: boolean;
  readonly quiet: boolean;
  readonly rawCells: boolean;
  readonly weight: StackWeight | undefined;
  readonly snapshot: string | undefined;
}

type Form = TableForm | "perfetto" | "folded";

/** Forms by the end of the file's name. */
const FORMS: readonly (readonly [ending: string, form: Form])[] = [
  [".jsonl", "jsonl"],
  [".csv", "csv"],
  [".parquet", "parquet"],
  [".perfetto-trace", "perfetto"],
  [".pftrace", "perfetto"],
  [".folded", "folded"],
];

/** Names of folders in a partitioned table that need no escaping in any of the engines. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** What was left out, by the names of the readers' counts. */
const LEFT_OUT: Readonly<Record<string, readonly [one: string, several: string]>> = {
  otherEvents: ["other event", "other events"],
  other: ["other line", "other lines"],
  text: ["other line", "other lines"],
  dropped: ["event that QEMU lost", "events that QEMU lost"],
  lost: ["event that the kernel lost", "events that the kernel lost"],
  overwritten: ["event overwritten before they were read", "events overwritten before they were read"],
  damaged: ["damaged line", "damaged lines"],
  long: ["overlong line", "overlong lines"],
  torn: ["torn last line", "torn last line"],
  breaks: ["broken stretch", "broken stretches"],
  tornBytes: ["byte of a torn record", "bytes of a torn record"],
};

/** `convert IN OUT`: writes a trace in another form. */
export async function convert(input: string, output: string, options: ConvertOptions): Promise<number> {
  if (isStreamName(output)) return convertMachine(input, output, options);
  const form = formOf(output);
  const run = options.run ?? runName(input);
  const { filter, force, quiet, table, weight, buffer } = options;
  if (weight !== undefined && form !== "folded")
    throw new IommuError(
      "BAD_ARGUMENT",
      `${output}: --weight is for call stacks, which are written to a file.folded`,
    );
  const windows = await windowsTold(options);
  let file: NewFile | undefined;
  let isNewTable = false;
  const discard = (): void => {
    file?.discard();
    if (isNewTable) removeEmptyFolder(output);
  };
  const stopListening = discardOnSignal(discard);
  // Nothing is made of an input that is no trace.
  const make = (): string => {
    if (form === "folder") {
      const partition = partitionOf(output, run);
      isNewTable = mkdirSync(output, { recursive: true }) !== undefined;
      file = new NewFile(partition, force);
      file.makeFolder();
    } else {
      file = new NewFile(output, force);
      file.makeFile();
    }
    return file.path;
  };
  try {
    const summary = await withInput(input, quiet, async (data, read) => {
      const how = { ...read, filter, windows, weight, buffer };
      if (form === "perfetto") return writeTimeline(data, () => appender(make()), how);
      if (form === "folded") return writeFoldedStacks(data, () => appender(make()), how);
      // In a partitioned table the folder's name is the column.
      const column = form === "folder" ? undefined : run;
      const tableAt = await tableMaker(form, options.rawCells);
      const open = (columns: readonly Column[]): TableWriter => tableAt(make(), columns);
      return writeTable(data, open, { ...how, table, run: column });
    });
    file!.commit();
    if (!quiet) printError(summaryText(input, output, summary, filter.length > 0));
    return Exit.OK;
  } catch (cause) {
    discard();
    throw asOutputError(output, cause);
  } finally {
    stopListening();
  }
}

/** Of a table that we made and that came to nothing; one in which somebody else put something meanwhile stays. */
function removeEmptyFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is not empty, or gone.
  }
}

/** A saved machine stays one, but for the memory of its guest. */
async function convertMachine(input: string, output: string, options: ConvertOptions): Promise<number> {
  const { filter, run, weight, machine, window } = options;
  const ofEvents = { run, filter: filter[0], weight, machine, window };
  const option = Object.entries(ofEvents).find(([, given]) => given !== undefined)?.[0];
  if (option !== undefined) {
    throw new IommuError("BAD_ARGUMENT", `${output}: --${option} is for events; a saved machine has none`, {
      output,
    });
  }
  const file = new NewFile(output, options.force);
  const stopListening = discardOnSignal(() => file.discard());
  try {
    const done = await writeBlankMachine(input, output, file, options.snapshot);
    file.commit();
    if (!options.quiet) printError(`${displayName(input)} -> ${output}: ${done}`);
    return Exit.OK;
  } catch (cause) {
    file.discard();
    throw asOutputError(output, cause);
  } finally {
    stopListening();
  }
}

function formOf(output: string): Form {
  const form = FORMS.find(([ending]) => output.endsWith(ending))?.[1];
  if (form !== undefined) return form;
  const isFolder = /[/\\]$/.test(output) || (existsSync(output) && statSync(output).isDirectory());
  if (isFolder) return "folder";
  const endings = [...FORMS.map(([ending]) => ending), ".mig", ".mig.gz"].join(", ");
  throw new IommuError(
    "BAD_ARGUMENT",
    `${output}: the name says no form; it ends in ${endings}, or in / for a folder of Parquet files`,
    { output },
  );
}

/** `boot` of `logs/boot.log.gz`. */
const runName = (input: string): string =>
  withoutPacking(displayName(path.basename(input))).replace(/\.(log|txt|simple|trace|dat|data)$/, "");

/** The folder of a run in a partitioned table. */
function partitionOf(folder: string, run: string): string {
  if (!PLAIN_NAME.test(run)) {
    throw new IommuError(
      "BAD_ARGUMENT",
      `"${run}" does not do as the name of a folder: pass --run with letters, digits, ".", "_" and "-"`,
      { run },
    );
  }
  return path.join(folder, `run=${run}`);
}

function summaryText(
  input: string,
  output: string,
  { format, counts, taken }: ConversionSummary,
  isFiltered: boolean,
): string {
  const leftOut = Object.entries(LEFT_OUT)
    .filter(([name]) => (counts[name] ?? 0) > 0)
    .map(([name, words]) => counted(counts[name]!, ...words));
  const part = isFiltered ? `${formatCount(taken)} of ` : "";
  const events = `${part}${counted(counts.events!, "event")} (${format})`;
  return `${displayName(input)} -> ${output}: ${[events, ...leftOut].join(", ")}`;
}

export const verb: Verb = defineVerb({
  name: "convert",
  summary:
    "write a trace as a table for other tools, as a timeline for Perfetto, or as stacks for flame graphs; a saved machine as a plain migration stream without its guest's memory",
  arguments: [
    [
      "<in>",
      `trace: QEMU log, simpletrace or Linux dma events (text, trace.dat, perf.data), - for standard input; or ${SAVED_FILE}; may be packed`,
    ],
    [
      "<out>",
      "file.jsonl, .csv, .parquet, .perfetto-trace (.pftrace), folder/ for partitioned Parquet, or .folded for the call stacks of Linux; of a saved machine: file.mig, file.mig.gz",
    ],
  ],
  screen: "unused",
  options: [
    text("--table <name>", "one row for each event, or for each mapping with its end")
      .choices(["events", "mappings"])
      .default("events"),
    text("--run <name>", "name of the recording in the table (default: that of the file)"),
    text(
      "--weight <what>",
      "of call stacks: events (default), or the bytes that are alive at the end by who mapped them",
    ).choices(["events", "bytes-alive"]),
    filterOption(),
    snapshotOption(),
    ...machineOptions(),
    flag("-f, --force", "overwrite what exists"),
    rawCellsOption(),
    quietOption("print errors only"),
  ],
  examples: [
    "convert qemu.log events.parquet",
    "convert --table mappings trace.txt mappings.csv",
    "convert qemu.log boot.perfetto-trace",
    "convert --weight bytes-alive trace.txt trace.folded",
    "convert vm.mig blank.mig.gz",
    "convert --snapshot before-upgrade disk.qcow2 vm.mig",
  ],
  run: convert,
});
