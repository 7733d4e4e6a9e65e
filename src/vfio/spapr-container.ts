import { type Errno, isErrno } from "../base/errno.ts";
import { type AddressRange, rangeOf } from "../base/range.ts";
import { Spare } from "../base/spare.ts";
import { hex } from "../base/u64.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { DmaContainer } from "./container.ts";
import { DmaRun } from "./dma-run.ts";
import { DmaRequest } from "./host/dma-request.ts";
import type { HostProcess } from "./host/host-process.ts";
import { MAP_READ, MAP_WRITE } from "./host/requests.ts";
import type { SpaprIommu } from "./host/spapr-iommu.ts";
import { HostWindows } from "./host-windows.ts";
import type { ProcessMemory } from "./process-memory.ts";
import { createHostWindow } from "./window-levels.ts";

/** What a container needs of the process it belongs to. */
export interface SpaprContainerContext {
  readonly iommu: SpaprIommu;
  readonly process: HostProcess;
  /** Where the guest's memory is in the process. */
  readonly memory: ProcessMemory;
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
  /** What is asked of the kernel. */
  readonly #requests = new Spare(() => new DmaRequest());

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
    if (window !== null) this.windows.add(window);
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
    this.windows.add(range);
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

  map(run: DmaRun): Errno | 0 {
    const { vaddrHi, vaddrLo } = this.#context.memory.pieceOf(run.memory.ram!);
    const { offsetHi, offsetLo } = run.memory;
    const request = this.#requests.take();
    request.vaddrLo = (vaddrLo + offsetLo) | 0;
    request.vaddrHi = (vaddrHi + offsetHi + (request.vaddrLo >>> 0 < offsetLo >>> 0 ? 1 : 0)) | 0;
    request.iovaHi = run.iovaHi;
    request.iovaLo = run.iovaLo;
    request.sizeHi = run.bytesHi;
    request.sizeLo = run.bytesLo;
    request.flags = run.readonly ? MAP_READ : MAP_READ | MAP_WRITE;
    const answer = this.#mapOnce(run, request) === 0 ? 0 : this.#mapPages(run, request);
    this.#requests.giveBack(request);
    return answer;
  }

  unmap(run: DmaRun): Errno | 0 {
    const { iovaHi, iovaLo, bytesHi, bytesLo } = run;
    const window = this.windows.at(iovaHi, iovaLo);
    if (window === undefined) return 0;
    const request = this.#requests.take();
    request.iovaHi = iovaHi;
    request.iovaLo = iovaLo;
    request.sizeHi = bytesHi;
    request.sizeLo = bytesLo;
    // Past the end of the host's table nothing is mapped: ask for what there is.
    if (!window.holds(iovaHi, iovaLo, bytesHi, bytesLo)) {
      request.load(run.iova, window.range.last + 1n - run.iova, 0n, 0);
    }
    const answer = answerOf(this.#context.iommu.unmapDma(this.#context.process, request));
    this.#requests.giveBack(request);
    return answer;
  }

  unmapStale(run: DmaRun): Errno | 0 {
    return this.unmap(run);
  }

  /** As QEMU does it, one page after the other: those that can be mapped are. */
  #mapPages(run: DmaRun, request: DmaRequest): Errno | 0 {
    const { iova, pageSize, pages } = run;
    const { vaddr, flags } = request;
    const page = new DmaRun();
    let result: Errno | 0 = 0;
    for (let i = 0n; i < BigInt(pages); i++) {
      page.setPiece(BigInt.asUintN(64, iova + i * pageSize), pageSize);
      request.load(page.iova, pageSize, vaddr + i * pageSize, flags);
      const refused = this.#mapOnce(page, request);
      if (refused === 0) continue;
      result = refused;
      this.refusedPages++;
      // A page that is refused must not leave the device on the page that was there.
      if (!this.#context.refusedMapStays) this.unmap(page);
    }
    return result;
  }

  /** One MAP; on EBUSY the range is unmapped and the request repeated once. */
  #mapOnce(run: DmaRun, request: DmaRequest): Errno | 0 {
    const { iommu, process } = this.#context;
    const answer = answerOf(iommu.mapDma(process, request));
    if (answer !== "EBUSY") return answer;
    this.unmap(run);
    return answerOf(iommu.mapDma(process, request));
  }
}

/** The kernel's 1 for a misaligned address is no success either (a quirk of its checks). */
function answerOf(answer: number | Errno): Errno | 0 {
  if (isErrno(answer)) return answer;
  return answer === 0 ? 0 : "EINVAL";
}
