import { hex } from "../../base/u64.ts";
import { diffStates, entryText, type WindowState } from "../../check/state/window-state.ts";
import type { ChangeRow } from "../protocol.ts";

const PERMISSIONS = 3n;

/** What differs between windows at two instants, as `diff` tells it. */
export function changesOfWindows(
  before: readonly WindowState[],
  after: readonly WindowState[],
  visit: (change: ChangeRow) => void,
): void {
  diffStates(before, after, (change) => {
    const { window } = change;
    const space = hex(window.liobn);
    if (change.what !== "entries") {
      const { busOffset, entries } = window;
      visit({ what: change.what, space, address: busOffset, pages: entries, before: "", after: "" });
      return;
    }
    const [was, is] = [change.before & PERMISSIONS, change.after & PERMISSIONS];
    visit({
      what: was === 0n ? "mapped" : is === 0n ? "unmapped" : "changed",
      space,
      address: change.ioba,
      pages: change.pages,
      before: entryText(change.before),
      after: entryText(change.after),
    });
  });
}
