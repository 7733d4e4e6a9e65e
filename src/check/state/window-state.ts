import { permText } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import type { SavedWindow } from "../../formats/migration/stream.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import { DEFAULT_PAGE_SHIFT, isPciLiobn } from "../../spapr/papr.ts";
import { diffAt } from "../../tce/diff.ts";
import { permOf, TCE_PERM_MASK } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { Certainty, forEachCertainty, type RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { GeometryPart } from "../rebuild/window-evidence.ts";
import { forEachEntryRun } from "../windows/entry-runs.ts";

/**
 * A window and its entries as they were at some event, for ever.
 *
 * @public
 */
export interface WindowState {
  readonly liobn: number;
  readonly busOffset: bigint;
  readonly pageShift: number;
  /** 0 if a saved machine says that the window is not there. */
  readonly entries: number;
  readonly bypass: boolean;
  /**
   * Was it the default window of its bridge at the last reset? So says QEMU's def_win, which is never taken back
   * (QEMU-REMOVE-2), and is not set for the one window of a VIO device (recorded in vio-vscsi-vlan-linux61).
   */
  readonly defaultWindow: boolean;
  /** Parts of the geometry that the trace neither tells nor shows: `start`, `page`, `size`. */
  readonly assumedParts: readonly string[];
  /** Is there any such part? */
  readonly assumed: boolean;
  /** Is it a guess what the window is at all? It was there before the trace began. */
  readonly isGuess: boolean;
  readonly table: TceView;
  readonly certainties: TceView;
}

/**
 * Consecutive pages that map consecutive targets, or all the same one, of one permission; or of which nothing is known.
 *
 * @public
 */
export interface StateRun {
  readonly ioba: bigint;
  readonly target: bigint;
  readonly pages: number;
  readonly perm: string;
  /** `inferred` if any page of it is. */
  readonly certainty: "known" | "inferred" | "unknown";
  /** Pages of it that were concluded from the last entry of their list; there if any were. */
  readonly inferredPages?: number;
  /** There if two or more pages map one and the same target. */
  readonly sameTarget?: true;
}

const placeOf = ({ liobn, busOffset, pageShift, entries, bypass, defaultWindow }: DmaWindow) => ({
  liobn,
  busOffset,
  pageShift,
  entries,
  bypass,
  defaultWindow,
});

/** Takes the state of a window; costs nothing that grows with it. */
export function stateOf(rebuilt: RebuiltWindow): WindowState {
  const { window, assumed: isGuess } = rebuilt;
  const assumedParts = rebuilt.evidence.assumed;
  const table = window.table ?? new TceTable({ length: 1, pageShift: window.pageShift });
  return {
    ...placeOf(window),
    assumedParts,
    assumed: assumedParts.length > 0,
    isGuess,
    table: table.snapshot(),
    certainties: rebuilt.certainties(),
  };
}

/** Takes the state of a window of a machine of ours: all is known. */
export function ownStateOf(window: DmaWindow): WindowState {
  return {
    ...placeOf(window),
    assumedParts: [],
    assumed: false,
    isGuess: false,
    table: window.table!.snapshot(),
    certainties: new TceTable({ length: window.entries, pageShift: 0 }),
  };
}

/** Window 0 of a bridge is what a reset makes the default window. */
const isFirstOfBridge = (liobn: number): boolean => isPciLiobn(liobn) && (liobn & 0xff) === 0;

/** The state of a window of a saved machine; one that is not there has no entries. */
export function savedStateOf(saved: SavedWindow): WindowState {
  const { liobn, entries, bypass, defWin, geometry } = saved;
  const { busOffset, pageShift } = geometry ?? { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };
  return {
    liobn,
    busOffset,
    pageShift,
    entries,
    bypass,
    defaultWindow: defWin ?? isFirstOfBridge(liobn),
    assumedParts: [],
    assumed: false,
    isGuess: false,
    table: saved.table ?? new TceTable({ length: 1, pageShift }),
    certainties: new TceTable({ length: Math.max(entries, 1), pageShift: 0 }),
  };
}

/**
 * Calls `visit` for each run of a window, mapped or unknown, in order; costs what is in the entries `[from, end)`.
 *
 * @public
 */
export function forEachStateRun(
  state: WindowState,
  visit: (run: StateRun) => void,
  from = 0,
  end: number = state.entries,
): void {
  const { table, certainties, pageShift } = state;
  const shift = BigInt(pageShift);
  const iobaOf = (index: number): bigint => BigInt.asUintN(64, state.busOffset + (BigInt(index) << shift));
  // The last entry of a list is known, and those before it are inferred: where they go on, they are one run.
  let last: StateRun | undefined;
  const add = (run: StateRun): void => {
    const joined = last === undefined ? undefined : joinedRun(last, run, shift);
    if (joined === undefined && last !== undefined) visit(last);
    last = joined ?? run;
  };
  forEachCertainty(certainties, from, end, (start, count, sure) => {
    if (sure === Certainty.UNKNOWN) {
      add({ ioba: iobaOf(start), target: 0n, pages: count, perm: "??", certainty: "unknown" });
      return;
    }
    const isInferred = sure === Certainty.INFERRED;
    forEachEntryRun(table, start, start + count, ({ first, pages, target, perm, step }) => {
      add({
        ioba: iobaOf(first),
        target,
        pages,
        perm: permText(perm),
        certainty: isInferred ? "inferred" : "known",
        ...(isInferred ? { inferredPages: pages } : {}),
        ...(step === 0 ? { sameTarget: true } : {}),
      });
    });
  });
  if (last !== undefined) visit(last);
}

/** Two runs as one; undefined if the second does not go on where the first one ends. */
function joinedRun(a: StateRun, b: StateRun, shift: bigint): StateRun | undefined {
  const length = BigInt(a.pages) << shift;
  const goesOn =
    a.certainty !== "unknown" &&
    b.certainty !== "unknown" &&
    a.perm === b.perm &&
    a.ioba + length === b.ioba &&
    a.target + length === b.target &&
    a.sameTarget === undefined &&
    b.sameTarget === undefined;
  if (!goesOn) return undefined;
  const inferredPages = (a.inferredPages ?? 0) + (b.inferredPages ?? 0);
  return {
    ...a,
    pages: a.pages + b.pages,
    certainty: inferredPages > 0 ? "inferred" : "known",
    ...(inferredPages > 0 ? { inferredPages } : {}),
  };
}

/**
 * What a window is, in the shape of the JSON output of `info` and `map`.
 *
 * @public
 */
export function windowStateToJson(state: WindowState): Record<string, unknown> {
  const { liobn, busOffset, pageShift, entries, bypass, defaultWindow } = state;
  return {
    liobn: hex(liobn),
    busOffset: hex(busOffset),
    pageShift,
    entries,
    bypass,
    defWin: defaultWindow,
  };
}

/**
 * A window with its runs, in the shape of the JSON output of `map`.
 *
 * @public
 */
export function stateToJson(state: WindowState): Record<string, unknown> {
  const runs: Record<string, unknown>[] = [];
  forEachStateRun(state, (run) => runs.push({ ...run, ioba: hex(run.ioba), target: hex(run.target) }));
  return { ...windowStateToJson(state), runs };
}

/** Runs that are taken out of a table at once. */
const RUNS_AT_ONCE = 1024;

/**
 * Every entry that is not zero, with its number, in order. Takes no more memory
 * than a few runs, however many entries there are.
 *
 * @public
 */
export function* rawEntries({ table, entries }: WindowState): Generator<[index: number, tce: bigint]> {
  const size = 1n << BigInt(table.pageShift);
  const stops: number[] = [];
  let stored = 0;
  table.forEachStoredRun(0, entries, (first) => {
    if (stored++ % RUNS_AT_ONCE === 0) stops.push(first);
  });
  for (const [i, stop] of stops.entries()) {
    const runs: [first: number, count: number, value: bigint, step: bigint][] = [];
    table.forEachStoredRun(stop, stops[i + 1] ?? entries, (first, count, hi, lo, step) => {
      runs.push([first, count, toBig(hi, lo), size * BigInt(step)]);
    });
    for (const [first, count, value, step] of runs) {
      let tce = value;
      for (let index = first; index < first + count; index++, tce += step) yield [index, tce];
    }
  }
}

/**
 * What changed of one window between two states.
 *
 * @public
 */
export type WindowChange =
  | { readonly what: "created" | "removed"; readonly window: WindowState }
  /** Pages of another size, which are assumed of one of the two: where an entry lies is not known of that one. */
  | { readonly what: "not-compared"; readonly window: WindowState; readonly before: WindowState }
  | {
      readonly what: "entries";
      readonly window: WindowState;
      readonly ioba: bigint;
      readonly pages: number;
      /** First entry of the run before and after. */
      readonly before: bigint;
      readonly after: bigint;
    };

/**
 * Compares two states; subtrees that both share cost nothing.
 *
 * @public
 */
export function diffStates(
  before: readonly WindowState[],
  after: readonly WindowState[],
  visit: (change: WindowChange) => void,
): void {
  for (const old of before) {
    const window = after.find((one) => isSameWindow(one, old));
    if (window === undefined) {
      visit({ what: "removed", window: old });
      continue;
    }
    if (old.pageShift !== window.pageShift) {
      visit({ what: "not-compared", window, before: old });
      continue;
    }
    const shift = BigInt(window.pageShift);
    const later = Number((old.busOffset - window.busOffset) >> shift);
    diffAt(old.table, window.table, later, (first, pages, wasHi, wasLo, _wasStep, isHi, isLo) => {
      const ioba = BigInt.asUintN(64, window.busOffset + (BigInt(first) << shift));
      visit({ what: "entries", window, ioba, pages, before: toBig(wasHi, wasLo), after: toBig(isHi, isLo) });
    });
  }
  for (const window of after) {
    if (!before.some((one) => isSameWindow(one, window))) visit({ what: "created", window });
  }
}

/**
 * A change in the shape of the JSON output of `diff`.
 *
 * @public
 */
export function changeToJson(change: WindowChange): Record<string, unknown> {
  const { what, window } = change;
  const liobn = hex(window.liobn);
  if (what !== "entries") return { what, liobn };
  const { ioba, pages, before, after } = change;
  return { what, liobn, ioba: hex(ioba), pages, before: hex(before), after: hex(after) };
}

/** Is something the same in two windows, or assumed of one of them? */
const agrees = (a: WindowState, b: WindowState, part: GeometryPart, isSame: boolean): boolean =>
  isSame || a.assumedParts.includes(part) || b.assumedParts.includes(part);

/** What was learned of a window between two moments makes it no other one. */
const isSameWindow = (a: WindowState, b: WindowState): boolean =>
  a.liobn === b.liobn &&
  agrees(a, b, "page", a.pageShift === b.pageShift) &&
  agrees(a, b, "start", a.busOffset === b.busOffset) &&
  agrees(a, b, "size", a.entries === b.entries);

/** `0x2000 rw`, or `-` for an entry without permission. */
export const entryText = (entry: bigint): string =>
  (entry & BigInt(TCE_PERM_MASK)) === 0n
    ? "-"
    : `${hex(entry & ~0xfffn)} ${permText(permOf(Number(entry & 3n)))}`;
