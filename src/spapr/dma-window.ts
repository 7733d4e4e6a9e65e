import { FirstError } from "../base/first-error.ts";
import type { PageStep } from "../base/page-step.ts";
import { entryOf, hex } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { IommuHooks, ReplayReport } from "../memory/iommu-hooks.ts";
import { type IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import { IommuRegion } from "../memory/iommu-region.ts";
import type { IommuTranslation } from "../memory/iommu-translation.ts";
import { MemoryRegion } from "../memory/memory-region.ts";
import type { MemorySystem } from "../memory/memory-system.ts";
import { permOf } from "../tce/tce.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { TceView } from "../tce/tce-view.ts";
import type { Accelerator } from "./accelerator.ts";
import type { LiobnRegistry } from "./liobn-registry.ts";
import type { RuleId, SpaprObserver } from "./observer.ts";
import { isPciLiobn } from "./papr.ts";
import { WindowGeometry } from "./window-geometry.ts";
import { type ReplayStrategy, replayWindow } from "./window-replay.ts";
import { NO_FD, newTable } from "./window-table.ts";
import { traceNewTable, traceTranslation } from "./window-trace.ts";

/** The attribute of an IOMMU region that VFIO asks a window for. */
export const ATTR_TCE_FD = 0;

/** What a window needs of the machine that it is in. */
export interface WindowEnvironment {
  readonly memory: MemorySystem;
  /** What processors see, and where TCEs point. */
  readonly systemMemory: AddressSpace;
  readonly observer: SpaprObserver;
  /** All windows of the machine, this one among them. */
  readonly liobns: LiobnRegistry<DmaWindow>;
  readonly replayStrategy: ReplayStrategy;
  /** Null: QEMU handles all itself (TCG). */
  readonly accelerator: Accelerator | null;
}

/**
 * One DMA window and the TCE table behind it; QEMU's `spapr-tce-table`.
 *
 * The window exists for as long as its owner, but is there for devices only
 * while it is enabled. Its IOMMU region lies in `root`, at the bus address of
 * the window; `root` is what the owner puts into its DMA address space.
 *
 * Invariant: `table` is not null exactly while `entries` is not 0.
 *
 * @public
 */
export class DmaWindow implements IommuHooks {
  /** @internal */
  readonly env: WindowEnvironment;
  readonly liobn: number = 0;
  /** For messages and device-tree look-ups: the bridge or device that owns the window. */
  readonly owner: string;
  readonly root: MemoryRegion;
  readonly iommu: IommuRegion;
  /** Where the window lies; replaced when that changes. */
  geometry: WindowGeometry = WindowGeometry.NONE;
  /** The entries; null while disabled. */
  table: TceTable | null = null;
  /** VIO only: devices see memory untranslated. Hypercalls work all the same. */
  bypass = false;
  /** Set while ibm,create-pe-dma-window enables the window: it is empty, so a replay is useless. */
  skippingReplay = false;
  /** Was the default window at the last reset (QEMU-REMOVE-2). */
  defaultWindow = false;
  /** Descriptor of the in-kernel table; -1 without one. */
  fd: number = NO_FD;
  /** What the last replay did. */
  lastReplay: ReplayReport | undefined;

  /** @throws IommuError LIOBN_IN_USE if the machine has a window of that number */
  constructor(env: WindowEnvironment, owner: string, liobn: number) {
    this.env = env;
    this.owner = owner;
    this.liobn = liobn;
    const name = liobn.toString(16);
    this.root = MemoryRegion.container(env.memory, `tce-root-${name}`);
    this.iommu = new IommuRegion(env.memory, `tce-iommu-${name}`, 0n, this);
    env.liobns.add(this);
  }

  get enabled(): boolean {
    return this.geometry.entries !== 0;
  }

  /** Number of TCEs, below 2^32; 0 while disabled. */
  get entries(): number {
    return this.geometry.entries;
  }

  /** Bus address of the first byte; any value, also one that is no multiple of the page size. */
  get busOffset(): bigint {
    return this.geometry.busOffset;
  }

  get page(): PageStep {
    return this.geometry.page;
  }

  get pageShift(): number {
    return this.geometry.shift;
  }

  /** Size in bytes, modulo 2^64 as QEMU computes it (QEMU-WINDOW-4): a window of all 2^64 bytes has 0. */
  get sizeBytes(): bigint {
    return this.geometry.sizeBytes;
  }

  /** {@link WindowGeometry.indexOf} */
  indexOf(hi: number, lo: number): number {
    return this.geometry.indexOf(hi, lo);
  }

  /** Belongs to a PCI bridge, not to a VIO device: decides the names of trace events. */
  get isPci(): boolean {
    return isPciLiobn(this.liobn);
  }

  /** Somebody mirrors the table, so that each change must reach user space. */
  get needVfio(): boolean {
    return this.iommu.notifierFlags !== NotifierFlag.NONE;
  }

  /**
   * Gives the window its geometry and an empty table, and shows it to devices.
   *
   * @param entries 0 to 2^32 - 1. With 0 the window stays disabled, which is a
   *   hazard: the real system has no defined answer (QEMU-CREATE-4, QEMU-WINDOW-2)
   * @throws what a callback throws first, when the window is enabled
   */
  enable(pageShift: number, busOffset: bigint, entries: number): void {
    if (this.enabled) {
      this.#hazard(
        "QEMU-WINDOW-1",
        "trying to enable already enabled TCE table; QEMU warns and changes nothing",
      );
      return;
    }
    if (entries === 0) {
      this.#hazard(
        "QEMU-WINDOW-2",
        "a window of no entries stays disabled; the real system has no defined answer",
      );
      return;
    }
    const geometry = new WindowGeometry(pageShift, busOffset, entries);
    const { table, fd } = newTable(this.env.accelerator, this.liobn, geometry, this.needVfio);
    this.table = table;
    this.fd = fd;
    this.geometry = geometry;
    this.iommu.renew();
    const errors = new FirstError();
    errors.attempt(() => traceNewTable(this));
    // Whoever was notified of the table may have taken the window away again.
    if (this.geometry === geometry) errors.attempt(() => this.#show());
    errors.rethrow();
  }

  /** One transaction: listeners are notified of the window when it is complete. */
  #show(): void {
    this.env.memory.transaction(() => {
      this.iommu.setSize(this.sizeBytes);
      this.root.addSubregion(this.iommu, this.busOffset);
    });
  }

  /** Hides the window from devices and drops its table. No UNMAP is sent: listeners get region_del (QEMU-WINDOW-3). */
  disable(): void {
    if (!this.enabled) return;
    const { geometry } = this;
    const errors = new FirstError();
    if (this.iommu.container !== null) errors.attempt(() => this.root.removeSubregion(this.iommu));
    // A listener may have disabled it, too, and even enabled it again.
    if (this.geometry === geometry) errors.attempt(() => this.iommu.setSize(0n));
    if (this.geometry === geometry) {
      this.#releaseKernelTable();
      this.table = null;
      this.geometry = WindowGeometry.NONE;
      this.iommu.overtakeAll();
    }
    errors.rethrow();
  }

  #releaseKernelTable(): void {
    if (this.fd !== NO_FD) this.env.accelerator?.releaseTable(this.fd);
    this.fd = NO_FD;
  }

  /** Zeroes all entries without notifications, as a device reset does. */
  reset(): void {
    this.table?.clear();
    this.iommu.overtakeAll();
  }

  /** Takes the window out of the machine, with its owner. */
  destroy(): void {
    try {
      this.disable();
    } finally {
      this.env.liobns.remove(this);
    }
  }

  /**
   * Gives the entries another meaning without the knowledge of devices: the region
   * stays where it is, as large as it is (QEMU-LOAD-2). A table in the
   * kernel, whose pages have one size for ever, is given up for one of our own.
   */
  reinterpret(pageShift: number, busOffset: bigint): void {
    const { entries } = this.geometry;
    if (pageShift !== this.pageShift) {
      this.#releaseKernelTable();
      this.table = new TceTable({ length: entries, pageShift });
    }
    this.geometry = new WindowGeometry(pageShift, busOffset, entries);
    this.iommu.overtakeAll();
  }

  /** Takes over saved entries, of which nobody is notified; a window that is not there has room for none. */
  restore(saved: TceView): void {
    this.table?.restore(saved);
    this.iommu.overtakeAll();
  }

  // ------------------------------------------------------------ IOMMU hooks

  get target(): AddressSpace {
    return this.env.systemMemory;
  }

  translate(hi: number, lo: number, into: IommuTranslation): void {
    const { geometry, table } = this;
    const index = entryOf(hi, lo, geometry.shift);
    if (table !== null && index < geometry.entries) {
      table.load(index);
      into.targetHi = table.hi & geometry.maskHi;
      into.targetLo = table.lo & geometry.maskLo;
      into.maskHi = ~geometry.maskHi;
      into.maskLo = ~geometry.maskLo;
      into.perm = permOf(table.lo);
    } else into.outside();
    if (this.env.observer.trace !== null) this.#traceTranslation(hi, lo, into);
  }

  /** The observer may translate, too: the answer is given again. */
  #traceTranslation(hi: number, lo: number, into: IommuTranslation): void {
    const { targetHi, targetLo, maskHi, maskLo, perm } = into;
    traceTranslation(this, hi, lo, into);
    Object.assign(into, { targetHi, targetLo, maskHi, maskLo, perm });
  }

  replay(notifier: IommuNotifier): ReplayReport {
    const report = replayWindow(this, notifier);
    this.lastReplay = report;
    return report;
  }

  minPageSize(): bigint {
    return 1n << BigInt(this.pageShift);
  }

  /**
   * Device TLBs are refused, in QEMU's words (QEMU-NOTIFY-4).
   *
   * With the first notifier every change must reach user space. QEMU copies the
   * whole table here when there is no in-kernel one (QEMU-WINDOW-6), entry by
   * entry; the tree stays where it is, but the event is reported as QEMU reports it.
   */
  notifyFlagChanged(before: number, after: number): string | undefined {
    if ((after & NotifierFlag.DEVIOTLB_UNMAP) !== 0) return "spart_tce does not support dev-iotlb yet";
    if (before !== NotifierFlag.NONE) return undefined;
    if (this.fd !== NO_FD && this.env.accelerator?.tiesTables === true) return undefined;
    // The entries stay where they are; the kernel forgets them.
    this.#releaseKernelTable();
    traceNewTable(this);
    return undefined;
  }

  /** IOMMU_ATTR_SPAPR_TCE_FD: the descriptor of the in-kernel table, which may be -1 (QEMU-WINDOW-7). */
  getAttr(attribute: number): number | undefined {
    return attribute === ATTR_TCE_FD && this.env.accelerator?.tiesTables === true ? this.fd : undefined;
  }

  #hazard(id: RuleId, what: string): void {
    this.env.observer.hazard?.({ id, what, values: { liobn: hex(this.liobn) } });
  }
}
