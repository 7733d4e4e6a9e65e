import { hex, hex64 } from "../../base/u64.ts";
import { formatCount, formatSize } from "../../base/units.ts";
import type { SavedWindow } from "../../formats/migration/stream.ts";
import {
  DEFAULT_PAGE_SHIFT,
  isPciLiobn,
  MAX_PHB_INDEX,
  phbOfLiobn,
  VIO_WINDOW_BYTES,
} from "../../spapr/papr.ts";

const TWO64 = 1n << 64n;
/** A VIO device has one window of this many 4K pages, at 0, for ever. */
const VIO_ENTRIES = VIO_WINDOW_BYTES >>> DEFAULT_PAGE_SHIFT;

/** Machine types up to pseries-2.7 have room for so many bridges. */
const OLD_MAX_PHB_INDEX = 255;

/**
 * What no QEMU says of a window, as parts of a sentence.
 *
 * @param machine type of the machine; null for one that is too old to say it
 */
export function contradictionsOf(saved: SavedWindow, machine: string | null): string[] {
  return [...contradictionsOfAny(saved), ...(isPciLiobn(saved.liobn) ? ofPci(saved, machine) : ofVio(saved))];
}

/** Highest index of a bridge. */
const maxPhbIndex = (machine: string | null): number =>
  machine === null || /^pseries-2\.[0-7]$/.test(machine) ? OLD_MAX_PHB_INDEX : MAX_PHB_INDEX;

function contradictionsOfAny({ entries, geometry }: SavedWindow): string[] {
  const { busOffset, pageShift } = geometry ?? { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };
  if (entries === 0) {
    if (busOffset === 0n && pageShift === 0) return [];
    return [`it has no entries, yet it lies at ${hex64(busOffset)} and has a page shift of ${pageShift}`];
  }
  const found: string[] = [];
  if (pageShift < DEFAULT_PAGE_SHIFT)
    found.push(`it has pages of ${formatSize(2 ** pageShift)}, less than 4 KiB`);
  if (busOffset + (BigInt(entries) << BigInt(pageShift)) > TWO64)
    found.push(`it begins at ${hex64(busOffset)} and ends past the last address of the bus`);
  return found;
}

function ofPci({ liobn, bypass, defWin }: SavedWindow, machine: string | null): string[] {
  const found: string[] = [];
  const number = liobn & 0xff;
  const most = maxPhbIndex(machine);
  if (phbOfLiobn(liobn) > most || number > 1)
    found.push(`no bridge has a window of that number: bridges are 0 to ${most}, their windows 0 and 1`);
  if (bypass) found.push("bypass is set, which is for VIO devices");
  if (defWin === true && number > 0) found.push("def_win is set, which only window 0 of a bridge ever gets");
  return found;
}

function ofVio({ entries, geometry, defWin }: SavedWindow): string[] {
  const found: string[] = [];
  if (geometry !== null || entries !== VIO_ENTRIES)
    found.push(
      `a VIO device has ${formatCount(VIO_ENTRIES)} pages of 4 KiB at 0, and here are ${formatCount(entries)}${geometry === null ? "" : ` of 2^${geometry.pageShift} bytes at ${hex64(geometry.busOffset)}`}`,
    );
  if (defWin === true) found.push("def_win is set, which only window 0 of a bridge ever gets");
  return found;
}

/** What no QEMU says of the windows of one machine, each with the window that shows it. */
export function contradictionsBetween(windows: readonly SavedWindow[]): [SavedWindow, string][] {
  const found: [SavedWindow, string][] = [];
  const seen = new Map<number, SavedWindow>();
  for (const saved of windows) {
    const { liobn, version } = saved;
    if (seen.has(liobn)) found.push([saved, "it is saved a second time"]);
    seen.set(liobn, saved);
    const [first] = windows;
    if (version !== first!.version)
      found.push([
        saved,
        `it is saved in version ${version}, and that of ${hex(first!.liobn)} in version ${first!.version}`,
      ]);
  }
  for (const saved of windows) {
    const { liobn } = saved;
    if (!isPciLiobn(liobn) || (liobn & 0xff) === 0 || seen.has(liobn - (liobn & 0xff))) continue;
    found.push([saved, "its bridge is saved without window 0"]);
  }
  return found;
}
