import { hex } from "../../base/u64.ts";
import { forEachStateRun, type WindowState } from "../state/window-state.ts";
import type { LifeSink } from "./life.ts";

/** Tells of what is mapped in windows of which nobody knows who mapped it: those of a saved machine. */
export function tellSavedLives(states: readonly WindowState[], sink: LifeSink): void {
  let number = 0;
  for (const state of states) {
    forEachStateRun(state, ({ ioba, target, pages, perm, certainty, sameTarget }) => {
      if (certainty === "unknown" || perm === "--") return;
      const bytes = BigInt(pages) << BigInt(state.pageShift);
      const repeats = sameTarget === true ? 1n << BigInt(state.pageShift) : undefined;
      sink.begin({
        number: number++,
        space: hex(state.liobn),
        stretches: [{ first: ioba, last: ioba + bytes - 1n, target, repeats }],
        bytes,
        access: perm,
        made: undefined,
        inferred: certainty === "inferred",
        entries: [],
        truncated: false,
      });
    });
  }
  sink.reached();
}
