import Table from "cli-table3";
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
import { ALIVE_COLUMNS, callText, momentText, stretchesText } from "../life-text.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import {
  flag,
  MAPPED_FILE,
  momentOption,
  type RowForm,
  rawCellsOption,
  rowsOption,
  text,
  value,
} from "../options.ts";
import { Exit, print, printPieces, toJson } from "../output.ts";
import { rawPieces } from "../raw-entries.ts";
import { printRows, type Row } from "../rows.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, stateOf, titleOf } from "../windows.ts";

interface MapOptions extends MachineOptions {
  readonly output: RowForm;
  readonly rawCells: boolean;
  readonly at: Moment;
  readonly liobn: bigint | undefined;
  readonly device: string | undefined;
  readonly raw: boolean;
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
const PLAIN = { head: [], border: [] };

/** `map FILE`: the mappings of the windows as runs. */
async function map(path: string, options: MapOptions): Promise<number> {
  const { output, raw, rawCells } = options;
  const state = await stateOf(path, options.at, options);
  const states = state.windows;
  if (raw && state.spaces.length > 0)
    throw new IommuError("BAD_ARGUMENT", "--raw: the entries of a window; this recording tells of mappings");
  if (output === "jsonl" || output === "csv") {
    if (raw) await printRows(rawRows(states), RAW_COLUMNS, { output, rawCells });
    else if (states.length > 0)
      await printRows(states.filter(isThere).flatMap(rowsOf), COLUMNS, { output, rawCells });
    else {
      const rows = state.spaces.flatMap(({ mappings }) => mappings.map(aliveMappingToJson));
      await printRows(rows, ALIVE_COLUMNS, { output, rawCells });
    }
    return Exit.OK;
  }
  if (raw) {
    await printPieces(rawPieces(states, output));
    return Exit.OK;
  }
  if (output === "json") {
    const moment = state.moment === undefined ? null : momentToJson(state.moment);
    const spaces = state.spaces.map(({ space, mappings }) => ({
      space,
      mappings: mappings.map(aliveMappingToJson),
    }));
    print(toJson([...states.map(stateToJson), ...spaces].map((one) => ({ ...one, moment }))));
    return Exit.OK;
  }
  print(momentText(state.moment));
  if (states.length + state.spaces.length === 0) print("nothing is mapped");
  for (const space of state.spaces) printSpace(space);
  for (const state of states.filter(isThere)) {
    print(titleOf(state));
    const table = new Table({ head: ["bus address", "pages", "target", "perm", "certainty"], style: PLAIN });
    forEachStateRun(state, (run) => {
      const { ioba, pages, target, perm, sameTarget } = run;
      table.push([
        rangeText(ioba, pages, state.pageShift),
        formatCount(pages),
        sameTarget === true ? `${hex64(target)} (all)` : hex64(target),
        perm,
        certaintyText(run),
      ]);
    });
    print(table.length === 0 ? "  nothing is mapped" : table.toString());
  }
  return Exit.OK;
}

/** `known`, or how many pages of a run are guesses. */
const certaintyText = ({ certainty, pages, inferredPages = pages }: StateRun): string =>
  inferredPages < pages ? `${formatCount(inferredPages)} inferred` : certainty;
/** The mappings of a device or container, the lowest first. */
function printSpace({ space, mappings }: SpaceState): void {
  const bytes = bytesOf(mappings);
  print(`${space}: ${formatCount(mappings.length)} mapped, ${formatSize(bytes)}`);
  const head = ["bus address and target", "bytes", "direction", "mapped by"];
  const table = new Table({ head, style: PLAIN });
  for (const { life, stretches, left } of mappings) {
    const by = life.made === undefined ? "" : callText(life.made);
    table.push([stretchesText(stretches), formatSize(left), life.access, by]);
  }
  print(table.toString());
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
  summary: "the mappings of the windows as runs; of a recording of Linux those of each device",
  arguments: [["<file>", MAPPED_FILE]],
  options: [
    value("--liobn <liobn>", "only this window", parseSize),
    text("--device <device>", "of a recording that tells of mappings: only this device or container"),
    momentOption(),
    ...machineOptions(),
    flag("--raw", "every entry that is not zero, as it is"),
    rowsOption(),
    rawCellsOption(),
  ],
  examples: [
    "map qemu.log",
    "map --liobn 0x80000000 --at 12.5 qemu.log",
    "map --raw vm.mig",
    "map --device 0000:00:03.0 --at 2s trace.txt",
  ],
  run: map,
});
