/**
 * What KVM needs of the rest of the host: the process that owns the virtual
 * machine, and the hardware tables of VFIO groups.
 *
 * @module
 */

/** The process that created a virtual machine. */
export interface KvmProcess {
  /** Charges pages to the account of locked memory; false beyond its limit. */
  charge(pages: number): boolean;
  /** Takes pages from that account. */
  uncharge(pages: number): void;
  /**
   * Reads 64-bit big-endian values, the high and the low half of each.
   *
   * @param vaddr address in the process
   * @returns how many could be read
   */
  loadBigEndian(vaddr: number, words: Uint32Array, count: number): number;
}

/**
 * A table of the host's bridge, as the guest's hypercalls reach it. Entries
 * count from the start of the table; addresses are of the process.
 */
export interface HostTable {
  /** The same object whenever it is the same table. */
  readonly identity: object;
  /** log2 of the I/O page size. */
  readonly pageShift: number;
  /** First bus address. */
  readonly start: bigint;
  /** Number of entries. */
  readonly length: number;
  /** May a page be mapped to this address? */
  accepts(vaddr: number): boolean;
  /** Maps consecutive pages; false if it failed, some may be mapped then. */
  map(index: number, pages: number, vaddr: number, permission: number): boolean;
  /** Unmaps pages; false if a mapped one has no memory behind it any more, from there on nothing is done. */
  unmap(index: number, pages: number): boolean;
  /** Clears entries and nothing else. */
  clear(index: number, pages: number): void;
}

/** The file of a VFIO group, which KVM keeps open while it knows the group. */
export interface KvmGroupFile {
  retain(): void;
  release(): void;
  /** The tables of the group's windows now. */
  tables(): readonly HostTable[];
}
