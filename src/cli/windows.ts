import { IommuError } from "../base/errors.ts";
import { hex, hex64 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import type { Moment } from "../check/state/moment.ts";
import type { WindowState } from "../check/state/window-state.ts";
import { windowsAt } from "../check/whole/windows-at.ts";
import { isScriptName, withInput } from "./input.ts";
import { type MachineOptions, windowsTold } from "./machine-options.ts";

/**
 * The windows of a file at a moment.
 *
 * @param machine what is known of the windows
 * @param liobn only this one
 * @throws IommuError BAD_ARGUMENT if there is no such window; see {@link windowsAt}
 */
export async function windowsOf(
  path: string,
  at: Moment,
  machine: MachineOptions,
  liobn?: bigint,
): Promise<WindowState[]> {
  const windows = await windowsTold(machine);
  const isScript = isScriptName(path) || undefined;
  const states = await withInput(path, false, (data, options) =>
    windowsAt(data, at, { ...options, windows, isScript }),
  );
  if (liobn === undefined) return states;
  const found = states.filter((state) => BigInt(state.liobn) === liobn);
  if (found.length > 0) return found;
  const there = states.map((state) => hex(state.liobn)).join(", ") || "none";
  throw new IommuError("BAD_ARGUMENT", `${path}: no window has LIOBN ${hex(liobn)}; there are ${there}`);
}

/** A saved machine also lists windows that are not there. */
export const isThere = (state: WindowState): boolean => state.entries > 0;

/** `LIOBN 0x80000000 at 0x0000000000000000, 65,536 pages of 4 KiB`. */
export const titleOf = (state: WindowState): string =>
  `LIOBN ${hex(state.liobn)} at ${hex64(state.busOffset)}, ${formatCount(state.entries)} pages of ${formatSize(2 ** state.pageShift)}${assumedText(state)}`;

/** ` (start, size assumed)`, or nothing. */
const assumedText = ({ assumedParts }: WindowState): string =>
  assumedParts.length > 0 ? ` (${assumedParts.join(", ")} assumed)` : "";

/** First and last bus address of pages. */
export function rangeText(ioba: bigint, pages: number, shift: number): string {
  const last = ioba + (BigInt(pages) << BigInt(shift)) - 1n;
  return `${hex64(ioba)}-${hex64(last)}`;
}
