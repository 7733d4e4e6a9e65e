import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { TceView } from "../tce/tce-view.ts";
import type { DmaWindow } from "./dma-window.ts";
import type { Machine } from "./machine.ts";
import { DEFAULT_PAGE_SHIFT } from "./papr.ts";

/** The oldest version of the state that is loaded. */
const OLDEST_VERSION = 2;

/**
 * The state of one DMA window, as a migration carries it (QEMU-SAVE-1).
 *
 * @public
 */
export interface SavedTable {
  /** Logical I/O bus number. */
  readonly liobn: number;
  /** Version of the state: 2 until QEMU 4.1, 3 since. */
  readonly version: 2 | 3;
  /** Does the window (of a VIO device) let DMA pass untranslated? */
  readonly bypass: boolean;
  /** The entries; null for a window that is not there (no entries). */
  readonly table: TceView | null;
  /** Was it the default window at the last reset? Null in version 2, which does not say. */
  readonly defWin: boolean | null;
  /** Where the window lies; null without subsection, which means at 0 with 4K pages. */
  readonly geometry: SavedGeometry | null;
}

/**
 * Content of the subsection `spapr_iommu_ex`.
 *
 * @public
 */
export interface SavedGeometry {
  /** First bus address of the window. */
  readonly busOffset: bigint;
  /** log2 of the I/O page size; 0 for a window that is not there. */
  readonly pageShift: number;
}

const DEFAULT_GEOMETRY: SavedGeometry = { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };

/** What the subsection says of a window; null for one that lies at 0 and has 4K pages, which has none. */
export const savedGeometry = (busOffset: bigint, pageShift: number): SavedGeometry | null =>
  busOffset === 0n && pageShift === DEFAULT_PAGE_SHIFT ? null : { busOffset, pageShift };

/**
 * Saves the DMA windows of a machine, also those that are disabled, in QEMU's
 * order (its pre_save; QEMU-SAVE-2). Each table is an O(1) snapshot: the guest may go on
 * while it is written, and none of its later writes is in it.
 *
 * @public
 */
export const saveTables = (machine: Machine): SavedTable[] =>
  [...machine.env.liobns].map((window) => saveTable(machine, window));

/** All of it is taken before anybody is notified of it: a callback may change the window. */
function saveTable({ env }: Machine, window: DmaWindow): SavedTable {
  const { liobn, entries, busOffset, pageShift, bypass, defaultWindow } = window;
  const version = env.profile.migrationVersion;
  const saved: SavedTable = {
    liobn,
    version,
    bypass,
    table: entriesOf(window),
    defWin: version === 2 ? null : defaultWindow,
    geometry: savedGeometry(busOffset, pageShift),
  };
  env.observer.trace?.({ name: "spapr_iommu_pre_save", liobn: BigInt(liobn), entries, busOffset, pageShift });
  return saved;
}

/** A table of the kernel's is made of whole pages: what lies past the window is not saved. */
function entriesOf({ table, entries }: DmaWindow): TceView | null {
  if (table === null) return null;
  return table.length === entries ? table.snapshot() : TceTable.cut(table, entries);
}

/**
 * Loads the DMA windows of a saved machine into one that is made alike, by
 * QEMU's rules (its post_load; QEMU-LOAD-1, QEMU-LOAD-2): a window of another number of
 * entries is taken away and made anew, so that listeners are notified of it and replay
 * it while it is empty; the entries come afterwards, and no notifier is called for them.
 * Windows that are not among the saved ones stay as they are.
 *
 * @throws IommuError before anything is changed: BAD_ARGUMENT if the machine lacks one of the windows, or one is
 * saved twice; UNSUPPORTED for a version that the machine's profile does not load
 * @public
 */
export function loadTables(machine: Machine, tables: Iterable<SavedTable>): void {
  const pairs = [...tables].map((saved) => ({ saved, window: destinationOf(machine, saved) }));
  const seen = new Set<DmaWindow>();
  for (const { saved, window } of pairs) {
    if (seen.has(window)) throw refusal("BAD_ARGUMENT", saved, "is saved twice");
    seen.add(window);
  }
  for (const { saved, window } of pairs) loadTable(machine, window, saved);
}

function destinationOf(machine: Machine, saved: SavedTable): DmaWindow {
  const newest = machine.profile.migrationVersion;
  if (saved.version < OLDEST_VERSION || saved.version > newest) {
    const what = `is saved in version ${saved.version}; "${machine.profile.name}" loads ${OLDEST_VERSION} to ${newest}`;
    throw refusal("UNSUPPORTED", saved, what);
  }
  const window = machine.env.liobns.find(0, saved.liobn);
  if (window === undefined) {
    const there = [...machine.env.liobns].map(({ liobn }) => hex(liobn)).join(", ") || "none";
    throw refusal("BAD_ARGUMENT", saved, `is saved, but the machine does not have it; it has ${there}`);
  }
  return window;
}

const refusal = (code: "BAD_ARGUMENT" | "UNSUPPORTED", { liobn }: SavedTable, what: string): IommuError =>
  new IommuError(code, `the DMA window of LIOBN ${hex(liobn)} ${what}`, { liobn });

function loadTable(machine: Machine, window: DmaWindow, saved: SavedTable): void {
  const { env } = machine;
  const { liobn, entries: entriesBefore } = window;
  // Without the subsection the window keeps its own values; those of a machine that was just reset are the default ones.
  const { busOffset, pageShift } = saved.geometry ?? (window.enabled ? window : DEFAULT_GEOMETRY);
  const entries = saved.table?.length ?? 0;
  machine.vio.devices.find((device) => device.window === window)?.setBypass(saved.bypass);
  const moves = pageShift !== window.pageShift || busOffset !== window.busOffset;
  if (entries !== entriesBefore || (moves && !env.profile.loadKeepsRegion)) window.disable();
  if (saved.table !== null) {
    if (!window.enabled) window.enable(pageShift, busOffset, entries);
    else if (moves) window.reinterpret(pageShift, busOffset);
    // Unless a listener took the window away meanwhile, or made it another one.
    if (window.entries === entries) window.restore(saved.table);
  }
  if (saved.defWin !== null) window.defaultWindow = saved.defWin;
  env.observer.trace?.({
    name: "spapr_iommu_post_load",
    liobn: BigInt(liobn),
    entries: entriesBefore,
    newEntries: window.entries,
    busOffset: window.busOffset,
    pageShift: window.pageShift,
  });
}
