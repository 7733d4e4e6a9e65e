import { IommuError } from "../base/errors.ts";
import { hex, hex64 } from "../base/u64.ts";
import { counted, formatSize } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { isSpace } from "../check/lives/who.ts";
import type { Moment } from "../check/state/moment.ts";
import type { WindowState } from "../check/state/window-state.ts";
import { type RecordedState, statesAtMoments } from "../check/whole/windows-at.ts";
import { choiceNotes } from "../formats/saved/saved-machine.ts";
import { displayName } from "./display-name.ts";
import { isScriptName, withInput } from "./input.ts";
import { type MachineOptions, windowsTold } from "./machine-options.ts";
import { printError, printWarning } from "./output.ts";

/** What a user wants to see of a state. */
export interface Wanted {
  /** Whether addresses run out, too. */
  readonly judgeFilling?: boolean | undefined;
  /** Only this window. */
  readonly liobn?: bigint | undefined;
  /** Only this device or container. */
  readonly device?: string | undefined;
  /** Of a disk: the machine of this snapshot. */
  readonly snapshot?: string | undefined;
}

/**
 * The state of a file at a moment.
 *
 * @throws IommuError BAD_ARGUMENT if there is no such window or device; see {@link statesAtMoments}
 */
export async function stateOf(
  path: string,
  at: Moment,
  wanted: Wanted & MachineOptions,
): Promise<RecordedState> {
  const told = await windowsTold(wanted);
  const isScript = isScriptName(path) || undefined;
  const [state] = await withInput(path, false, (data, options) =>
    statesAtMoments(data, [at], {
      ...options,
      windows: told,
      buffer: wanted.buffer,
      isScript,
      judgeFilling: wanted.judgeFilling,
      snapshot: wanted.snapshot,
    }),
  );
  warnOfRemarks(path, state!);
  const { windows, spaces } = state!;
  const { liobn, device } = wanted;
  if (liobn === undefined && device === undefined) return state!;
  const foundWindows = liobn === undefined ? [] : windows.filter((window) => BigInt(window.liobn) === liobn);
  const foundSpaces = device === undefined ? [] : spaces.filter(({ space }) => isSpace(space, device));
  if (foundWindows.length + foundSpaces.length > 0) {
    return { ...state!, windows: foundWindows, spaces: foundSpaces };
  }
  const names = [...windows.map((window) => hex(window.liobn)), ...spaces.map(({ space }) => space)];
  const there = names.join(", ") || "none";
  const what =
    liobn === undefined ? `nothing is mapped for "${device}"` : `no window has LIOBN ${hex(liobn)}`;
  throw new IommuError("BAD_ARGUMENT", `${path}: ${what}; there are ${there}`);
}

/** Says which of several saved machines it is, and what of it cannot be relied upon. */
export function warnOfRemarks(path: string, { saved }: RecordedState): void {
  for (const note of saved === undefined ? [] : choiceNotes(saved))
    printError(`${visible(displayName(path))}: note: ${visible(note)}`);
  for (const remark of saved?.remarks ?? []) printWarning(displayName(path), remark);
}

/** A saved machine also lists windows that are not there. */
export const isThere = (state: WindowState): boolean => state.entries > 0;

/** `LIOBN 0x80000000 at 0x0000000000000000, 65,536 pages of 4 KiB`. */
export const titleOf = (state: WindowState): string =>
  `LIOBN ${hex(state.liobn)} at ${hex64(state.busOffset)}, ${counted(state.entries, "page")} of ${formatSize(2 ** state.pageShift)}${assumedText(state)}`;

/** ` (start, size assumed)`, or nothing. */
const assumedText = ({ assumedParts }: WindowState): string =>
  assumedParts.length > 0 ? ` (${assumedParts.join(", ")} assumed)` : "";

/** First and last bus address of pages. */
export function rangeText(ioba: bigint, pages: number, shift: number): string {
  const last = ioba + (BigInt(pages) << BigInt(shift)) - 1n;
  return `${hex64(ioba)}-${hex64(last)}`;
}
