import type { Errno } from "../base/errno.ts";
import { hex64 } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { IommuRegion } from "../memory/iommu-region.ts";
import type { MappingRun } from "../memory/mapping-run.ts";
import { PROFILES, type Profile } from "../spapr/profile.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { DmaContainer } from "./container.ts";
import { resolvePages } from "./guest-memory.ts";

/** The quirks of a profile that concern a listener. */
export type VfioQuirks = Pick<
  Profile,
  "vfioRefusedMapStays" | "vfioOutsideMemoryStays" | "vfioReplaysHidden" | "vfioCutsPages"
>;

/** No quirk: a device is never left on a wrong page. */
export const COHERENT: VfioQuirks = PROFILES["qemu-7.2"]!;

/** What a guest's IOMMU needs of its surroundings. */
export interface GuestIommuContext {
  readonly container: DmaContainer;
  readonly systemMemory: AddressSpace;
  readonly quirks: VfioQuirks;
  /** QEMU's error messages. */
  readonly report: (message: string) => void;
  /** Replay when the first change is heard, instead of at once. */
  readonly lazyReplay: boolean;
  /** Keep what was told in {@link GuestIommu.told}. */
  readonly keepTold: boolean;
}

/**
 * One visible section of a guest's IOMMU region, mirrored into a container
 * (QEMU's VFIOGuestIOMMU): hears of every change in the section and maps or
 * unmaps the pages (QEMU-LISTENER-5).
 */
export class GuestIommu {
  readonly section: FlatRange;
  readonly region: IommuRegion;
  readonly #context: GuestIommuContext;
  readonly #notifier: IommuNotifier;
  /** Bus address minus offset in the region. */
  readonly #busOffset: bigint;
  /** What the notifier was told, by entry, as TCEs without ignored bits; null unless that is kept. */
  readonly told: TceTable | null;
  #replayed = false;

  constructor(section: FlatRange, region: IommuRegion, context: GuestIommuContext) {
    this.section = section;
    this.region = region;
    this.#context = context;
    this.#busOffset = section.address - section.offsetInRegion;
    const pageShift = region.minPageSize.toString(2).length - 1;
    const length = Math.max(1, Number(region.size >> BigInt(pageShift)));
    this.told = context.keepTold ? new TceTable({ length, pageShift }) : null;
    this.#notifier = new IommuNotifier({
      name: `${context.container.name} for ${region.name}`,
      flags: NotifierFlag.IOTLB_EVENTS,
      start: section.offsetInRegion,
      last: section.offsetInRegion + section.size - 1n,
      cropReplay: !context.quirks.vfioReplaysHidden,
      notify: (run) => this.#changed(run),
      notifyCut: (iova, last, target, perm) => this.#cutChanged(iova, last, target, perm),
    });
  }

  /** Registers for changes, and asks for all that is mapped already. */
  start(): void {
    this.region.registerNotifier(this.#notifier);
    if (!this.#context.lazyReplay) this.replay();
  }

  /** Maps all that the guest has mapped. */
  replay(): void {
    this.#replayed = true;
    this.region.replay(this.#notifier);
  }

  stop(): void {
    this.region.unregisterNotifier(this.#notifier);
  }

  #changed(run: MappingRun): void {
    if (!this.#replayed) {
      const first = run.copy();
      this.replay();
      this.#changed(first);
      return;
    }
    if (run.perm === 0) this.told?.fill(run.firstPage, run.pages, 0, 0);
    else this.told?.putRun(run.firstPage, run.pages, run.targetHi, (run.targetLo | run.perm) >>> 0);
    const pageSize = 1n << BigInt(run.page.shift);
    const iova = BigInt.asUintN(64, run.iova + this.#busOffset);
    if (run.perm === 0) this.#unmap(iova, pageSize, run.pages);
    else this.#map(iova, run.target, pageSize, run.pages, run.perm);
  }

  /** A page of which only a part is visible. */
  #cutChanged(offset: bigint, last: bigint, target: bigint, perm: number): void {
    const size = last - offset + 1n;
    const iova = BigInt.asUintN(64, offset + this.#busOffset);
    const pageSize = this.region.minPageSize;
    if (perm === 0) {
      this.#unmap(iova, size, 1);
    } else if (!this.#context.quirks.vfioCutsPages) {
      this.#map(iova, target + (offset % pageSize), size, 1, perm);
    } else if ((size & (size - 1n)) === 0n) {
      this.#map(iova, target, size, 1, perm);
    }
  }

  #map(iova: bigint, target: bigint, pageSize: bigint, pages: number, perm: number): void {
    const { systemMemory, quirks, report } = this.#context;
    for (let done = 0; done < pages; ) {
      const at = BigInt(done) * pageSize;
      const stretch = resolvePages(systemMemory, target + at, pageSize, pages - done);
      const { memory } = stretch;
      if (typeof memory === "string") {
        report(memory);
        if (!quirks.vfioOutsideMemoryStays) {
          this.#check(
            "unmap",
            this.#context.container.unmapStale(iova + at, pageSize, stretch.pages),
            iova + at,
          );
        }
      } else {
        // There is no write-only mapping: whoever may write may read (QEMU-LISTENER-6).
        const readonly = (perm & 2) === 0 || memory.readonly;
        this.#check(
          "map",
          this.#context.container.map(iova + at, pageSize, stretch.pages, memory, readonly),
          iova + at,
        );
      }
      done += stretch.pages;
    }
  }

  #unmap(iova: bigint, pageSize: bigint, pages: number): void {
    this.#check("unmap", this.#context.container.unmap(iova, pageSize, pages), iova);
  }

  /** QEMU reports what a container refuses, and goes on (QEMU-LISTENER-5). */
  #check(what: string, answer: Errno | 0, iova: bigint): void {
    if (answer !== 0) this.#context.report(`vfio_container_dma_${what} at ${hex64(iova)} = ${answer}`);
  }
}
