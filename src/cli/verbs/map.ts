import Table from "cli-table3";
import { hex64 } from "../../base/u64.ts";
import { formatCount, parseSize } from "../../base/units.ts";
import type { Moment } from "../../check/state/moment.ts";
import { forEachStateRun, type StateRun, stateToJson } from "../../check/state/window-state.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import { flag, momentOption, outputOption, STATE_FILE, value } from "../options.ts";
import { Exit, print, printPieces, toJson } from "../output.ts";
import { rawPieces } from "../raw-entries.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, titleOf, windowsOf } from "../windows.ts";

interface MapOptions extends MachineOptions {
  readonly output: "human" | "json";
  readonly at: Moment;
  readonly liobn: bigint | undefined;
  readonly raw: boolean;
}

const PLAIN = { head: [], border: [] };

/** `map FILE`: the mappings of the windows as runs. */
async function map(path: string, options: MapOptions): Promise<number> {
  const states = await windowsOf(path, options.at, options, options.liobn);
  if (options.raw) {
    await printPieces(rawPieces(states, options.output));
    return Exit.OK;
  }
  if (options.output === "json") {
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

export const verb: Verb = defineVerb({
  name: "map",
  summary: "the mappings of the windows as runs",
  arguments: [["<file>", STATE_FILE]],
  options: [
    value("--liobn <liobn>", "only this window", parseSize),
    momentOption(),
    ...machineOptions(),
    flag("--raw", "every entry that is not zero, as it is"),
    outputOption(),
  ],
  examples: ["map qemu.log", "map --liobn 0x80000000 --at 12.5 qemu.log", "map --raw vm.mig"],
  run: map,
});
