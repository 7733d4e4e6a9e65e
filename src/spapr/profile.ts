import { IommuError } from "../base/errors.ts";
import { HStatus, RtasStatus } from "./papr.ts";

/**
 * What one hypervisor does where others, or the architecture, differ. Code asks
 * for a quirk by name; each says where it comes from.
 *
 * @public
 */
export interface Profile {
  readonly name: string;

  /**
   * Status of H_PUT_TCE_INDIRECT and H_STUFF_TCE with a count of 0. QEMU's
   * initial value, H_PARAMETER, stands when the loop does not run (QEMU-TCE-6);
   * PAPR leaves it undefined, KVM answers H_SUCCESS.
   */
  readonly emptyListStatus: number;
  /**
   * Calls of several entries stop at the first bad one and keep what was stored
   * (QEMU-TCE-5). PAPR validates the range and all entries first (PAPR-TCE-4).
   */
  readonly partialEffects: boolean;
  /** H_STUFF_TCE may fill the whole table (QEMU-STUFF-2); PAPR answers H_P4 above 512 (PAPR-STUFF-1). */
  readonly stuffWholeTable: boolean;
  /** A TCE may point anywhere (QEMU-TCE-4); PAPR refuses an address that is not the partition's (PAPR-TCE-3). */
  readonly anyTarget: boolean;
  /** A list outside of memory reads as zeros (QEMU-INDIRECT-1); PAPR refuses it (PAPR-INDIRECT-3). */
  readonly unreadableListIsZero: boolean;

  /** Counts of return cells that ibm,query-pe-dma-window accepts: 5, and since QEMU 5.1 also 6 (QEMU-QUERY-1). */
  readonly queryReturnCounts: readonly number[];
  /** The page-size bits a query can give; 2 MiB (0x100) is newer than QEMU 4.0 and LoPAR 2.9 (QEMU-QUERY-2). */
  readonly queryPageMask: number;
  /** Status of a create with both windows in use: -1 in QEMU, -3 in PAPR (PAPR-CREATE-2). */
  readonly noFreeWindowStatus: number;
  /** A create may ask for more TCEs than the query advertised (QEMU); PAPR refuses it (PAPR-CREATE-4). */
  readonly createAboveMaximum: boolean;
  /**
   * With one window active a new one is put at `dma64_win_addr`, even on top of
   * the other one (QEMU-CREATE-3). Otherwise the free one of the two addresses
   * is taken (PAPR-CREATE-3).
   */
  readonly createOverWindow: boolean;
  /** The default window comes back when the last other window is removed (PAPR, QEMU since 5.1; QEMU-REMOVE-1). */
  readonly restoreDefaultWindow: boolean;
  /**
   * Window 0 counts as the default one for ever after a reset, even when it was
   * created anew (QEMU-REMOVE-2).
   */
  readonly defaultWindowSticks: boolean;
  /**
   * Bridges on which window 1 is handed out before window 0 when both are free:
   * the order of a hash table in QEMU (QEMU-CREATE-6).
   */
  readonly secondWindowFirst: readonly number[];
  /** `ibm,dma-window` shows the size modulo 2^32 (QEMU-TREE-2). */
  readonly truncatedWindowProperty: boolean;
  /** Cells of `ibm,ddw-extensions`: how many follow, reset token, and whether a query has 6 outputs (QEMU-TREE-3). */
  readonly ddwExtensions: readonly number[];
  /** Page sizes of a bridge that says nothing: a mask of sizes in bytes. */
  readonly defaultPageSizes: bigint;
  /** Version of the migration state `spapr_iommu`: written, and the newest that is loaded. */
  readonly migrationVersion: 2 | 3;
  /**
   * A window that is loaded over one of as many entries keeps its region, where
   * and as large as it was, also if its pages or its start are others now
   * (QEMU-LOAD-2). Otherwise the region follows.
   */
  readonly loadKeepsRegion: boolean;
  /**
   * Tokens of RTAS calls that have nothing to do with DMA and answer -3 to what op scripts pass them;
   * 0x202d is unknown to QEMU 7.2 and ibm,configure-kernel-dump in 11.1 (QEMU-RTAS-4).
   */
  readonly otherRtasTokens: readonly number[];

  /**
   * A DMA of an emulated device that the IOMMU refuses freezes its endpoint, if the guest has asked for EEH (PAPR). QEMU's
   * emulated devices have no EEH (QEMU-EEH-2).
   */
  readonly refusedDmaFreezes: boolean;

  // The next four leave a device on a wrong page. They are on only in the profile that imitates them.
  /** VFIO: a MAP that the device refuses leaves the old mapping (QEMU-LISTENER-8). */
  readonly vfioRefusedMapStays: boolean;
  /** VFIO: an entry that points outside of memory leaves the old mapping (QEMU-LISTENER-7). */
  readonly vfioOutsideMemoryStays: boolean;
  /**
   * VFIO: every section of a window is replayed with all of its table, the hidden part included
   * (QEMU-LISTENER-9).
   */
  readonly vfioReplaysHidden: boolean;
  /**
   * VFIO: of a page that the edge of a section cuts, the visible part maps the beginning of the page's
   * memory, and nothing if its size is no power of two (QEMU-LISTENER-10).
   */
  readonly vfioCutsPages: boolean;
}

const QEMU_7_2: Profile = {
  name: "qemu-7.2",
  emptyListStatus: HStatus.PARAMETER,
  partialEffects: true,
  stuffWholeTable: true,
  anyTarget: true,
  unreadableListIsZero: true,
  queryReturnCounts: [5, 6],
  queryPageMask: 0x1ff,
  noFreeWindowStatus: RtasStatus.HW_ERROR,
  createAboveMaximum: true,
  createOverWindow: true,
  restoreDefaultWindow: true,
  defaultWindowSticks: true,
  secondWindowFirst: [28],
  truncatedWindowProperty: true,
  ddwExtensions: [2, 0x2029, 1],
  defaultPageSizes: 0x121_1000n,
  migrationVersion: 3,
  loadKeepsRegion: true,
  otherRtasTokens: [],
  refusedDmaFreezes: false,
  vfioRefusedMapStays: false,
  vfioOutsideMemoryStays: false,
  vfioReplaysHidden: false,
  vfioCutsPages: false,
};

/**
 * The profiles by name. `qemu-7.2` is the default: what the recordings show.
 *
 * @public
 */
export const PROFILES: Readonly<Record<string, Profile>> = {
  "qemu-7.2": QEMU_7_2,
  // What the recordings of its VFIO listener show: like 7.2 for the guest, with stale mappings for devices.
  "qemu-11.1": {
    ...QEMU_7_2,
    name: "qemu-11.1",
    otherRtasTokens: [0x202d],
    vfioRefusedMapStays: true,
    vfioOutsideMemoryStays: true,
    vfioReplaysHidden: true,
    vfioCutsPages: true,
  },
  // The time of the change that brought skipping_replay; machine types up to pseries-4.0.
  "qemu-4.0": {
    ...QEMU_7_2,
    name: "qemu-4.0",
    queryReturnCounts: [5],
    queryPageMask: 0xff,
    restoreDefaultWindow: false,
    ddwExtensions: [1, 0x2029],
    defaultPageSizes: 0x1_1000n,
    migrationVersion: 2,
  },
  // What LoPAR 2.9 says, where it says something (the rules PAPR-... of docs/behaviour.md).
  papr: {
    ...QEMU_7_2,
    name: "papr",
    emptyListStatus: HStatus.SUCCESS,
    partialEffects: false,
    stuffWholeTable: false,
    anyTarget: false,
    unreadableListIsZero: false,
    queryPageMask: 0xff,
    noFreeWindowStatus: RtasStatus.PARAM_ERROR,
    createAboveMaximum: false,
    createOverWindow: false,
    defaultWindowSticks: false,
    loadKeepsRegion: false,
    secondWindowFirst: [],
    truncatedWindowProperty: false,
    refusedDmaFreezes: true,
  },
};

/**
 * The name of the default profile.
 *
 * @public
 */
export const DEFAULT_PROFILE = "qemu-7.2";

/**
 * The profile of a name, such as `qemu-4.0`.
 *
 * @throws IommuError BAD_CONFIG if there is no such profile
 * @public
 */
export function findProfile(name: string): Profile {
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined;
  if (profile === undefined) {
    throw new IommuError(
      "BAD_CONFIG",
      `profile "${name}": must be one of ${Object.keys(PROFILES).join(", ")}`,
      { name },
    );
  }
  return profile;
}

/**
 * The profile of the QEMU that made a recording, or is to be compared with: that of 7.2 is right for 10.0, too, as the
 * random oracle found.
 *
 * @param version what the recording's header says, such as `7.2.22 (Debian ...)`
 */
export function recordedProfile(version: unknown): Profile {
  const major = typeof version === "string" ? Number.parseInt(version, 10) : Number.NaN;
  return PROFILES[major >= 11 ? "qemu-11.1" : DEFAULT_PROFILE]!;
}
