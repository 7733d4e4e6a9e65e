import { hex } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { MemoryListener } from "../memory/memory-system.ts";
import type { DmaContainer } from "./container.ts";
import { DmaRun } from "./dma-run.ts";
import { COHERENT, GuestIommu, type VfioQuirks } from "./guest-iommu.ts";

/** Sections from here on are left out: QEMU takes them for the upper part of a 64-bit BAR. */
export const UPPER_HALF: bigint = 1n << 63n;

/**
 * How a listener is made.
 *
 * @public
 */
export interface ListenerOptions {
  readonly container: DmaContainer;
  /** Where TCEs point. */
  readonly systemMemory: AddressSpace;
  /** @internal */
  readonly quirks?: VfioQuirks;
  /** Replay a section when its first change is notified, instead of at once. */
  readonly lazyReplay?: boolean;
  /** Keep what each notifier was notified of, for a check of coherence. */
  readonly keepNotified?: boolean;
  /** Takes QEMU's error messages. */
  readonly report?: (message: string) => void;
  /**
   * Notified of a section that cannot be served at run time, where QEMU cannot go
   * on. While the device is being plugged,
   * {@link VfioListener.error} is set instead, and the plug fails.
   */
  readonly fatal?: (message: string) => void;
}

/**
 * Mirrors an address space into a VFIO container (QEMU's vfio_memory_listener;
 * QEMU-LISTENER-1 to QEMU-LISTENER-4).
 *
 * `regionAdd` runs in two cases: the listener is registered, and is shown what
 * exists; and a window appears. Both ask for a replay; the table's own hook
 * knows that a window which was just created has nothing to replay.
 *
 * @public
 */
export class VfioListener implements MemoryListener {
  readonly name: string;
  /** What went wrong first while the container was being set up. */
  error: string | undefined;
  /** Set when the container is ready; from then on failures are fatal. */
  initialized = false;
  readonly #options: ListenerOptions;
  readonly #iommus: GuestIommu[] = [];

  constructor(options: ListenerOptions) {
    this.name = options.container.name;
    this.#options = options;
  }

  /** @internal The sections that are mirrored now. */
  get guestIommus(): readonly GuestIommu[] {
    return this.#iommus;
  }

  regionAdd(section: FlatRange): void {
    const range = this.#hostRange(section);
    if (range === undefined) return;
    const { container } = this.#options;
    const failure = container.addWindow?.(section);
    if (failure !== undefined) {
      this.#fail(`Region ${section.region.name}: ${failure}`);
      return;
    }
    const { iommu } = section.region;
    if (iommu === null) {
      this.#mapRam(section, range.first, range.size);
      return;
    }
    const guestIommu = new GuestIommu(section, iommu, {
      container,
      systemMemory: this.#options.systemMemory,
      quirks: this.#options.quirks ?? COHERENT,
      report: (message) => this.#options.report?.(message),
      lazyReplay: this.#options.lazyReplay ?? false,
      keepNotified: this.#options.keepNotified ?? false,
    });
    this.#iommus.push(guestIommu);
    guestIommu.start();
  }

  regionDel(section: FlatRange): void {
    const at = this.#iommus.findIndex((iommu) => iommu.section.equals(section));
    if (at >= 0) this.#iommus.splice(at, 1)[0]!.stop();
    const range = this.#hostRange(section);
    if (range === undefined) return;
    const { container } = this.#options;
    // A section that could not be served has nothing mapped, and no window.
    if (section.region.iommu !== null && at < 0) return;
    const refused = container.unmap(new DmaRun().setPiece(range.first, range.size));
    if (refused !== 0) this.#options.report?.(`VFIO_UNMAP_DMA failed: ${refused}`);
    const failure = container.removeWindow?.(section);
    if (failure !== undefined) this.#options.report?.(failure);
  }

  /** The section rounded to pages of the host; undefined if it is skipped. */
  #hostRange(section: FlatRange): { first: bigint; size: bigint } | undefined {
    const { region, address, offsetInRegion } = section;
    if ((region.ram === null && region.iommu === null) || (address & UPPER_HALF) !== 0n) return undefined;
    const page = this.#options.container.hostPageSize;
    if (address % page !== offsetInRegion % page) {
      this.#options.report?.(
        `vfio_listener_region_add received unaligned region ${region.name} iova=${hex(address)} offset_within_region=${hex(offsetInRegion)} qemu_real_host_page_size=${hex(page)}`,
      );
      return undefined;
    }
    const first = ((address + page - 1n) / page) * page;
    const end = ((address + section.size) / page) * page;
    if (first < end) return { first, size: end - first };
    // QEMU is silent here, and the device has no window.
    this.#options.report?.(`section ${hex(address)} of ${region.name} has no whole page of the host`);
    return undefined;
  }

  #mapRam(section: FlatRange, first: bigint, size: bigint): void {
    const { container, systemMemory } = this.#options;
    const dma = new DmaRun().setPiece(first, size);
    dma.readonly = section.readonly;
    if (dma.memory.findAt(systemMemory.view, first, Number(size), 1).ram === null) {
      this.#options.report?.(dma.memory.refusal);
    } else if (container.map(dma) !== 0) {
      this.#fail(`Region ${section.region.name}: vfio_container_dma_map failed`);
    }
  }

  #fail(message: string): void {
    if (!this.initialized) {
      this.error ??= message;
      return;
    }
    this.#options.report?.(message);
    this.#options.fatal?.("vfio: DMA mapping failed, unable to continue");
  }
}
