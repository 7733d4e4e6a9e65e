import { hex } from "../../base/u64.ts";
import { formatSize } from "../../base/units.ts";
import { diffSpaces, type SpaceState } from "../../check/lives/alive.ts";
import { diffStates, entryText, type WindowState } from "../../check/state/window-state.ts";
import type { ChangeRow } from "../protocol.ts";
import { MAPPING_PAGE_SHIFT } from "./mapping-contents.ts";
import type { InstantState } from "./recording.ts";

const PERMISSIONS = 3n;

/** What differs between two moments, of one file or of two, as `diff` tells it. */
export function changesOf(
  before: InstantState,
  after: InstantState,
  visit: (change: ChangeRow) => void,
): void {
  windowChanges(before.windows, after.windows, visit);
  spaceChanges(before.spaces, after.spaces, visit);
}

/** What of it windows have. */
export function windowChanges(
  before: readonly WindowState[],
  after: readonly WindowState[],
  visit: (change: ChangeRow) => void,
): void {
  diffStates(before, after, (change) => {
    const { window } = change;
    const space = hex(window.liobn);
    if (change.what !== "entries") {
      const { busOffset, entries } = window;
      const [before, after] =
        change.what === "not-compared"
          ? [change.before, window].map(({ pageShift }) => `pages of ${formatSize(2 ** pageShift)}`)
          : [];
      visit({
        what: change.what,
        space,
        address: busOffset,
        pages: entries,
        before: before ?? "",
        after: after ?? "",
      });
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

function spaceChanges(
  before: readonly SpaceState[],
  after: readonly SpaceState[],
  visit: (change: ChangeRow) => void,
): void {
  const shift = BigInt(MAPPING_PAGE_SHIFT);
  for (const { what, mapping } of diffSpaces(before, after)) {
    for (const { first, last, target } of mapping.stretches) {
      const text = `${target === undefined ? "?" : hex(target)} ${mapping.life.access}`;
      visit({
        what,
        space: mapping.life.space,
        address: first,
        pages: Number((last >> shift) - (first >> shift)) + 1,
        before: what === "unmapped" ? text : "-",
        after: what === "mapped" ? text : "-",
      });
    }
  }
}
