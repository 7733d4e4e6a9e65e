import type { Errno } from "../base/errno.ts";
import { Spare } from "../base/spare.ts";
import { hex64, hiOf, log2, loOf, TWO32 } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { MappingRun } from "../memory/mapping-run.ts";
import type { MappedIommu } from "../memory/memory-region.ts";
import { PROFILES, type Profile } from "../spapr/profile.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { DmaContainer } from "./container.ts";
import { DmaRun } from "./dma-run.ts";

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
  /** Replay when the first change is notified, instead of at once. */
  readonly lazyReplay: boolean;
  /** Keep what was notified in {@link GuestIommu.notified}. */
  readonly keepNotified: boolean;
}

/**
 * One visible section of a guest's IOMMU region, mirrored into a container
 * (QEMU's VFIOGuestIOMMU): is notified of every change in the section and maps or
 * unmaps the pages (QEMU-LISTENER-5).
 */
export class GuestIommu {
  readonly section: FlatRange;
  readonly region: MappedIommu;
  readonly #context: GuestIommuContext;
  readonly #notifier: IommuNotifier;
  /** Bus address minus offset in the region, modulo 2^64; in unsigned halves, too. */
  readonly #busOffset: bigint;
  readonly #busHi: number = 0;
  readonly #busLo: number = 0;
  /** What is passed to the container. */
  readonly #runs = new Spare(() => new DmaRun());
  /** What the notifier was notified of, by entry, as TCEs without ignored bits; null unless that is kept. */
  readonly notified: TceTable | null;
  #replayed = false;

  constructor(section: FlatRange, region: MappedIommu, context: GuestIommuContext) {
    this.section = section;
    this.region = region;
    this.#context = context;
    this.#busOffset = BigInt.asUintN(64, section.address - section.offsetInRegion);
    this.#busHi = hiOf(this.#busOffset);
    this.#busLo = loOf(this.#busOffset);
    const pageShift = log2(region.minPageSize);
    const length = Math.max(1, Number(region.size >> BigInt(pageShift)));
    this.notified = context.keepNotified ? new TceTable({ length, pageShift }) : null;
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
    if (run.perm === 0) this.notified?.fill(run.firstPage, run.pages, 0, 0);
    else this.notified?.putRun(run.firstPage, run.pages, run.targetHi, (run.targetLo | run.perm) >>> 0);
    if (run.perm !== 0) {
      this.#map(run);
      return;
    }
    const { page, firstPage } = run;
    const dma = this.#runs.take();
    const busHi = page.addHi(this.#busHi, this.#busLo, firstPage);
    dma.setPages(page, busHi, page.addLo(this.#busLo, firstPage), run.pages);
    this.#check("unmap", this.#context.container.unmap(dma), dma);
    this.#runs.giveBack(dma);
  }

  #map({ page, firstPage, pages, targetHi, targetLo, perm }: MappingRun): void {
    const pageBytes = page.sizeHi * TWO32 + page.sizeLo;
    const dma = this.#runs.take();
    const { memory } = dma;
    for (let done = 0; done < pages; done += memory.pages) {
      const hi = page.addHi(targetHi, targetLo, done);
      memory.find(this.#context.systemMemory.view, hi, page.addLo(targetLo, done), pageBytes, pages - done);
      const first = firstPage + done;
      const busHi = page.addHi(this.#busHi, this.#busLo, first);
      dma.setPages(page, busHi, page.addLo(this.#busLo, first), memory.pages);
      this.#mapStretch(dma, perm);
    }
    this.#runs.giveBack(dma);
  }

  /** A page of which only a part is visible. */
  #cutChanged(offset: bigint, last: bigint, target: bigint, perm: number): void {
    const size = last - offset + 1n;
    const dma = new DmaRun().setPiece(BigInt.asUintN(64, offset + this.#busOffset), size);
    const whole = this.#context.quirks.vfioCutsPages;
    if (perm === 0) {
      this.#check("unmap", this.#context.container.unmap(dma), dma);
    } else if (!whole || (size & (size - 1n)) === 0n) {
      const address = whole ? target : target + (offset % this.region.minPageSize);
      dma.memory.findAt(this.#context.systemMemory.view, address, Number(size), 1);
      this.#mapStretch(dma, perm);
    }
  }

  /** Maps pages that one piece of memory holds, or none. */
  #mapStretch(dma: DmaRun, perm: number): void {
    const { container, quirks, report } = this.#context;
    if (dma.memory.ram !== null) {
      // There is no write-only mapping: whoever may write may read (QEMU-LISTENER-6).
      dma.readonly = (perm & 2) === 0 || dma.memory.readonly;
      dma.writeonly = (perm & 1) === 0;
      this.#check("map", container.map(dma), dma);
      return;
    }
    report(dma.memory.refusal);
    if (!quirks.vfioOutsideMemoryStays) this.#check("unmap", container.unmapStale(dma), dma);
  }

  /** QEMU reports what a container refuses, and goes on (QEMU-LISTENER-5). */
  #check(what: string, answer: Errno | 0, dma: DmaRun): void {
    if (answer !== 0) this.#context.report(`vfio_container_dma_${what} at ${hex64(dma.iova)} = ${answer}`);
  }
}
