import type { Answer, Errno } from "../../base/errno.ts";
import { pageOf, TWO32 } from "../../base/u64.ts";
import { HostRun } from "../../kvm/ports.ts";
import type { ContainerWindows } from "./container-windows.ts";
import type { DmaRequest } from "./dma-request.ts";
import type { HardwareTable } from "./hardware-table.ts";
import type { Host } from "./host.ts";
import { type HostMemory, PROT_READ, PROT_WRITE, USER_END } from "./host-memory.ts";
import { MAP_WRITE } from "./requests.ts";

/**
 * MAP_DMA and UNMAP_DMA of a container, from the window on: which entries a
 * request means, and what is stored in them. The checks stand in the kernel's order.
 */
export class DmaMapping {
  readonly #host: Host;
  readonly #windows: ContainerWindows;
  /** Version 1: each page is pinned when it is mapped. Version 2 takes pages of registered memory. */
  readonly #pins: boolean;
  /** The entries of the request at work. */
  readonly #run = new HostRun();

  constructor(host: Host, windows: ContainerWindows, version: 1 | 2) {
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
    const entries = this.#entriesOf(table, "MAP", request);
    if (entries !== 0) return entries;
    const errno = this.#host.faults.at("map");
    if (errno !== undefined) return errno;

    const run = this.#run;
    // User addresses end at 2^52: whatever lies above is not registered, exact or not.
    run.vaddr = (vaddrHi >>> 0) * TWO32 + (vaddrLo >>> 0);
    run.permission = flags;
    const refused = this.#pins ? this.#pinAndMap(memory, table) : table.map(memory.registered, run);
    if (refused !== 0) table.unmap(memory.registered, run.index, run.done);
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
    const entries = this.#entriesOf(table, "UNMAP", request);
    if (entries !== 0) return entries;
    const errno = this.#host.faults.at("unmap");
    if (errno !== undefined) return errno;
    table.unmap(memory.registered, this.#run.index, this.#run.pages);
    return 0;
  }

  /**
   * Finds the entries of a request. For one that goes on past the end of the table
   * the real kernel has no defined answer; here it is refused and changes nothing (VFIO-MAP-7).
   */
  #entriesOf(table: HardwareTable, kind: "MAP" | "UNMAP", request: DmaRequest): Answer<0 | 1> {
    const { maskHi, maskLo, shift } = table.page;
    const { iovaHi, iovaLo } = request;
    if ((iovaHi & ~maskHi) !== 0 || (iovaLo & ~maskLo) !== 0) {
      return this.#host.profile.misalignedIovaAnswersOne ? 1 : "EINVAL";
    }
    const run = this.#run;
    run.index = table.indexOf(iovaHi, iovaLo);
    run.pages = pageOf(request.sizeHi >>> 0, request.sizeLo >>> 0, shift);
    if (run.pages <= table.length - run.index) return 0;
    const { iova, size } = request;
    this.#host.onHazard({ id: "VFIO-MAP-7", rule: "range-past-table", request: kind, iova, size });
    return "EINVAL";
  }

  /** Version 1 pins each page when it is mapped. */
  #pinAndMap(memory: HostMemory, table: HardwareTable): Errno | 0 {
    const run = this.#run;
    const { index, pages, vaddr } = run;
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
