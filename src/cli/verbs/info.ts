import { hex, hex64, U64_MAX } from "../../base/u64.ts";
import { formatCount, formatSize } from "../../base/units.ts";
import { forecastMigration, formatForecast } from "../../check/forecast/forecast.ts";
import type { Moment } from "../../check/state/moment.ts";
import { type WindowState, windowStateToJson } from "../../check/state/window-state.ts";
import { isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import { displayName } from "../display-name.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import { flag, momentOption, outputOption, STATE_FILE } from "../options.ts";
import { Exit, print, printWarning, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, windowsOf } from "../windows.ts";

interface InfoOptions extends MachineOptions {
  readonly output: "human" | "json";
  readonly at: Moment;
  readonly migration: boolean;
}

/** `info FILE`: the windows as a tree, in the way of QEMU's `info mtree`. */
async function info(path: string, options: InfoOptions): Promise<number> {
  const states = await windowsOf(path, options.at, options);
  if (options.migration) return foretell(path, states, options);
  if (options.output === "json") {
    print(
      toJson(
        states.map((state) => ({
          ...windowStateToJson(state),
          assumed: state.assumed,
          assumedParts: state.assumedParts,
          live: state.table.validCount,
        })),
      ),
    );
    return Exit.OK;
  }
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
function foretell(path: string, states: readonly WindowState[], options: InfoOptions): number {
  const sure = states.filter((state) => !state.isGuess);
  const guessed = states.filter((state) => state.isGuess).map(({ liobn }) => hex(liobn));
  if (guessed.length > 0) {
    const what = `left out, because no event tells its length: ${guessed.join(", ")}`;
    printWarning(displayName(path), what);
  }
  const forecasts = forecastMigration(
    sure.map((state) => ({ ...state, table: state.entries === 0 ? null : state.table })),
  );
  if (options.output === "human") print(formatForecast(forecasts));
  else {
    print(
      toJson(
        forecasts.map((forecast) => ({
          ...forecast,
          liobn: hex(forecast.liobn),
          busOffset: hex(forecast.busOffset),
        })),
      ),
    );
  }
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
    outputOption(),
  ],
  examples: ["info qemu.log", "info --at 1000 qemu.log", "info --migration vm.mig"],
  run: info,
});
