import { hex, hex64, U64_MAX } from "../../base/u64.ts";
import { formatCount, formatSize } from "../../base/units.ts";
import { forecastMigration, formatForecast } from "../../check/forecast/forecast.ts";
import type { Moment } from "../../check/state/moment.ts";
import { type WindowState, windowStateToJson } from "../../check/state/window-state.ts";
import { isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import { displayName } from "../display-name.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import { flag, momentOption, type RowForm, rawCellsOption, rowsOption, STATE_FILE } from "../options.ts";
import { Exit, print, printWarning, toJson } from "../output.ts";
import { printRows, type Row } from "../rows.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, windowsOf } from "../windows.ts";

interface InfoOptions extends MachineOptions {
  readonly output: RowForm;
  readonly rawCells: boolean;
  readonly at: Moment;
  readonly migration: boolean;
}

const COLUMNS = [
  "liobn",
  "busOffset",
  "pageShift",
  "entries",
  "bypass",
  "defWin",
  "assumed",
  "assumedParts",
  "live",
];

/** `info FILE`: the windows as a tree, in the way of QEMU's `info mtree`. */
async function info(path: string, options: InfoOptions): Promise<number> {
  const states = await windowsOf(path, options.at, options);
  if (options.migration) return foretell(path, states, options);
  const rows = states.map((state) => ({
    ...windowStateToJson(state),
    assumed: state.assumed,
    assumedParts: state.assumedParts,
    live: state.table.validCount,
  }));
  if (options.output !== "human") return printAll(rows, COLUMNS, options);
  let owner = "";
  for (const state of states.filter(isThere)) {
    const name = ownerOf(state.liobn);
    if (name !== owner) print(`address-space: ${name}`);
    owner = name;
    const last = state.busOffset + (BigInt(state.entries) << BigInt(state.pageShift)) - 1n;
    const range = `${hex64(state.busOffset).slice(2)}-${hex64(last > U64_MAX ? U64_MAX : last).slice(2)}`;
    const { validCount } = state.table;
    const notes = [
      `pages of ${formatSize(2 ** state.pageShift)}`,
      `${formatCount(validCount)} of ${formatCount(state.entries)} mapped`,
      ...(state.defaultWindow ? ["default window"] : []),
      ...(state.assumed ? [`${state.assumedParts.join(", ")} assumed`] : []),
    ];
    print(`  ${range} (prio 0, i/o): tce-iommu-${state.liobn.toString(16)} (${notes.join(", ")})`);
  }
  return Exit.OK;
}

/** `info FILE --migration`: what the tables cost when QEMU migrates the machine. */
async function foretell(path: string, states: readonly WindowState[], options: InfoOptions): Promise<number> {
  const sure = states.filter((state) => !state.isGuess);
  const guessed = states.filter((state) => state.isGuess).map(({ liobn }) => hex(liobn));
  if (guessed.length > 0) {
    const what = `left out, because no event shows its length: ${guessed.join(", ")}`;
    printWarning(displayName(path), what);
  }
  const forecasts = forecastMigration(
    sure.map((state) => ({ ...state, table: state.entries === 0 ? null : state.table })),
  );
  if (options.output === "human") {
    print(formatForecast(forecasts));
    return Exit.OK;
  }
  const rows = forecasts.map((forecast) => ({
    ...forecast,
    liobn: hex(forecast.liobn),
    busOffset: hex(forecast.busOffset),
  }));
  return printAll(rows, Object.keys(rows[0] ?? {}), options);
}

/** Prints rows in a form for programs. */
async function printAll(
  rows: readonly Row[],
  columns: readonly string[],
  { output, rawCells }: InfoOptions,
): Promise<number> {
  if (output === "json") print(toJson(rows));
  else if (output !== "human") await printRows(rows, columns, { output, rawCells });
  return Exit.OK;
}

const ownerOf = (liobn: number): string =>
  isPciLiobn(liobn) ? `pci@${phbOfLiobn(liobn)}` : `vio@${liobn.toString(16)}`;

export const verb: Verb = defineVerb({
  name: "info",
  summary: "the DMA windows as a tree, in the way of QEMU's info mtree",
  arguments: [["<file>", STATE_FILE]],
  options: [
    momentOption(),
    ...machineOptions(),
    flag("--migration", "what the tables cost when QEMU migrates the machine"),
    rowsOption(),
    rawCellsOption(),
  ],
  examples: ["info qemu.log", "info --at 1000 qemu.log", "info --migration vm.mig"],
  run: info,
});
