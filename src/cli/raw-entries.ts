import { hex } from "../base/u64.ts";
import { rawEntries, type WindowState, windowStateToJson } from "../check/state/window-state.ts";
import { toJson } from "./output.ts";
import { isThere, titleOf } from "./windows.ts";

/**
 * Every entry that is not zero, as lines for people or as one JSON text, in
 * pieces: it is as long as there are entries and is never held as a whole.
 */
export const rawPieces = (states: readonly WindowState[], output: "human" | "json"): Generator<string> =>
  output === "json" ? rawJson(states) : rawText(states);

function* rawText(states: readonly WindowState[]): Generator<string> {
  for (const state of states.filter(isThere)) {
    yield `${titleOf(state)}\n`;
    for (const [index, tce] of rawEntries(state)) yield `  ${index} ${hex(tce)}\n`;
  }
}

function* rawJson(states: readonly WindowState[]): Generator<string> {
  let before = "[";
  for (const state of states) {
    yield `${before}${toJson(windowStateToJson(state)).slice(0, -1)},"tces":[`;
    let comma = "";
    for (const [index, tce] of rawEntries(state)) {
      yield `${comma}[${index},"${hex(tce)}"]`;
      comma = ",";
    }
    yield "]}";
    before = ",";
  }
  yield states.length === 0 ? "[]\n" : "]\n";
}
