import { type Errno, isErrno } from "../base/errno.ts";
import { type AddressRange, rangeOf } from "../base/range.ts";
import { hex } from "../base/u64.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { DmaContainer } from "./container.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { HostProcess } from "./host/host-process.ts";
import { MAP_READ, MAP_WRITE } from "./host/requests.ts";
import type { SpaprIommu } from "./host/spapr-iommu.ts";
import { HostWindows } from "./host-windows.ts";
import { createHostWindow } from "./window-levels.ts";

/** What a container needs of the process it belongs to. */
export interface SpaprContainerContext {
  readonly iommu: SpaprIommu;
  readonly process: HostProcess;
  /** Address in the process of guest memory. */
  readonly vaddrOf: (memory: GuestMemory) => bigint;
  /** Bytes of the smallest page behind the guest's memory. */
  readonly ramPageSize: bigint;
  /**
   * KVM: ties the in-kernel table of a region to the host's table of the window that was just made.
   *
   * @returns why that failed
   */
  readonly tieTables?: (section: FlatRange) => string | undefined;
  /** KVM: lets go of the tables of windows that no section has any more, before they are removed. */
  readonly untieTables?: () => void;
  readonly refusedMapStays: boolean;
}

/**
 * A sPAPR container as QEMU uses it (QEMU-CONTAINER-4 to QEMU-CONTAINER-9).
 *
 * Version 1 has the host's 32-bit window and nothing else. Version 2 makes a
 * window for each section of a guest's window, and removes it with the section.
 */
export class SpaprContainer implements DmaContainer {
  readonly name: string;
  readonly version: 1 | 2;
  readonly hostPageSize: bigint;
  readonly windows: HostWindows = new HostWindows();
  /** Pages that the host refused to map, over all time. */
  refusedPages = 0;
  readonly #context: SpaprContainerContext;
  readonly #hostPageSizes: bigint;

  /**
   * @param window the 32-bit window of version 1
   * @param hostPageSizes mask of I/O page sizes
   */
  constructor(
    name: string,
    context: SpaprContainerContext,
    window: AddressRange | null,
    hostPageSizes: bigint,
  ) {
    this.name = name;
    this.version = context.iommu.version;
    this.hostPageSize = BigInt(context.process.memory.pageSize);
    this.#context = context;
    this.#hostPageSizes = hostPageSizes;
    if (window !== null) this.windows.add({ range: window, pageSize: 0x1000n });
  }

  addWindow(section: FlatRange): string | undefined {
    const range = rangeOf(section.address, section.size);
    if (this.version === 1) {
      return this.windows.contain(range)
        ? undefined
        : `Container can't map guest IOVA region ${hex(range.first)}..${hex(range.last)}`;
    }
    const overlap = this.windows.overlapWith(range);
    if (overlap !== undefined) return overlap;
    const { iommu, process, ramPageSize } = this.#context;
    const created = createHostWindow(iommu, process, {
      size: section.size,
      guestPageSize: section.region.iommu?.minPageSize ?? this.hostPageSize,
      ramPageSize,
      hostPageSizes: this.#hostPageSizes,
      hostPageSize: this.hostPageSize,
    });
    if (typeof created === "string") return `Failed to create SPAPR window: ${created}`;
    if (created.start !== section.address) {
      iommu.removeWindow(process, { start: created.start });
      return `Failed to create SPAPR window: Host doesn't support DMA window at ${created.start.toString(16)}, must be ${section.address.toString(16)}`;
    }
    this.windows.add({ range, pageSize: created.pageSize });
    const untied = this.#context.tieTables?.(section);
    if (untied === undefined) return undefined;
    this.removeWindow(section);
    return untied;
  }

  removeWindow(section: FlatRange): string | undefined {
    if (this.version === 1) return undefined;
    const { iommu, process } = this.#context;
    if (!this.windows.delete(rangeOf(section.address, section.size))) {
      return `Cannot delete missing window at ${section.address.toString(16)}`;
    }
    this.#context.untieTables?.();
    const refused = iommu.removeWindow(process, { start: section.address });
    return refused === 0 ? undefined : `Failed to remove window at ${section.address.toString(16)}`;
  }

  map(iova: bigint, pageSize: bigint, pages: number, memory: GuestMemory, readonly: boolean): Errno | 0 {
    const flags = readonly ? MAP_READ : MAP_READ | MAP_WRITE;
    const whole = this.#mapOnce(iova, pageSize * BigInt(pages), this.#context.vaddrOf(memory), flags);
    if (whole === 0) return 0;
    // As QEMU does it, one page after the other: those that can be mapped are.
    let result: Errno | 0 = 0;
    const vaddr = this.#context.vaddrOf(memory);
    for (let i = 0n; i < BigInt(pages); i++) {
      const refused = this.#mapPage(iova + i * pageSize, pageSize, vaddr + i * pageSize, flags);
      if (refused !== 0) result = refused;
    }
    return result;
  }

  unmap(iova: bigint, pageSize: bigint, pages: number): Errno | 0 {
    const size = pageSize * BigInt(pages);
    // Past the end of the host's table nothing is mapped: ask for what there is.
    for (const { range } of this.windows.all) {
      if (iova < range.first || iova > range.last) continue;
      const inside = iova + size - 1n > range.last ? range.last + 1n - iova : size;
      return answerOf(this.#context.iommu.unmap(this.#context.process, { iova, size: inside }));
    }
    return 0;
  }

  unmapStale(iova: bigint, pageSize: bigint, pages: number): Errno | 0 {
    return this.unmap(iova, pageSize, pages);
  }

  /** A page that is refused must not leave the device on the page that was there. */
  #mapPage(iova: bigint, size: bigint, vaddr: bigint, flags: number): Errno | 0 {
    const refused = this.#mapOnce(iova, size, vaddr, flags);
    if (refused === 0) return 0;
    this.refusedPages++;
    if (!this.#context.refusedMapStays) this.unmap(iova, size, 1);
    return refused;
  }

  /** One MAP; on EBUSY the range is unmapped and the request repeated once. */
  #mapOnce(iova: bigint, size: bigint, vaddr: bigint, flags: number): Errno | 0 {
    const { iommu, process } = this.#context;
    const answer = answerOf(iommu.map(process, { vaddr, iova, size, flags }));
    if (answer !== "EBUSY") return answer;
    this.unmap(iova, size, 1);
    return answerOf(iommu.map(process, { vaddr, iova, size, flags }));
  }
}

/** The kernel's 1 for a misaligned address is no success either (a quirk of its checks). */
function answerOf(answer: number | Errno): Errno | 0 {
  if (isErrno(answer)) return answer;
  return answer === 0 ? 0 : "EINVAL";
}
