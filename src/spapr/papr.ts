/**
 * Numbers of the architecture (PAPR) and of its implementation in QEMU.
 *
 * @module
 */

/**
 * Hypercall numbers, in r3.
 *
 * @public
 */
export const Hcall = {
  GET_TCE: 0x1c,
  PUT_TCE: 0x20,
  STUFF_TCE: 0x138,
  PUT_TCE_INDIRECT: 0x13c,
  /** Private to KVM and QEMU: RTAS, with the address of the argument block in r4. */
  RTAS: 0xf000,
} as const;

/**
 * Statuses of hypercalls, in r3 afterwards.
 *
 * @public
 */
export const HStatus = {
  SUCCESS: 0,
  FUNCTION: -2,
  PRIVILEGE: -3,
  PARAMETER: -4,
  P4: -57,
} as const;

/**
 * Names of statuses, for people.
 *
 * @public
 */
export const hStatusName = (status: number): string =>
  `H_${Object.entries(HStatus).find(([, value]) => value === status)?.[0] ?? `(${status})`}`;

/** Most entries of one H_PUT_TCE_INDIRECT: a page of 4 KiB of them. */
export const MAX_LIST_ENTRIES = 512;
/** A list of TCEs begins on a 4 KiB boundary, whatever the page size of the window. */
export const LIST_ALIGN_MASK = 0xfff;

/**
 * RTAS tokens, as QEMU assigns them.
 *
 * @public
 */
export const RtasToken = {
  SET_TCE_BYPASS: 0x2010,
  QUIESCE: 0x2011,
  SET_EEH_OPTION: 0x2020,
  GET_CONFIG_ADDR_INFO2: 0x2021,
  READ_SLOT_RESET_STATE2: 0x2022,
  SET_SLOT_RESET: 0x2023,
  CONFIGURE_PE: 0x2024,
  SLOT_ERROR_DETAIL: 0x2025,
  QUERY_PE_DMA_WINDOW: 0x2026,
  CREATE_PE_DMA_WINDOW: 0x2027,
  REMOVE_PE_DMA_WINDOW: 0x2028,
  RESET_PE_DMA_WINDOW: 0x2029,
} as const;

/** Tokens by the names of the device tree's /rtas node. */
export const RTAS_NAMES: Readonly<Record<string, number>> = {
  "ibm,set-tce-bypass": RtasToken.SET_TCE_BYPASS,
  quiesce: RtasToken.QUIESCE,
  "ibm,set-eeh-option": RtasToken.SET_EEH_OPTION,
  "ibm,get-config-addr-info2": RtasToken.GET_CONFIG_ADDR_INFO2,
  "ibm,read-slot-reset-state2": RtasToken.READ_SLOT_RESET_STATE2,
  "ibm,set-slot-reset": RtasToken.SET_SLOT_RESET,
  "ibm,configure-pe": RtasToken.CONFIGURE_PE,
  "ibm,slot-error-detail": RtasToken.SLOT_ERROR_DETAIL,
  "ibm,query-pe-dma-window": RtasToken.QUERY_PE_DMA_WINDOW,
  "ibm,create-pe-dma-window": RtasToken.CREATE_PE_DMA_WINDOW,
  "ibm,remove-pe-dma-window": RtasToken.REMOVE_PE_DMA_WINDOW,
  "ibm,reset-pe-dma-window": RtasToken.RESET_PE_DMA_WINDOW,
};

/**
 * Statuses of RTAS calls, in the first return cell.
 *
 * @public
 */
export const RtasStatus = {
  SUCCESS: 0,
  HW_ERROR: -1,
  PARAM_ERROR: -3,
  /** ibm,slot-error-detail only. */
  NO_ERRORS_FOUND: 1,
} as const;

/** Page sizes that ibm,query-pe-dma-window can name: log2, and the bit of its mask. */
export const DDW_PAGE_BITS: readonly (readonly [shift: number, bit: number])[] = [
  [12, 0x01],
  [16, 0x02],
  [24, 0x04],
  [25, 0x08],
  [26, 0x10],
  [27, 0x20],
  [28, 0x40],
  [34, 0x80],
  [21, 0x100],
];

/** What a query names as the largest window, in TCEs: 2^47 bytes of 64 KiB pages. */
export const DDW_MAX_TCES = 0x8000_0000;

/** log2 of the page size of a default window and of VIO windows. */
export const DEFAULT_PAGE_SHIFT = 12;

/** Set in the LIOBN of a PCI window. */
export const PCI_LIOBN_FLAG = 0x8000_0000;

/**
 * LIOBN of a window of a PCI host bridge (QEMU-PHB-1).
 *
 * @public
 */
export const pciLiobn = (phbIndex: number, window: number): number =>
  PCI_LIOBN_FLAG + phbIndex * 0x100 + window;

/** Number of the bridge that has the window of a PCI LIOBN; of one that is damage a number that no bridge has. */
export const phbOfLiobn = (liobn: number): number => Math.floor((liobn - PCI_LIOBN_FLAG) / 0x100);

/** Does a LIOBN belong to a bridge? Others are those of VIO devices. */
export const isPciLiobn = (liobn: number): boolean => liobn >= PCI_LIOBN_FLAG;

/** Unit identifier of a PCI host bridge. */
export const buidOf = (phbIndex: number): bigint => 0x0800_0000_2000_0000n + BigInt(phbIndex);

/** Highest index of a PCI host bridge that finds room in the address map. */
export const MAX_PHB_INDEX = 30;

/** Bus address of the MSI window in a bridge's DMA space (4 TiB), and its size. */
export const MSI_WINDOW = { address: 0x400_0000_0000n, size: 0x1000n } as const;

/** The first unit address of VIO devices that QEMU picks itself; this one is always its NVRAM. */
export const VIO_FIRST_REG = 0x7100_0000;
/** Bytes of the window of a VIO device; it starts at 0 and has 4 KiB pages. */
export const VIO_WINDOW_BYTES = 0x1000_0000;
