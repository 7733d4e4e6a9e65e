import { type Errno, isErrno } from "../base/errno.ts";
import { hex } from "../base/u64.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { MemoryListener } from "../memory/memory-system.ts";
import type { HostProcess } from "./host/host-process.ts";
import type { SpaprIommu } from "./host/spapr-iommu.ts";

/** What a preregistration listener works with. */
export interface PreregOptions {
  readonly iommu: SpaprIommu;
  readonly process: HostProcess;
  /** Address in the process of a section of guest memory. */
  readonly vaddrOf: (section: FlatRange) => bigint;
  readonly report: (message: string) => void;
  readonly fatal: (message: string) => void;
}

/**
 * Registers guest memory with a version 2 container, so that it can be mapped
 * (QEMU's "vfio-pre-reg"; QEMU-CONTAINER-2). Memory of devices is left to their drivers.
 */
export class PreregListener implements MemoryListener {
  readonly name = "vfio-pre-reg";
  /** What went wrong first while the container was being set up. */
  error: string | undefined;
  initialized = false;
  readonly #options: PreregOptions;

  constructor(options: PreregOptions) {
    this.#options = options;
  }

  regionAdd(section: FlatRange): void {
    const request = this.#requestOf(section);
    if (request === undefined) return;
    const answer: number | Errno = this.#options.iommu.registerMemory(this.#options.process, request);
    if (answer === 0) return;
    const why = isErrno(answer) ? answer : `${answer} pages before a hole`;
    const message = `Memory registering failed: ${hex(request.vaddr)}, ${hex(request.size)} bytes: ${why}`;
    if (this.initialized) this.#options.fatal(`vfio: ${message}, unable to continue`);
    else this.error ??= message;
  }

  regionDel(section: FlatRange): void {
    const request = this.#requestOf(section);
    if (request !== undefined) this.#options.iommu.unregisterMemory(this.#options.process, request);
  }

  #requestOf(section: FlatRange): { vaddr: bigint; size: bigint } | undefined {
    const { backing } = section.region;
    if (backing.kind !== "ram" || backing.device) return undefined;
    const mask = BigInt(this.#options.process.memory.pageSize) - 1n;
    if (((section.address | section.offsetInRegion | section.size) & mask) !== 0n) {
      this.#options.report("vfio_prereg_listener_region_add received unaligned region");
      return undefined;
    }
    return { vaddr: this.#options.vaddrOf(section), size: section.size };
  }
}
