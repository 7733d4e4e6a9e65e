import { type AddressRange, overlaps } from "../../base/range.ts";
import { hex64, U64_MAX } from "../../base/u64.ts";
import type { FindingLog } from "../findings/log.ts";
import type { StaticWindow } from "./static-window.ts";

/** Finds windows of the same bridge that share bus addresses with a window. */
export function findOverlaps(found: StaticWindow, others: Iterable<StaticWindow>, log: FindingLog): void {
  const { window, assumed, createdAt } = found;
  if (!window.isPci || assumed) return;
  for (const other of others) {
    if (other === found || other.assumed || other.window.owner !== window.owner) continue;
    if (!overlaps(rangeOfWindow(found), rangeOfWindow(other))) continue;
    log.add({
      kind: "window-overlap",
      liobn: window.liobn,
      ioba: window.busOffset,
      pages: window.entries,
      places: [other.createdAt, createdAt].filter((place) => place !== undefined),
      message: `the window shares bus addresses with that of LIOBN 0x${other.window.liobn.toString(16)}, which begins at ${hex64(other.window.busOffset)}`,
    });
  }
}

function rangeOfWindow({ window }: StaticWindow): AddressRange {
  const last = window.busOffset + (BigInt(window.entries) << BigInt(window.pageShift)) - 1n;
  return { first: window.busOffset, last: last > U64_MAX ? U64_MAX : last };
}
