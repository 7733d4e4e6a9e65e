import { type Answer, type Errno, isErrno } from "../../base/errno.ts";
import { ContainerWindows } from "./container-windows.ts";
import type { HardwareTable, MapProgress } from "./hardware-table.ts";
import type { Host } from "./host.ts";
import { type HostMemory, PROT_READ, PROT_WRITE, USER_END } from "./host-memory.ts";
import type { HostProcess } from "./host-process.ts";
import { type IommuGroup, MAX_WINDOWS, WINDOW_STARTS } from "./iommu-group.ts";
import type { RegisteredRegion } from "./registered-memory.ts";
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
import { MAX_LEVELS } from "./tce-geometry.ts";

/** GET_INFO: there are dynamic windows. */
const INFO_DDW = 1;
/** VFIO_EEH_PE_OP: the last operation, and the one that needs the whole structure. */
const EEH_INJECT_ERROR = 9;

/** A range of a table, or why there is none. 1 is the kernel's answer to a misaligned address. */
interface TableRange {
  readonly table: HardwareTable;
  readonly index: number;
  readonly pages: number;
}

/**
 * The kernel's SPAPR TCE driver behind one container, version 1 or 2.
 *
 * Each method is an ioctl and answers as the system call does: a value, or the
 * name of an error. The checks stand in the kernel's order, one a line. The
 * first process that registers, enables, creates or removes owns the container,
 * even if the call fails; nobody else gets in.
 */
export class SpaprIommu {
  readonly version: 1 | 2;
  readonly #host: Host;
  /** The address space of the owner. */
  #memory: HostMemory | null = null;
  /** MAP and UNMAP are allowed. */
  #enabled = false;
  /** Pages that ENABLE of version 1 has charged. */
  #enabledPages = 0;
  readonly #windows: ContainerWindows;
  readonly #regions = new Set<RegisteredRegion>();

  constructor(host: Host, version: 1 | 2) {
    this.#host = host;
    this.#windows = new ContainerWindows(host);
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
    this.#windows.detach(group, this.#memory);
  }

  /** The end: groups, tables, regions, account. */
  release(): void {
    this.#windows.release(this.#memory);
    for (const region of this.#regions) this.#memory?.registered.put(region);
    this.#regions.clear();
    this.#memory?.uncharge(this.#enabledPages);
    this.#enabledPages = 0;
  }

  /** VFIO_IOMMU_ENABLE (version 1): charges the default window as if it were full. */
  enable(caller: HostProcess): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 2) return "ENOTTY";
    if (this.#enabled) return "EBUSY";
    this.#memory ??= caller.memory;
    const pages = Number(this.#windows.bridge.dma32WindowSize >> BigInt(this.#host.pageShift));
    if (!caller.charge(pages)) return "ENOMEM";
    this.#enabledPages = pages;
    this.#enabled = true;
    return 0;
  }

  /** VFIO_IOMMU_DISABLE (version 1): mappings stay. */
  disable(caller: HostProcess): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 2) return "ENOTTY";
    this.#enabled = false;
    this.#memory?.uncharge(this.#enabledPages);
    this.#enabledPages = 0;
    return 0;
  }

  /** VFIO_IOMMU_SPAPR_TCE_GET_INFO. */
  getInfo(caller: HostProcess, request: InfoRequest | undefined): Answer<SpaprInfo> {
    if (this.#isForeign(caller)) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.infoWithDdw } = request;
    if (argsz < SIZES.info) return "EINVAL";
    const hasWindows = this.version === 2;
    const ddw = {
      pageSizes: hasWindows ? this.#windows.bridge.pageSizes : 0n,
      maxDynamicWindows: hasWindows ? MAX_WINDOWS : 0,
      levels: hasWindows ? MAX_LEVELS : 0,
    };
    return {
      flags: hasWindows ? INFO_DDW : 0,
      dma32WindowStart: WINDOW_STARTS[0]!,
      dma32WindowSize: this.#windows.bridge.dma32WindowSize,
      ...(argsz >= SIZES.infoWithDdw ? { ddw } : {}),
    };
  }

  /**
   * VFIO_IOMMU_SPAPR_REGISTER_MEMORY (version 2). The first success enables
   * MAP and UNMAP for good.
   *
   * @returns 0, or the number of pages pinned before a hole, with nothing registered (a quirk)
   */
  registerMemory(caller: HostProcess, request: MemoryRequest | undefined): Answer<number> {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    this.#memory ??= caller.memory;
    const range = this.#memoryRange(request);
    if (isErrno(range)) return range;
    const { start, size } = range;
    const errno = this.#host.faults.at("register");
    if (errno !== undefined) return errno;

    const { registered } = this.#memory;
    const known = registered.exact(start, size);
    if (known !== undefined) {
      if (this.#regions.has(known)) return "EBUSY";
      known.uses++;
      this.#regions.add(known);
    } else {
      const pages = size / caller.memory.pageSize;
      if (!caller.charge(pages)) return "ENOMEM";
      const region = registered.create(start, size, this.#host.profile);
      if (isErrno(region) || typeof region === "number") {
        caller.uncharge(pages);
        return region;
      }
      this.#regions.add(region);
    }
    this.#enabled = true;
    return 0;
  }

  /** VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY (version 2): exactly what was registered. */
  unregisterMemory(caller: HostProcess, request: MemoryRequest | undefined): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    if (this.#memory === null) return "EPERM";
    const range = this.#memoryRange(request);
    if (isErrno(range)) return range;

    const { registered } = this.#memory;
    const region = registered.exact(range.start, range.size);
    if (region === undefined || !this.#regions.has(region)) return "ENOENT";
    const inUse = region.mapped > 0 && region.uses === 1;
    if (inUse && !this.#host.profile.unregisterIgnoresMappings) return "EBUSY";
    registered.put(region);
    this.#regions.delete(region);
    return 0;
  }

  /** VFIO_IOMMU_SPAPR_TCE_CREATE (version 2): answers where the window begins. */
  createWindow(caller: HostProcess, request: CreateRequest | undefined): Answer<bigint> {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    this.#memory ??= caller.memory;
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.create, flags = 0, pageShift, size, levels } = request;
    if (argsz < SIZES.create || flags !== 0) return "EINVAL";
    const pending = this.#windows.createPending(caller);
    if (isErrno(pending)) return pending;
    return this.#host.faults.at("create") ?? this.#windows.create(caller, pageShift, size, levels);
  }

  /** VFIO_IOMMU_SPAPR_TCE_REMOVE (version 2): any address of the window names it. */
  removeWindow(caller: HostProcess, request: RemoveRequest | undefined): Answer {
    if (this.#isForeign(caller)) return "EPERM";
    if (this.version === 1) return "ENOTTY";
    this.#memory ??= caller.memory;
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.remove, flags = 0, start } = request;
    if (argsz < SIZES.remove || flags !== 0) return "EINVAL";
    return this.#windows.remove(start, this.#memory);
  }

  /**
   * VFIO_IOMMU_MAP_DMA. Replaces what is mapped. A request that fails on the
   * way leaves its entries before the failing one cleared.
   *
   * @returns 0, or 1 for a misaligned I/O address, where nothing is done (a quirk)
   */
  map(caller: HostProcess, request: MapRequest | undefined): Answer<number> {
    if (this.#isForeign(caller) || !this.#enabled) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.map, flags, vaddr, iova, size } = request;
    if (argsz < SIZES.map || (flags & ~(MAP_READ | MAP_WRITE)) !== 0) return "EINVAL";
    const pending = this.#windows.createPending(caller);
    if (isErrno(pending)) return pending;
    const table = this.#windows.tableAt(iova);
    if (table === undefined) return "ENXIO";
    const pageMask = BigInt(table.pageSize) - 1n;
    if (((size | vaddr) & pageMask) !== 0n || flags === 0) return "EINVAL";
    const range = this.#rangeOf(table, "MAP", iova, size);
    if (isErrno(range) || range === 1) return range;
    const errno = this.#host.faults.at("map");
    if (errno !== undefined) return errno;

    const done = this.#mapRange(range, vaddr, flags);
    if (done.errno === undefined) return 0;
    table.unmap(this.#memory!.registered, range.index, done.pages);
    return done.errno;
  }

  /**
   * VFIO_IOMMU_UNMAP_DMA. Pages that are not mapped are fine.
   *
   * @returns 0, or 1 for a misaligned I/O address, where nothing is done (a quirk)
   */
  unmap(caller: HostProcess, request: UnmapRequest | undefined): Answer<number> {
    if (this.#isForeign(caller) || !this.#enabled) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.unmap, flags = 0, iova, size } = request;
    if (argsz < SIZES.unmap || flags !== 0) return "EINVAL";
    const pending = this.#windows.createPending(caller);
    if (isErrno(pending)) return pending;
    const table = this.#windows.tableAt(iova);
    if (table === undefined) return "ENXIO";
    if ((size & (BigInt(table.pageSize) - 1n)) !== 0n) return "EINVAL";
    const range = this.#rangeOf(table, "UNMAP", iova, size);
    if (isErrno(range) || range === 1) return range;
    const errno = this.#host.faults.at("unmap");
    if (errno !== undefined) return errno;
    table.unmap(this.#memory!.registered, range.index, range.pages);
    return 0;
  }

  /** VFIO_EEH_PE_OP: the bridge never has an error here, so the state is 0 and all is granted. */
  eeh(caller: HostProcess, request: EehRequest | undefined): Answer<number> {
    if (this.#isForeign(caller)) return "EPERM";
    if (request === undefined) return "EFAULT";
    const { argsz = SIZES.eehWithError, flags = 0, op } = request;
    if (argsz < SIZES.eeh || flags !== 0 || op > EEH_INJECT_ERROR) return "EINVAL";
    return op === EEH_INJECT_ERROR && argsz < SIZES.eehWithError ? "EINVAL" : 0;
  }

  /** Any other request. */
  unknown(caller: HostProcess): Errno {
    return this.#isForeign(caller) ? "EPERM" : "ENOTTY";
  }

  #isForeign(caller: HostProcess): boolean {
    return this.#memory !== null && this.#memory !== caller.memory;
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

  /**
   * The entries of a request. For one that goes on behind the end of the table
   * the real kernel has no defined answer; here it is refused and changes nothing (VFIO-MAP-7).
   */
  #rangeOf(
    table: HardwareTable,
    request: "MAP" | "UNMAP",
    iova: bigint,
    size: bigint,
  ): TableRange | Errno | 1 {
    if ((iova & (BigInt(table.pageSize) - 1n)) !== 0n) {
      return this.#host.profile.misalignedIovaAnswersOne ? 1 : "EINVAL";
    }
    const index = table.indexOf(iova);
    const pages = Number(size >> BigInt(table.pageShift));
    if (pages > table.length - index) {
      this.#host.onHazard({ id: "VFIO-MAP-7", rule: "range-past-table", request, iova, size });
      return "EINVAL";
    }
    return { table, index, pages };
  }

  #mapRange({ table, index, pages }: TableRange, vaddr: bigint, flags: number): MapProgress {
    if (pages === 0) return { pages: 0 };
    const at = Number(vaddr);
    if (this.version === 2) return table.map(this.#memory!.registered, index, pages, at, flags);
    return this.#pinAndMap(table, index, pages, at, flags);
  }

  /** Version 1 pins each page when it is mapped. */
  #pinAndMap(table: HardwareTable, index: number, pages: number, vaddr: number, flags: number): MapProgress {
    const writes = (flags & MAP_WRITE) !== 0 || this.#host.profile.v1PinsForWriting;
    const needed = writes ? PROT_READ | PROT_WRITE : PROT_READ;
    const size = Math.min(pages * table.pageSize, USER_END);
    let done = 0;
    for (const extent of this.#memory!.pin(vaddr, size, needed)) {
      const count = (extent.end - extent.start) / table.pageSize;
      const progress = table.mapPinned(index + done, count, extent.physical, flags);
      done += progress.pages;
      if (progress.errno !== undefined) return { pages: done, errno: progress.errno };
    }
    return done < pages ? { pages: done, errno: "EFAULT" } : { pages };
  }
}
