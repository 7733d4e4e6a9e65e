import { hiOf, loOf, TWO32, toBig } from "../base/u64.ts";
import { coherentLimits, DmaRoute } from "./dma-route.ts";
import type { GuestWindow } from "./guest-window.ts";
import type { LinuxGuest } from "./linux-guest.ts";
import type { PciFunction } from "./pci-function.ts";
import { type Buffer, type DmaDirection, TableDma } from "./table-dma.ts";

/**
 * A piece of a list as its device gets it.
 *
 * @public
 */
export interface DmaSegment {
  readonly address: bigint;
  readonly size: number;
}

/**
 * The DMA API that Linux gives to a driver, for one device. A map is direct or goes through the table of its bridge, as
 * the masks of the device say (LINUX-MASK-3).
 *
 * @public
 */
export class DeviceDma {
  /** DMA address of the last {@link mapPage}, in halves. */
  hi = 0;
  lo = 0;
  /** @internal */
  protected readonly guest: LinuxGuest;
  readonly #fn: PciFunction;
  /** @internal */
  protected readonly entries: TableDma;
  /** @internal As of a {@link LinuxGuest.revision}. */
  protected route: DmaRoute;
  /** @internal */
  protected revision: number = 0;
  #saidOverflow = false;

  constructor(guest: LinuxGuest, fn: PciFunction) {
    this.guest = guest;
    this.#fn = fn;
    this.entries = new TableDma(guest.calls, guest.takesLists);
    this.route = new DmaRoute(guest, fn);
    this.revision = guest.revision;
  }

  /** `dma_map_page` and `dma_map_single`; undefined is an error of the map. */
  map({ physical, size }: Buffer, direction: DmaDirection): bigint | undefined {
    return this.mapPage(physical, size, direction) ? toBig(this.hi, this.lo) : undefined;
  }

  /** `dma_unmap_page` and `dma_unmap_single`. */
  unmap(address: bigint, size: number): void {
    this.unmapPage(hiOf(address), loOf(address), size);
  }

  /**
   * {@link map} for those that map all the time.
   *
   * @returns false for an error; else {@link hi} and {@link lo} are the address
   */
  mapPage(physical: number, size: number, direction: DmaDirection): boolean {
    const route = this.routeNow();
    const last = physical + size - 1;
    if (last > route.directLast) {
      if (this.entriesFor(route, physical, size, direction, -1)) return true;
      this.#sayFull(physical, size);
      return false;
    }
    this.#setDirect(route, physical);
    if (last <= route.maskLast) return true;
    this.#sayOverflow(size);
    return false;
  }

  /** {@link unmap}, with the address in halves. */
  unmapPage(hi: number, lo: number, size: number): void {
    const route = this.routeNow();
    const { table } = route;
    if (route.isAlwaysDirect || table === undefined) return;
    if (route.unmapsFromOffset && route.isFromOffset(hi, lo)) return;
    this.entries.unmap(table, table.window.byteOf(hi, lo), size);
  }

  /**
   * `dma_map_sg`: pieces whose addresses follow one another become one.
   *
   * @returns undefined if a piece cannot be mapped: then none is
   */
  mapList(buffers: readonly Buffer[], direction: DmaDirection, longest = 65_536): DmaSegment[] | undefined {
    const route = this.routeNow();
    const segments: DmaSegment[] = [];
    const isDirect = buffers.every(({ physical, size }) => physical + size - 1 <= route.directLast);
    let handle = -1;
    for (const { physical, size } of buffers) {
      if (isDirect) {
        this.#setDirect(route, physical);
      } else if (!this.entriesFor(route, physical, size, direction, handle)) {
        this.#sayFull(physical, size);
        for (const segment of segments) this.#unmapByTable(segment.address, segment.size);
        return undefined;
      }
      const address = toBig(this.hi, this.lo);
      const last = segments.at(-1);
      const follows = last !== undefined && last.address + BigInt(last.size) === address;
      if (follows && last.size + size <= longest)
        segments[segments.length - 1] = { address: last.address, size: last.size + size };
      else segments.push({ address, size });
      if (!isDirect) handle = this.#endOf(size);
    }
    return segments;
  }

  unmapList(segments: readonly DmaSegment[]): void {
    for (const { address, size } of segments) this.unmap(address, size);
  }

  /**
   * `dma_alloc_coherent` of memory that the caller has.
   *
   * @returns undefined if the device cannot have it
   */
  mapCoherent({ physical, size }: Buffer): bigint | undefined {
    const { bypass, isDirect, dmaOffset, coherentMask, table } = this.#fn;
    const { alwaysLimitsBus } = this.guest.kernel;
    const goesDirectly = alwaysLimitsBus ? isDirect : bypass && this.#reachesAll(coherentMask);
    const rounded = this.#wholePages(size);
    if (goesDirectly) {
      const address = BigInt(physical) + dmaOffset;
      return address + BigInt(rounded) - 1n <= coherentMask ? address : undefined;
    }
    if (table === undefined) return undefined;
    const order = Math.ceil(Math.log2(Math.ceil(rounded * table.window.pagesPerByte)));
    const limits = coherentLimits(table, coherentMask, order);
    const byte = this.entries.map(table, physical, rounded, "bidirectional", limits, -1);
    return byte < 0 ? undefined : table.window.addressOf(byte);
  }

  /** `dma_free_coherent`. */
  unmapCoherent(address: bigint, size: number): void {
    const { table, dmaOffset } = this.#fn;
    const isInTable =
      table !== undefined && address >= table.window.busOffset && address < table.addressOf(table.length);
    // An address of the window that maps directly was not taken from the table.
    if (isInTable && !(dmaOffset > 0n && address >= dmaOffset))
      this.#unmapByTable(address, this.#wholePages(size));
  }

  /**
   * `dma_map_resource`: registers of another device. Since 7.2 they get entries; before, a device that bypasses the table
   * gets their address as it is, and others nothing.
   */
  mapResource({ physical, size }: Buffer): bigint | undefined {
    if (!this.guest.kernel.alwaysLimitsBus) return this.#fn.bypass ? BigInt(physical) : undefined;
    return this.entriesFor(this.routeNow(), physical, size, "bidirectional", -1)
      ? toBig(this.hi, this.lo)
      : undefined;
  }

  unmapResource(address: bigint, size: number): void {
    if (this.guest.kernel.alwaysLimitsBus) this.#unmapByTable(address, size);
  }

  /** @internal The way that maps go now. */
  protected routeNow(): DmaRoute {
    return this.revision === this.guest.revision ? this.route : this.#newRoute();
  }

  #newRoute(): DmaRoute {
    this.route = new DmaRoute(this.guest, this.#fn);
    this.revision = this.guest.revision;
    return this.route;
  }

  #setDirect({ offsetHi, offsetLo }: DmaRoute, physical: number): void {
    const lo = offsetLo + (physical >>> 0);
    this.hi = offsetHi + Math.floor(physical / TWO32) + (lo >= TWO32 ? 1 : 0);
    this.lo = lo >>> 0;
  }

  /** @internal */
  protected entriesFor(
    { table, limits, pageLimits }: DmaRoute,
    physical: number,
    size: number,
    direction: DmaDirection,
    handle: number,
  ): boolean {
    if (table === undefined) return false;
    // Whole pages of the processor stay together.
    const { cpuPageSize } = this.guest;
    const isWhole = size >= cpuPageSize && physical % cpuPageSize === 0;
    const byte = this.entries.map(table, physical, size, direction, (isWhole ? pageLimits : limits)!, handle);
    if (byte < 0) return false;
    const { window } = table;
    if (byte <= 0x7fff_ffff && window.firstLo === 0) {
      this.hi = window.firstHi;
      this.lo = byte | 0;
    } else {
      this.#setFar(window, byte);
    }
    return true;
  }

  /** The address of any byte of a window; a function of its own, so that the other one is short. */
  #setFar({ firstHi, firstLo }: GuestWindow, byte: number): void {
    const lo = firstLo + (byte >>> 0);
    this.hi = firstHi + Math.floor(byte / TWO32) + (lo >= TWO32 ? 1 : 0);
    this.lo = lo >>> 0;
  }

  #unmapByTable(address: bigint, size: number): void {
    const { table } = this.#fn;
    if (table !== undefined)
      this.entries.unmap(table, table.window.byteOf(hiOf(address), loOf(address)), size);
  }

  /** Does a mask cover all memory at its direct addresses? */
  #reachesAll(mask: bigint): boolean {
    return mask >= BigInt(this.guest.endOfRam) - 1n + this.#fn.dmaOffset;
  }

  #wholePages(size: number): number {
    const { cpuPageSize } = this.guest;
    return Math.ceil(size / cpuPageSize) * cpuPageSize;
  }

  /** The entry after those of what was mapped last. */
  #endOf(size: number): number {
    const { window } = this.#fn.table!;
    return Math.floor((window.byteOf(this.hi, this.lo) + size - 1) * window.pagesPerByte) + 1;
  }

  #sayFull(physical: number, size: number): void {
    const page = this.#fn.table?.window.pageSize ?? 4096;
    const pages = Math.ceil(((physical % page) + size) / page);
    this.guest.say(this.#fn, `iommu_alloc failed, tbl (ptrval) vaddr (ptrval) npages ${pages.toString(16)}`);
  }

  /** Once a boot. */
  #sayOverflow(size: number): void {
    if (this.#saidOverflow) return;
    this.#saidOverflow = true;
    const { streamingMask, busLimit } = this.#fn;
    const hex = toBig(this.hi, this.lo).toString(16).padStart(16, "0");
    this.guest.say(
      this.#fn,
      `DMA addr 0x${hex}+${size} overflow (mask ${streamingMask.toString(16)}, bus limit ${busLimit.toString(16)}).`,
    );
  }
}
