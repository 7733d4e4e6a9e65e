import { type PageStep, pageStep } from "../base/page-step.ts";
import { entryOf, hex, hiOf, loOf, toBig } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import { type IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import {
  type IommuHooks,
  IommuRegion,
  type IommuTranslation,
  type ReplayReport,
} from "../memory/iommu-region.ts";
import { MappingRun } from "../memory/mapping-run.ts";
import { MemoryRegion } from "../memory/memory-region.ts";
import type { RawRunVisitor } from "../tce/run.ts";
import { permOf } from "../tce/tce.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { SpaprEnvironment } from "./environment.ts";
import type { RuleId } from "./observer.ts";
import { isPciLiobn } from "./papr.ts";

/** The attribute of an IOMMU region that VFIO asks a window for. */
export const ATTR_TCE_FD = 0;

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
  readonly env: SpaprEnvironment;
  readonly liobn: number;
  /** For messages and device-tree look-ups: the bridge or device that owns the window. */
  readonly owner: string;
  readonly root: MemoryRegion;
  readonly iommu: IommuRegion;
  /** Number of TCEs, below 2^32; 0 while disabled. */
  entries = 0;
  /** The entries; null while disabled. */
  table: TceTable | null = null;
  /** Bus address of the first byte; any value, also one that is no multiple of the page size. */
  busOffset = 0n;
  page: PageStep = pageStep(0);
  /** VIO only: devices see memory untranslated. Hypercalls work all the same. */
  bypass = false;
  /** Somebody mirrors the table, so that each change must reach user space. */
  needVfio = false;
  /** Set while ibm,create-pe-dma-window enables the window: it is empty, so a replay is useless. */
  skippingReplay = false;
  /** Was the default window at the last reset (QEMU-REMOVE-2). */
  defaultWindow = false;
  /** Descriptor of the in-kernel table; -1 without one. */
  fd = -1;
  /** What the last replay did. */
  lastReplay: ReplayReport | undefined;
  // Start of the window in signed halves, and the pages after which the 64-bit bus starts again.
  #busHi = 0;
  #busLo = 0;
  #busPages = 0;

  /** @throws IommuError LIOBN_IN_USE if the machine has a window of that number */
  constructor(env: SpaprEnvironment, owner: string, liobn: number) {
    this.env = env;
    this.owner = owner;
    this.liobn = liobn;
    const name = liobn.toString(16);
    this.root = MemoryRegion.container(env.memory, `tce-root-${name}`);
    this.iommu = new IommuRegion(env.memory, `tce-iommu-${name}`, 0n, this);
    env.liobns.add(this);
  }

  get enabled(): boolean {
    return this.entries !== 0;
  }

  get pageShift(): number {
    return this.page.shift;
  }

  /** Belongs to a PCI bridge, not to a VIO device: decides the names of trace events. */
  get isPci(): boolean {
    return isPciLiobn(this.liobn);
  }

  /** Size in bytes, modulo 2^64 as QEMU computes it (QEMU-WINDOW-4): a window of all 2^64 bytes has 0. */
  get sizeBytes(): bigint {
    return BigInt.asUintN(64, BigInt(this.entries) << BigInt(this.page.shift));
  }

  /**
   * Gives the window its geometry and an empty table, and shows it to devices.
   *
   * @param entries 0 to 2^32 - 1. With 0 the window stays disabled, which is a
   *   hazard: the real system has no defined answer (QEMU-CREATE-4, QEMU-WINDOW-2)
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
    this.#setGeometry(pageShift, busOffset, entries);
    this.#allocate();
    this.#traceNewTable();
    this.iommu.setSize(this.sizeBytes);
    this.root.addSubregion(this.iommu, busOffset);
  }

  /** Hides the window from devices and drops its table. No UNMAP is sent: listeners hear region_del (QEMU-WINDOW-3). */
  disable(): void {
    if (!this.enabled) return;
    this.root.removeSubregion(this.iommu);
    this.iommu.setSize(0n);
    this.#releaseKernelTable();
    this.table = null;
    this.#setGeometry(0, 0n, 0);
  }

  /** An in-kernel table where there is KVM, else one of our own. */
  #allocate(): void {
    const { accelerator } = this.env;
    const { liobn, busOffset, entries, pageShift } = this;
    const kernel =
      this.needVfio && accelerator?.tiesTables !== true
        ? null
        : accelerator?.createTable({ liobn, pageShift, busOffset, entries });
    this.table = kernel?.table ?? new TceTable({ length: entries, pageShift });
    this.fd = kernel?.fd ?? -1;
  }

  #releaseKernelTable(): void {
    if (this.fd !== -1) this.env.accelerator?.releaseTable(this.fd);
    this.fd = -1;
  }

  /** Zeroes all entries without notifications, as a device reset does. */
  reset(): void {
    this.table?.clear();
  }

  /** Takes the window out of the machine, with its owner. */
  destroy(): void {
    this.disable();
    this.env.liobns.remove(this);
  }

  /**
   * Gives the entries another meaning behind the back of devices: the region
   * stays where it is, as large as it is (QEMU-LOAD-2). A table in the
   * kernel, whose pages have one size for ever, is given up for one of our own.
   */
  reinterpret(pageShift: number, busOffset: bigint): void {
    if (pageShift !== this.pageShift) {
      this.#releaseKernelTable();
      this.table = new TceTable({ length: this.entries, pageShift });
    }
    this.#setGeometry(pageShift, busOffset, this.entries);
  }

  #setGeometry(pageShift: number, busOffset: bigint, entries: number): void {
    this.page = pageStep(pageShift);
    this.busOffset = busOffset;
    this.entries = entries;
    this.#busHi = hiOf(busOffset) | 0;
    this.#busLo = loOf(busOffset) | 0;
    this.#busPages = 2 ** (64 - pageShift);
  }

  // ---------------------------------------------------------------- entries

  /**
   * Number of the entry that a bus address belongs to; `entries` or more if it
   * lies outside. The address is rounded down to its page before the start of
   * the window is subtracted, modulo 2^64 (recorded in base-unaligned and base-high).
   */
  indexOf(hi: number, lo: number): number {
    const { maskHi, maskLo, shift } = this.page;
    const pageLo = lo & maskLo;
    const busLo = this.#busLo;
    const borrow = pageLo >>> 0 < busLo >>> 0 ? 1 : 0;
    return entryOf((hi & maskHi) - this.#busHi - borrow, pageLo - busLo, shift);
  }

  /** Stores an entry and tells notifiers: one MAP or UNMAP, also for a value that was there before. */
  put(index: number, hi: number, lo: number): void {
    this.table!.put(index, hi, lo);
    const { iommu, page } = this;
    if (iommu.notifierFlags === NotifierFlag.NONE) return;
    iommu.notify(page, index, 1, (hi & page.maskHi) >>> 0, (lo & page.maskLo) >>> 0, permOf(lo));
  }

  /**
   * Stores one value in up to `count` entries from `index`, which is inside of
   * the window, and tells notifiers.
   *
   * @returns how many were stored before the end of the window was passed
   */
  fill(index: number, count: number, hi: number, lo: number): number {
    // Drivers that unmap single pages do so with this call: it costs what a put costs.
    if (count === 1 && index < this.entries) {
      this.put(index, hi, lo);
      return 1;
    }
    return this.#pieces(index, count, (first, _done, pages) => {
      this.table!.fill(first, pages, hi, lo);
      this.#notifyRun(first, pages, hi, lo, 0);
    });
  }

  /** Stores a list of entries (high and low half of each) like {@link fill}. */
  putList(index: number, words: Uint32Array, count: number): number {
    return this.#pieces(index, count, (first, done, pages) => {
      const part = done === 0 ? words : words.subarray(done * 2);
      this.table!.putList(first, part, pages, this.#notifyRun);
    });
  }

  /**
   * Cuts a range of pages at the end of the window. In a window of 2^64 bytes
   * or more, the page behind the last one of the bus is the first again
   * (QEMU-TCE-2: addresses wrap).
   */
  #pieces(index: number, count: number, store: (first: number, done: number, pages: number) => void): number {
    const end = Math.min(this.entries, this.#busPages);
    let first = index;
    let done = 0;
    while (done < count && first < end) {
      const pages = Math.min(count - done, end - first);
      store(first, done, pages);
      done += pages;
      first += pages;
      if (first === this.#busPages) first = 0;
    }
    return done;
  }

  /** Tells notifiers of a stored run: in one piece where they know such runs, else page by page. */
  readonly #notifyRun: RawRunVisitor = (first, pages, hi, lo, step) => {
    const { page, iommu } = this;
    if (iommu.notifierFlags === NotifierFlag.NONE) return;
    const perm = permOf(lo);
    const targetHi = (hi & page.maskHi) >>> 0;
    const targetLo = (lo & page.maskLo) >>> 0;
    // Mapped pages follow each other, unmapped ones share their target.
    if (pages === 1 || step === (perm === 0 ? 0 : 1)) {
      iommu.notify(page, first, pages, targetHi, targetLo, perm);
      return;
    }
    for (let i = 0; i < pages; i++) {
      const ahead = step * i;
      const pageHi = page.addHi(targetHi, targetLo, ahead);
      const pageLo = page.addLo(targetLo, ahead);
      iommu.notify(page, first + i, 1, pageHi, pageLo, perm);
    }
  };

  // ------------------------------------------------------------ IOMMU hooks

  get target(): AddressSpace {
    return this.env.systemMemory;
  }

  translate(hi: number, lo: number, into: IommuTranslation): void {
    const { page, table } = this;
    const { shift } = page;
    const index = entryOf(hi, lo, shift);
    if (table !== null && index < this.entries) {
      table.load(index);
      into.targetHi = table.hi & page.maskHi;
      into.targetLo = table.lo & page.maskLo;
      into.maskHi = ~page.maskHi;
      into.maskLo = ~page.maskLo;
      into.perm = permOf(table.lo);
    } else {
      into.outside();
    }
    if (this.env.observer.trace !== null) this.#traceTranslation(hi, lo, into);
  }

  replay(notifier: IommuNotifier): ReplayReport {
    this.lastReplay = this.#replay(notifier);
    return this.lastReplay;
  }

  #replay(notifier: IommuNotifier): ReplayReport {
    if (this.skippingReplay) return { strategy: "skipped", steps: 0, notifications: 0, complete: true };
    if (this.env.replayStrategy === "page-walk") return this.iommu.replayByPages(notifier);
    return this.replayCounted(notifier);
  }

  /** Tells a notifier of every run of valid entries; costs what is mapped. */
  replayCounted(notifier: IommuNotifier): ReplayReport {
    const run = new MappingRun();
    let runs = 0;
    this.table?.forEachRun(0, this.entries, (first, pages, targetHi, targetLo, perm) => {
      runs++;
      notifier.replayed(run.set(this.page, first, pages, targetHi, targetLo, perm));
    });
    return { strategy: "counted-walk", steps: runs, notifications: runs, complete: true };
  }

  minPageSize(): bigint {
    return 1n << BigInt(this.page.shift);
  }

  /** Device TLBs are refused, in QEMU's words (QEMU-NOTIFY-4). */
  notifyFlagChanged(before: number, after: number): string | undefined {
    if ((after & NotifierFlag.DEVIOTLB_UNMAP) !== 0) return "spart_tce does not support dev-iotlb yet";
    if (before === NotifierFlag.NONE) this.#setNeedVfio(true);
    else if (after === NotifierFlag.NONE) this.#setNeedVfio(false);
    return undefined;
  }

  /**
   * Switches whether user space must see every change. QEMU copies the whole
   * table here when there is no in-kernel one (QEMU-WINDOW-6), entry by entry;
   * the tree stays where it is, but the event is told as QEMU tells it.
   */
  #setNeedVfio(need: boolean): void {
    this.needVfio = need;
    if (!need || (this.fd !== -1 && this.env.accelerator?.tiesTables === true)) return;
    // Hypercalls must reach user space now. The entries stay where they are; the kernel forgets them.
    this.#releaseKernelTable();
    this.#traceNewTable();
  }

  /** IOMMU_ATTR_SPAPR_TCE_FD: the descriptor of the in-kernel table, which may be -1 (QEMU-WINDOW-7). */
  getAttr(attribute: number): number | undefined {
    return attribute === ATTR_TCE_FD && this.env.accelerator?.tiesTables === true ? this.fd : undefined;
  }

  // ------------------------------------------------------------------ trace

  #traceTranslation(hi: number, lo: number, entry: IommuTranslation): void {
    this.env.observer.trace?.({
      name: "spapr_iommu_xlate",
      liobn: BigInt(this.liobn),
      ioba: toBig(hi, lo),
      tce: toBig(entry.targetHi, entry.targetLo),
      perm: entry.perm,
      mask: entry.maskLo >>> 0,
    });
  }

  /** Instead of an address, which would differ from run to run, a number made from the LIOBN. */
  #traceNewTable(): void {
    const table = this.enabled ? BigInt(this.liobn) << 12n : 0n;
    this.env.observer.trace?.({
      name: "spapr_iommu_new_table",
      liobn: BigInt(this.liobn),
      table,
      fd: this.fd,
    });
  }

  #hazard(id: RuleId, what: string): void {
    this.env.observer.hazard?.({ id, what, values: { liobn: hex(this.liobn) } });
  }
}
