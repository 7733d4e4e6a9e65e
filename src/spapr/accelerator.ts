import type { TceTable } from "../tce/tce-table.ts";

/** An accelerator's answer to a hypercall that user space has to handle. */
export const H_TOO_HARD = 9999;

/** Where and how large the window of an in-kernel table is. */
export interface KernelTableShape {
  readonly liobn: number;
  readonly pageShift: number;
  readonly busOffset: bigint;
  readonly entries: number;
}

/** An in-kernel TCE table that user space has mapped: both see the same entries. */
export interface KernelTable {
  readonly table: TceTable;
  readonly fd: number;
}

/** What runs the guest's processors and may handle its hypercalls before QEMU sees them: KVM. */
export interface Accelerator {
  /**
   * Tries a hypercall; `regs` as for {@link Machine.hcall}.
   *
   * @returns the status, or {@link H_TOO_HARD} if user space has to handle it from the start
   */
  hcall(regs: Uint32Array): number;
  /** Makes an in-kernel table; null if there is none to be had, and user space keeps its own. */
  createTable(shape: KernelTableShape): KernelTable | null;
  /** Closes a table's descriptor. */
  releaseTable(fd: number): void;
  /** Tables can be tied to those of VFIO groups (KVM_CAP_SPAPR_TCE_VFIO). */
  readonly tiesTables: boolean;
}
