import { type Answer, type Errno, isErrno } from "../../base/errno.ts";
import { EehOp } from "../../spapr/endpoint.ts";
import { ContainerMappings } from "./container-mappings.ts";
import { ContainerMemory } from "./container-memory.ts";
import { ContainerWindows } from "./container-windows.ts";
import { DmaRequest } from "./dma-request.ts";
import type { HardwareTable } from "./hardware-table.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { HostMemory } from "./host-memory.ts";
import type { HostProcess } from "./host-process.ts";
import { type IommuGroup, MAX_WINDOWS, WINDOW_STARTS } from "./iommu-group.ts";
import {
  type CreateRequest,
  type EehRequest,
  type InfoRequest,
  MAP_READ,
  MAP_WRITE,
  type MapRequest,
  type MemoryRequest,
  type RemoveRequest,
  SIZES,
  type SpaprInfo,
  type UnmapRequest,
} from "./requests.ts";

/** GET_INFO: there are dynamic windows. */
const INFO_DDW = 1;

/**
 * The kernel's SPAPR TCE driver behind one container, version 1 or 2: who may
 * call what, with which structures. What a request then does is in
 * {@link ContainerMemory}, {@link ContainerWindows} and {@link ContainerMappings}.
 *
 * Each method is an ioctl and answers as the system call does: a value, or the
 * name of an error. The checks stand in the kernel's order, one a line. The
 * first process that registers, enables, creates or removes owns the container,
 * even if the call fails; nobody else gets in.
 */
export class SpaprIommu {
  readonly version: 1 | 2;
  readonly #host: HostKernel;
  /** The address space of the owner. */
  #owner: HostMemory | null = null;
  readonly #memory: ContainerMemory;
  readonly #windows: ContainerWindows;
  readonly #dma: ContainerMappings;

  constructor(host: HostKernel, version: 1 | 2) {
    this.#host = host;
    this.#memory = new ContainerMemory(host);
    this.#windows = new ContainerWindows(host);
    this.#dma = new ContainerMappings(host, this.#windows, version);
    this.version = version;
  }

  /** The tables of the windows that exist. */
  get tables(): readonly HardwareTable[] {
    return this.#windows.tables;
  }

  /** Takes a group in: it sees the windows that the container has. */
  attach(group: IommuGroup): Answer {
    if (this.version === 1 && !this.#host.profile.v1TakesPowerNvGroups) return "EPERM";
    if (this.version === 1 && this.#windows.hasGroups) return "EBUSY";
    this.#windows.attach(group);
    return 0;
  }

  /** Lets a group go. */
  detach(group: IommuGroup): void {
    this.#windows.detach(group, this.#owner);
  }

  /** The end: groups, tables, regions, account. */
  release(): void {
    this.#windows.release(this.#owner);
    if (this.#owner !== null) this.#memory.release(this.#owner);
  }

  /** VFIO_IOMMU_ENABLE (version 1): charges the default window as if it were full. */
  enable(caller: HostProcess): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 2) return "ENOTTY";
    this.#owner ??= caller.memory;
    return this.#memory.enable(caller, this.#windows.bridge.dma32WindowSize);
  }

  /** VFIO_IOMMU_DISABLE (version 1): mappings stay. */
  disable(caller: HostProcess): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 2) return "ENOTTY";
    this.#memory.disable(this.#owner);
    return 0;
  }

  /** VFIO_IOMMU_SPAPR_TCE_GET_INFO. */
  getInfo(caller: HostProcess, request: InfoRequest | undefined): Answer<SpaprInfo> {
    if (this.#isForeign(caller)) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.infoWithDdw } = request;
    if (argsz < SIZES.info) return "EINVAL";
    const { bridge } = this.#windows;
    const hasWindows = this.version === 2;
    const ddw = {
      pageSizes: hasWindows ? bridge.pageSizes : 0n,
      maxDynamicWindows: hasWindows ? MAX_WINDOWS : 0,
      levels: hasWindows ? bridge.levels : 0,
    };
    return {
      flags: hasWindows ? INFO_DDW : 0,
      dma32WindowStart: WINDOW_STARTS[0]!,
      dma32WindowSize: bridge.dma32WindowSize,
      ...(argsz >= SIZES.infoWithDdw ? { ddw } : {}),
    };
  }

  /**
   * VFIO_IOMMU_SPAPR_REGISTER_MEMORY (version 2).
   *
   * @returns 0, or the number of pages pinned before a hole, with nothing registered (a quirk)
   */
  registerMemory(caller: HostProcess, request: MemoryRequest | undefined): Answer<number> {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    this.#owner ??= caller.memory;
    const range = this.#memoryRange(request);
    return isErrno(range) ? range : this.#memory.register(caller, range.start, range.size);
  }

  /** VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY (version 2): exactly what was registered. */
  unregisterMemory(caller: HostProcess, request: MemoryRequest | undefined): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    if (this.#owner === null) return "EPERM";
    const range = this.#memoryRange(request);
    return isErrno(range) ? range : this.#memory.unregister(this.#owner, range.start, range.size);
  }

  /** VFIO_IOMMU_SPAPR_TCE_CREATE (version 2): answers where the window begins. */
  createWindow(caller: HostProcess, request: CreateRequest | undefined): Answer<bigint> {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    this.#owner ??= caller.memory;
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.create, flags = 0 } = request;
    if (argsz < SIZES.create || flags !== 0) return "EINVAL";
    const pending = this.#windows.createPending(caller);
    if (isErrno(pending)) return pending;
    return this.#host.faults.create.pass() ?? this.#windows.create(caller, request);
  }

  /** VFIO_IOMMU_SPAPR_TCE_REMOVE (version 2): any address of the window names it. */
  removeWindow(caller: HostProcess, request: RemoveRequest | undefined): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    this.#owner ??= caller.memory;
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.remove, flags = 0, start } = request;
    if (argsz < SIZES.remove || flags !== 0) return "EINVAL";
    return this.#windows.remove(start, this.#owner);
  }

  /** VFIO_IOMMU_MAP_DMA, see {@link ContainerMappings.map}. */
  map(caller: HostProcess, request: MapRequest | undefined): Answer<number> {
    if (!this.#mayMap(caller)) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.map, flags, vaddr, iova, size } = request;
    if (argsz < SIZES.map || (flags & ~(MAP_READ | MAP_WRITE)) !== 0) return "EINVAL";
    return this.mapDma(caller, new DmaRequest().load(iova, size, vaddr, flags));
  }

  /** VFIO_IOMMU_UNMAP_DMA, see {@link ContainerMappings.unmap}. */
  unmap(caller: HostProcess, request: UnmapRequest | undefined): Answer<number> {
    if (!this.#mayMap(caller)) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.unmap, flags = 0, iova, size } = request;
    if (argsz < SIZES.unmap || flags !== 0) return "EINVAL";
    return this.unmapDma(caller, new DmaRequest().load(iova, size, 0n, 0));
  }

  /** {@link map} for the hot path: a structure of the right size, with flags that there are. */
  mapDma(caller: HostProcess, request: DmaRequest): Answer<number> {
    if (!this.#mayMap(caller)) return "EPERM";
    const pending = this.#windows.createPending(caller);
    return pending === 0 ? this.#dma.map(caller.memory, request) : pending;
  }

  /** {@link unmap} for the hot path: a structure of the right size. */
  unmapDma(caller: HostProcess, request: DmaRequest): Answer<number> {
    if (!this.#mayMap(caller)) return "EPERM";
    const pending = this.#windows.createPending(caller);
    return pending === 0 ? this.#dma.unmap(caller.memory, request) : pending;
  }

  /**
   * VFIO_EEH_PE_OP, done with each group up to the first one whose answer is not 0: so the state of several is that of the
   * first one that is not normal (VFIO-EEH-1).
   */
  eeh(caller: HostProcess, request: EehRequest | undefined): Answer<number> {
    if (this.#isForeign(caller)) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.eehWithError, flags = 0, op } = request;
    if (argsz < SIZES.eeh || flags !== 0 || op > EehOp.INJECT_ERROR) return "EINVAL";
    if (op === EehOp.INJECT_ERROR && argsz < SIZES.eehWithError) return "EINVAL";
    for (const { endpoint } of this.#windows.groups) {
      const answer = endpoint.operate(op);
      if (answer !== 0) return answer;
    }
    return 0;
  }

  /** Any other request. */
  unknown(caller: HostProcess): Errno {
    return this.#isForeign(caller) ? "EPERM" : "ENOTTY";
  }

  #isForeign(caller: HostProcess): boolean {
    return this.#owner !== null && this.#owner !== caller.memory;
  }

  /** MAP and UNMAP are for the owner alone, who is there as soon as they are allowed. */
  #mayMap(caller: HostProcess): boolean {
    return this.#memory.enabled && this.#owner === caller.memory;
  }

  #memoryRange(request: MemoryRequest | undefined): Answer<{ start: number; size: number }> {
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.memory, flags = 0, vaddr, size } = request;
    if (argsz < SIZES.memory || flags !== 0) return "EINVAL";
    const pageMask = (1n << BigInt(this.#host.pageShift)) - 1n;
    if (((vaddr | size) & pageMask) !== 0n) return "EINVAL";
    if (BigInt.asUintN(64, vaddr + size) < vaddr) return "EINVAL";
    // Addresses above user space are never mapped; numbers need no more than say so.
    return { start: Number(vaddr), size: Number(size) };
  }
}
