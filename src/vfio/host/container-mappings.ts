import type { Answer, Errno } from "../../base/errno.ts";
import { Spare } from "../../base/spare.ts";
import { pageOf, TWO32 } from "../../base/u64.ts";
import { HostRun, NOT_ACCEPTED } from "../../kvm/ports.ts";
import type { ContainerWindows } from "./container-windows.ts";
import type { DmaRequest } from "./dma-request.ts";
import type { HardwareTable } from "./hardware-table.ts";
import type { HostKernel } from "./host-kernel.ts";
import { type HostMemory, PROT_READ, PROT_WRITE, USER_END } from "./host-memory.ts";
import { MAP_WRITE } from "./requests.ts";

/**
 * MAP_DMA and UNMAP_DMA of a container, from the window on: which entries a
 * request means, and what is stored in them. The checks stand in the kernel's order.
 */
export class ContainerMappings {
  readonly #host: HostKernel;
  readonly #windows: ContainerWindows;
  /** Version 1: each page is pinned when it is mapped. Version 2 takes pages of registered memory. */
  readonly #pins: boolean;
  readonly #runs = new Spare(() => new HostRun());

  constructor(host: HostKernel, windows: ContainerWindows, version: 1 | 2) {
    this.#host = host;
    this.#windows = windows;
    this.#pins = version === 1;
  }

  /**
   * Replaces what is mapped. A request that fails on the way leaves its entries
   * before the failing one cleared.
   *
   * @returns 0, or 1 for a misaligned I/O address, where nothing is done (a quirk)
   */
  map(memory: HostMemory, request: DmaRequest): Answer<number> {
    const table = this.#windows.tableAt(request.iovaHi, request.iovaLo);
    if (table === undefined) return "ENXIO";
    const { maskHi, maskLo } = table.page;
    const { sizeHi, sizeLo, vaddrHi, vaddrLo, flags } = request;
    if (((sizeHi | vaddrHi) & ~maskHi) !== 0 || ((sizeLo | vaddrLo) & ~maskLo) !== 0) return "EINVAL";
    if (flags === 0) return "EINVAL";
    if (!isAligned(table, request)) return this.#misaligned();
    const { sizeHi: pageHi, sizeLo: pageLo } = table.page;
    if (sizeLo === (pageLo | 0) && sizeHi === (pageHi | 0) && !this.#pins) {
      // A single page, as most hypercalls have it.
      const index = table.indexOf(request.iovaHi, request.iovaLo);
      const errno = this.#host.faults.map.pass();
      if (errno !== undefined) return errno;
      const answer = table.mapPage(memory.registered, index, vaddrHi, vaddrLo, flags);
      return answer === NOT_ACCEPTED ? "EINVAL" : answer;
    }
    if (!this.#isInside(table, "MAP", request)) return "EINVAL";
    const errno = this.#host.faults.map.pass();
    if (errno !== undefined) return errno;
    const run = this.#runs.take();
    run.index = table.indexOf(request.iovaHi, request.iovaLo);
    run.pages = pagesOf(table, request);
    run.vaddrHi = vaddrHi;
    run.vaddrLo = vaddrLo;
    run.permission = flags;
    const refused = this.#pins ? this.#pinAndMap(memory, table, run) : table.map(memory.registered, run);
    if (refused !== 0) table.unmap(memory.registered, run.index, run.done);
    this.#runs.giveBack(run);
    return refused;
  }

  /**
   * Pages that are not mapped are fine.
   *
   * @returns 0, or 1 for a misaligned I/O address, where nothing is done (a quirk)
   */
  unmap(memory: HostMemory, request: DmaRequest): Answer<number> {
    const table = this.#windows.tableAt(request.iovaHi, request.iovaLo);
    if (table === undefined) return "ENXIO";
    const { maskHi, maskLo } = table.page;
    if ((request.sizeHi & ~maskHi) !== 0 || (request.sizeLo & ~maskLo) !== 0) return "EINVAL";
    if (!isAligned(table, request)) return this.#misaligned();
    if (!this.#isInside(table, "UNMAP", request)) return "EINVAL";
    const errno = this.#host.faults.unmap.pass();
    if (errno !== undefined) return errno;
    table.unmap(memory.registered, table.indexOf(request.iovaHi, request.iovaLo), pagesOf(table, request));
    return 0;
  }

  /** Two checks are joined by a logical or, whose value is the answer. */
  #misaligned(): 1 | Errno {
    return this.#host.profile.misalignedIovaAnswersOne ? 1 : "EINVAL";
  }

  /**
   * Do all entries of a request lie in the table that its address is in? For one that goes on past
   * the end the real kernel has no defined answer; here it is refused and changes nothing (VFIO-MAP-7).
   */
  #isInside(table: HardwareTable, kind: "MAP" | "UNMAP", request: DmaRequest): boolean {
    const left = table.length - table.indexOf(request.iovaHi, request.iovaLo);
    if (pagesOf(table, request) <= left) return true;
    const { iova, size } = request;
    this.#host.onHazard({ id: "VFIO-MAP-7", rule: "range-past-table", request: kind, iova, size });
    return false;
  }

  /** Version 1 pins each page when it is mapped. */
  #pinAndMap(memory: HostMemory, table: HardwareTable, run: HostRun): Errno | 0 {
    const { index, pages } = run;
    // User addresses end at 2^52: whatever lies above is not there, exact or not.
    const vaddr = (run.vaddrHi >>> 0) * TWO32 + (run.vaddrLo >>> 0);
    const writes = (run.permission & MAP_WRITE) !== 0 || this.#host.profile.v1PinsForWriting;
    const needed = writes ? PROT_READ | PROT_WRITE : PROT_READ;
    let done = 0;
    let refused: Errno | 0 = 0;
    for (const extent of memory.pin(vaddr, Math.min(pages * table.pageSize, USER_END), needed)) {
      run.index = index + done;
      run.pages = (extent.end - extent.start) / table.pageSize;
      refused = table.mapPinned(run, extent.physical);
      if (refused !== 0) break;
      done += run.pages;
    }
    run.index = index;
    run.pages = pages;
    run.done = done;
    return refused === 0 && done < pages ? "EFAULT" : refused;
  }
}

/** Does a request begin on a page of the table? */
const isAligned = ({ page }: HardwareTable, { iovaHi, iovaLo }: DmaRequest): boolean =>
  (iovaHi & ~page.maskHi) === 0 && (iovaLo & ~page.maskLo) === 0;

/** Pages of a request. */
const pagesOf = (table: HardwareTable, { sizeHi, sizeLo }: DmaRequest): number =>
  pageOf(sizeHi >>> 0, sizeLo >>> 0, table.page.shift);
