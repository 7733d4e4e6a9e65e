import Table from "cli-table3";
import { hex, hex64 } from "../../base/u64.ts";
import { formatCount, parseSize } from "../../base/units.ts";
import type { Moment } from "../../check/state/moment.ts";
import {
  forEachStateRun,
  rawEntries,
  type StateRun,
  stateToJson,
  type WindowState,
} from "../../check/state/window-state.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import {
  flag,
  momentOption,
  type RowForm,
  rawCellsOption,
  rowsOption,
  STATE_FILE,
  value,
} from "../options.ts";
import { Exit, print, printPieces, toJson } from "../output.ts";
import { rawPieces } from "../raw-entries.ts";
import { printRows, type Row } from "../rows.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, titleOf, windowsOf } from "../windows.ts";

interface MapOptions extends MachineOptions {
  readonly output: RowForm;
  readonly rawCells: boolean;
  readonly at: Moment;
  readonly liobn: bigint | undefined;
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
  const states = await windowsOf(path, options.at, options, options.liobn);
  const { output, raw, rawCells } = options;
  if (output === "jsonl" || output === "csv") {
    if (raw) await printRows(rawRows(states), RAW_COLUMNS, { output, rawCells });
    else await printRows(states.filter(isThere).flatMap(rowsOf), COLUMNS, { output, rawCells });
    return Exit.OK;
  }
  if (raw) {
    await printPieces(rawPieces(states, output));
    return Exit.OK;
  }
  if (output === "json") {
    print(toJson(states.map(stateToJson)));
    return Exit.OK;
  }
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
  summary: "the mappings of the windows as runs",
  arguments: [["<file>", STATE_FILE]],
  options: [
    value("--liobn <liobn>", "only this window", parseSize),
    momentOption(),
    ...machineOptions(),
    flag("--raw", "every entry that is not zero, as it is"),
    rowsOption(),
    rawCellsOption(),
  ],
  examples: ["map qemu.log", "map --liobn 0x80000000 --at 12.5 qemu.log", "map --raw vm.mig"],
  run: map,
});
