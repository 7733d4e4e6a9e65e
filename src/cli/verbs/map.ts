import { IommuError } from "../../base/errors.ts";
import { hex, hex64 } from "../../base/u64.ts";
import { formatCount, formatSize, parseSize } from "../../base/units.ts";
import { bytesOf, type SpaceState } from "../../check/lives/alive.ts";
import { type Moment, momentToJson } from "../../check/state/moment.ts";
import {
  forEachStateRun,
  rawEntries,
  type StateRun,
  stateToJson,
  type WindowState,
} from "../../check/state/window-state.ts";
import { aliveMappingToJson } from "../../check/whole/alive-at.ts";
import type { RecordedState } from "../../check/whole/windows-at.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { Exit } from "../exit-status.ts";
import { ALIVE_COLUMNS, callText, momentText, stretchesText } from "../life-text.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import { rangesLine, windowLine } from "../occupancy-line.ts";
import { answerOptions, flag, MAPPED_FILE, momentOption, snapshotOption, text, value } from "../options.ts";
import { print, printPieces, toJson } from "../output.ts";
import { rawJson, rawText } from "../raw-entries.ts";
import { printTable, type TableColumn } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, stateOf, titleOf } from "../windows.ts";

interface MapOptions extends MachineOptions, AnswerOptions {
  readonly at: Moment;
  readonly liobn: bigint | undefined;
  readonly device: string | undefined;
  readonly raw: boolean;
  readonly snapshot: string | undefined;
}

const COLUMNS = [
  "liobn",
  "ioba",
  "pages",
  "pageShift",
  "target",
  "perm",
  "certainty",
  "inferredPages",
  "sameTarget",
];
const RAW_COLUMNS = ["liobn", "index", "tce"];
const WINDOW_TABLE: readonly TableColumn[] = [
  { head: "bus address" },
  { head: "pages", align: "right" },
  { head: "target" },
  { head: "perm" },
  { head: "entry" },
];
const SPACE_TABLE: readonly TableColumn[] = [
  { head: "bus address and target" },
  { head: "bytes", align: "right" },
  { head: "direction" },
  { head: "mapped by", isCut: true },
];

/** `map FILE`: the mappings of the windows as runs. */
async function map(path: string, options: MapOptions): Promise<number> {
  const state = await stateOf(path, options.at, options);
  if (options.raw && state.spaces.length > 0)
    throw new IommuError("BAD_ARGUMENT", "--raw: the entries of a window; this recording tells of mappings");
  await printAnswer(options.raw ? rawAnswer(state.windows) : runsAnswer(state), options);
  return Exit.OK;
}

/** Every entry that is not zero. */
const rawAnswer = (states: readonly WindowState[]): Answer => ({
  human: () => printPieces(rawText(states)),
  json: () => rawJson(states),
  columns: RAW_COLUMNS,
  rows: () => rawRows(states),
});

function runsAnswer({ windows, spaces, moment: shown }: RecordedState): Answer {
  return {
    human: async () => {
      print(momentText(shown));
      if (windows.length + spaces.length === 0) print("nothing is mapped");
      for (const space of spaces) await printSpace(space);
      for (const state of windows.filter(isThere)) await printWindow(state);
    },
    json: () => {
      const moment = shown === undefined ? null : momentToJson(shown);
      const mapped = spaces.map(({ space, mappings }) => ({
        space,
        mappings: mappings.map(aliveMappingToJson),
      }));
      return [toJson([...windows.map(stateToJson), ...mapped].map((one) => ({ ...one, moment })))];
    },
    columns: windows.length > 0 ? COLUMNS : ALIVE_COLUMNS,
    rows: () => [
      ...windows.filter(isThere).flatMap(rowsOf),
      ...spaces.flatMap(({ mappings }) => mappings.map(aliveMappingToJson)),
    ],
  };
}

async function printWindow(state: WindowState): Promise<void> {
  print(titleOf(state));
  const rows: string[][] = [];
  forEachStateRun(state, (run) => {
    const { ioba, pages, target, perm, sameTarget } = run;
    rows.push([
      rangeText(ioba, pages, state.pageShift),
      formatCount(pages),
      sameTarget === true ? `${hex64(target)} (all)` : hex64(target),
      perm,
      certaintyText(run),
    ]);
  });
  print(`  ${windowLine(state)}`);
  if (rows.length === 0) print("  nothing is mapped");
  else await printTable(WINDOW_TABLE, rows);
}

/** `known`, or how many pages of a run are guesses. */
const certaintyText = ({ certainty, pages, inferredPages = pages }: StateRun): string =>
  inferredPages < pages ? `${formatCount(inferredPages)} inferred` : certainty;

/** The mappings of a device or container, the lowest first. */
async function printSpace({ space, mappings }: SpaceState): Promise<void> {
  print(`${space}: ${formatCount(mappings.length)} mapped, ${formatSize(bytesOf(mappings))}`);
  print(`  ${rangesLine(mappings.flatMap(({ stretches }) => stretches))}`);
  const rows = mappings.map(({ life, stretches, left }) => [
    stretchesText(stretches),
    formatSize(left),
    life.access,
    life.made === undefined ? "" : callText(life.made),
  ]);
  await printTable(SPACE_TABLE, rows);
}

function rowsOf(state: WindowState): Row[] {
  const rows: Row[] = [];
  const { liobn, pageShift } = state;
  forEachStateRun(state, (run) => {
    rows.push({ liobn: hex(liobn), pageShift, ...run });
  });
  return rows;
}

function* rawRows(states: readonly WindowState[]): Generator<Row> {
  for (const state of states) {
    const liobn = hex(state.liobn);
    for (const [index, tce] of rawEntries(state)) yield { liobn, index, tce };
  }
}

export const verb: Verb = defineVerb({
  name: "map",
  summary:
    "how full the windows are, and their mappings as runs; of a recording of Linux those of each device",
  arguments: [["<file>", MAPPED_FILE]],
  options: [
    value("--liobn <liobn>", "only this window", parseSize),
    text("--device <device>", "of a recording that tells of mappings: only this device or container"),
    momentOption(),
    snapshotOption(),
    ...machineOptions(),
    flag("--raw", "every entry that is not zero, as it is"),
    ...answerOptions(),
  ],
  examples: [
    "map qemu.log",
    "map --liobn 0x80000000 --at 12.5 qemu.log",
    "map --raw vm.mig",
    "map --snapshot before-upgrade disk.qcow2",
    "map --device 0000:00:03.0 --at 2s trace.txt",
  ],
  run: map,
});
