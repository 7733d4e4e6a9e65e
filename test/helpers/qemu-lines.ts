/**
 * Lines of QEMU's log, for traces that tests make up.
 *
 * @module
 */

/** The default window of the first bridge. */
export const NEW_TABLE = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
/** Where windows of 64 bits begin. */
export const HIGH = "0x800000000000000";

export const put = (ioba: string, tce: string, ret = 0, liobn = "0x80000000"): string =>
  `spapr_iommu_pci_put liobn=${liobn} ioba=${ioba} tce=${tce} ret=${ret}\n`;

/** @param end address behind the last page */
export const stuff = (end: string, pages: number, tce = "0x0"): string =>
  `spapr_iommu_pci_stuff liobn=0x80000000 ioba=${end} tcevalue=${tce} npages=${pages} ret=0\n`;

export const xlate = (ioba: string, to: string, perm: number): string =>
  `spapr_iommu_xlate liobn=0x80000000 ${ioba} -> ${to} perm=${perm} mask=0xfff\n`;

/** A window of 64 KiB pages, by default 16 of them. */
export const create = (start: string, liobn = "0x80000001", size = "0x100000"): string =>
  `spapr_iommu_new_table liobn=${liobn} table=0x1000 fd=-1\nspapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=${size}, start addr=${start}, liobn=${liobn}\n`;

/** A put into a page of that window. */
export const highPut = (page: number, tce: string): string =>
  put(`0x${(BigInt(HIGH) + (BigInt(page) << 16n)).toString(16)}`, tce, 0, "0x80000001");
