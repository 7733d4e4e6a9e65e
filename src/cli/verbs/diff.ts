import { hex } from "../../base/u64.ts";
import { diffStates, entryText, type WindowState } from "../../check/state/window-state.ts";
import { outputOption } from "../options.ts";
import { Exit, print, toJson } from "../output.ts";
import { parsePlace, statesAt } from "../state.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, titleOf } from "../windows.ts";

/** `diff FILE@A FILE@B`: what changed between two moments; exit 0 also when something did. */
async function diff(a: string, b: string, options: { readonly output: "human" | "json" }): Promise<number> {
  const [first, second] = [parsePlace(a), parsePlace(b)];
  let before: WindowState[];
  let after: WindowState[];
  if (first.path === second.path) {
    [before, after] = (await statesAt(first.path, [first.moment, second.moment])) as [
      WindowState[],
      WindowState[],
    ];
  } else {
    [before] = (await statesAt(first.path, [first.moment])) as [WindowState[]];
    [after] = (await statesAt(second.path, [second.moment])) as [WindowState[]];
  }
  const changes: Record<string, unknown>[] = [];
  diffStates(before.filter(isThere), after.filter(isThere), (change) => {
    const liobn = hex(change.window.liobn);
    if (change.what === "entries") {
      const { ioba, pages } = change;
      if (options.output === "json") {
        changes.push({
          what: "entries",
          liobn,
          ioba: hex(ioba),
          pages,
          before: hex(change.before),
          after: hex(change.after),
        });
      } else {
        const range = rangeText(ioba, pages, change.window.pageShift);
        print(`${liobn} ${range}: ${entryText(change.before)} => ${entryText(change.after)}`);
      }
    } else if (options.output === "json") changes.push({ what: change.what, liobn });
    else print(`${change.what}: ${titleOf(change.window)}`);
  });
  if (options.output === "json") print(toJson(changes));
  return Exit.OK;
}

export const verb: Verb = defineVerb({
  name: "diff",
  summary: "what changed between two moments of a trace, or of two traces or saved machines",
  arguments: [
    ["<a>", "FILE, or FILE@MOMENT"],
    ["<b>", "FILE, or FILE@MOMENT"],
  ],
  options: [outputOption()],
  examples: ["diff qemu.log@1000 qemu.log@2000", "diff before.mig after.mig", "diff qemu.log@12.5 vm.mig"],
  run: diff,
});
