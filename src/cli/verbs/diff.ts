import { hex } from "../../base/u64.ts";
import { type Moment, parseMoment } from "../../check/state/moment.ts";
import { changeToJson, diffStates, entryText, type WindowState } from "../../check/state/window-state.ts";
import { windowsAtMoments } from "../../check/whole/windows-at.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { isScriptName, withInput } from "../input.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import { outputOption } from "../options.ts";
import { Exit, print, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, titleOf } from "../windows.ts";

interface DiffOptions extends MachineOptions {
  readonly output: "human" | "json";
}

/** `diff FILE@A FILE@B`: what changed between two moments; exit 0 also when something did. */
async function diff(a: string, b: string, options: DiffOptions): Promise<number> {
  const windows = await windowsTold(options);
  const [first, second] = [parsePlace(a), parsePlace(b)];
  const [before, after] = (
    first.path === second.path
      ? await statesOf(first.path, [first.moment, second.moment], windows)
      : [
          ...(await statesOf(first.path, [first.moment], windows)),
          ...(await statesOf(second.path, [second.moment], windows)),
        ]
  ) as [WindowState[], WindowState[]];
  const changes: Record<string, unknown>[] = [];
  diffStates(before.filter(isThere), after.filter(isThere), (change) => {
    if (options.output === "json") changes.push(changeToJson(change));
    else if (change.what !== "entries") print(`${change.what}: ${titleOf(change.window)}`);
    else {
      const { window, ioba, pages } = change;
      const range = rangeText(ioba, pages, window.pageShift);
      print(`${hex(window.liobn)} ${range}: ${entryText(change.before)} => ${entryText(change.after)}`);
    }
  });
  if (options.output === "json") print(toJson(changes));
  return Exit.OK;
}

const statesOf = (
  path: string,
  moments: readonly Moment[],
  windows: readonly ToldWindow[],
): Promise<WindowState[][]> =>
  withInput(path, false, (data, options) =>
    windowsAtMoments(data, moments, { ...options, windows, isScript: isScriptName(path) || undefined }),
  );

/**
 * Splits `FILE@MOMENT`.
 *
 * @throws IommuError BAD_ARGUMENT
 */
function parsePlace(text: string): { readonly path: string; readonly moment: Moment } {
  const at = text.lastIndexOf("@");
  if (at < 0) return { path: text, moment: undefined };
  return { path: text.slice(0, at), moment: parseMoment(text.slice(at + 1)) };
}

export const verb: Verb = defineVerb({
  name: "diff",
  summary: "what changed between two moments of a trace, or of two traces or saved machines",
  arguments: [
    ["<a>", "FILE, or FILE@MOMENT"],
    ["<b>", "FILE, or FILE@MOMENT"],
  ],
  options: [...machineOptions(), outputOption()],
  examples: ["diff qemu.log@1000 qemu.log@2000", "diff before.mig after.mig", "diff qemu.log@12.5 vm.mig"],
  run: diff,
});
