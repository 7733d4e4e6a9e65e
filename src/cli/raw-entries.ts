import { hex } from "../base/u64.ts";
import { rawEntries, type WindowState, windowStateToJson } from "../check/state/window-state.ts";
import { toJson } from "./output.ts";
import { isThere, titleOf } from "./windows.ts";

/** Every entry that is not zero, as lines for people: as many as there are entries, and never held as a whole. */
export function* rawText(states: readonly WindowState[]): Generator<string> {
  for (const state of states.filter(isThere)) {
    yield `${titleOf(state)}\n`;
    for (const [index, tce] of rawEntries(state)) yield `  ${index} ${hex(tce)}\n`;
  }
}

/** The same as one JSON text in pieces, without the end of the line. */
export function* rawJson(states: readonly WindowState[]): Generator<string> {
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
  yield states.length === 0 ? "[]" : "]";
}
