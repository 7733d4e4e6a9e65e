import type { IommuTable, TableLimits } from "./iommu-table.ts";
import type { LinuxGuest } from "./linux-guest.ts";
import type { PciFunction } from "./pci-function.ts";
import { type Buffer, type DmaDirection, TableDma } from "./table-dma.ts";

/** What the PCI core sets for a device that says nothing: a buffer crosses no multiple of 4 GiB. */
const BOUNDARY = 2 ** 32;

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
  readonly #guest: LinuxGuest;
  readonly #fn: PciFunction;
  readonly #entries: TableDma;
  /** Limits of masks and alignments in the entries of a table. */
  readonly #knownLimits: { mask: bigint; alignOrder: number; limits: TableLimits }[] = [];
  #limitsTable: IommuTable | undefined;
  #saidOverflow = false;

  constructor(guest: LinuxGuest, fn: PciFunction) {
    this.#guest = guest;
    this.#fn = fn;
    this.#entries = new TableDma(guest.calls, guest.takesLists);
  }

  /** `dma_map_page` and `dma_map_single`; undefined is an error of the map. */
  map(buffer: Buffer, direction: DmaDirection): bigint | undefined {
    const fn = this.#fn;
    if (this.#goesDirectly(buffer, fn.streamingMask)) {
      const address = BigInt(buffer.physical) + fn.dmaOffset;
      const last = address + BigInt(buffer.size) - 1n;
      if (last <= fn.streamingMask) return address;
      this.#sayOverflow(address, buffer.size);
      return undefined;
    }
    const address = this.#mapByTable(
      buffer,
      direction,
      this.#limits(fn.streamingMask, this.#orderOf(buffer)),
    );
    if (address === undefined) this.#sayFull(buffer);
    return address;
  }

  /** `dma_unmap_page` and `dma_unmap_single`. */
  unmap(address: bigint, size: number): void {
    const { bypass, busLimit, dmaOffset, streamingMask } = this.#fn;
    // With a limit every address from the offset on counts as direct, also where the table begins after it.
    if (bypass ? this.#reachesAll(streamingMask) : busLimit !== 0n && address >= dmaOffset) return;
    this.#unmapByTable(address, size);
  }

  /**
   * `dma_map_sg`: pieces whose addresses follow one another become one.
   *
   * @returns undefined if a piece cannot be mapped: then none is
   */
  mapList(buffers: readonly Buffer[], direction: DmaDirection, longest = 65_536): DmaSegment[] | undefined {
    const fn = this.#fn;
    const segments: DmaSegment[] = [];
    const isDirect = buffers.every((buffer) => this.#goesDirectly(buffer, fn.streamingMask));
    let handle: number | undefined;
    for (const buffer of buffers) {
      const address = isDirect
        ? BigInt(buffer.physical) + fn.dmaOffset
        : this.#mapByTable(buffer, direction, this.#limits(fn.streamingMask, this.#orderOf(buffer)), handle);
      if (address === undefined) {
        this.#sayFull(buffer);
        for (const segment of segments) this.#unmapByTable(segment.address, segment.size);
        return undefined;
      }
      const last = segments.at(-1);
      const follows = last !== undefined && last.address + BigInt(last.size) === address;
      if (follows && last.size + buffer.size <= longest)
        segments[segments.length - 1] = { address: last.address, size: last.size + buffer.size };
      else segments.push({ address, size: buffer.size });
      if (!isDirect) handle = this.#endOf(address, buffer.size);
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
    const fn = this.#fn;
    const { alwaysLimitsBus } = this.#guest.kernel;
    const isDirect = alwaysLimitsBus ? fn.isDirect : fn.bypass && this.#reachesAll(fn.coherentMask);
    const rounded = Math.ceil(size / this.#guest.cpuPageSize) * this.#guest.cpuPageSize;
    if (isDirect) {
      const address = BigInt(physical) + fn.dmaOffset;
      return address + BigInt(rounded) - 1n <= fn.coherentMask ? address : undefined;
    }
    const pages = Math.ceil(rounded / this.#iommuPageSize);
    const order = Math.ceil(Math.log2(pages));
    return this.#mapByTable(
      { physical, size: rounded },
      "bidirectional",
      this.#limits(fn.coherentMask, order),
    );
  }

  /** `dma_free_coherent`. */
  unmapCoherent(address: bigint, size: number): void {
    const table = this.#fn.table;
    const isInTable =
      table !== undefined && address >= table.window.busOffset && address <= this.#endOfTable(table);
    // An address of the window that maps directly was not taken from the table.
    if (isInTable && !(this.#fn.dmaOffset > 0n && address >= this.#fn.dmaOffset)) {
      this.#unmapByTable(address, Math.ceil(size / this.#guest.cpuPageSize) * this.#guest.cpuPageSize);
    }
  }

  /**
   * `dma_map_resource`: registers of another device. Since 7.2 they get entries; before, a device that bypasses the table
   * gets their address as it is, and others nothing.
   */
  mapResource(buffer: Buffer): bigint | undefined {
    const fn = this.#fn;
    if (this.#guest.kernel.alwaysLimitsBus)
      return this.#mapByTable(buffer, "bidirectional", this.#limits(fn.streamingMask, this.#orderOf(buffer)));
    return fn.bypass ? BigInt(buffer.physical) : undefined;
  }

  unmapResource(address: bigint, size: number): void {
    if (this.#guest.kernel.alwaysLimitsBus) this.#unmapByTable(address, size);
  }

  #goesDirectly({ physical, size }: Buffer, mask: bigint): boolean {
    const { bypass, busLimit, dmaOffset } = this.#fn;
    if (bypass) return this.#reachesAll(mask);
    return busLimit !== 0n && BigInt(physical) + BigInt(size) - 1n + dmaOffset <= busLimit;
  }

  /** Does a mask cover all memory at its direct addresses? */
  #reachesAll(mask: bigint): boolean {
    return mask >= BigInt(this.#guest.endOfRam) - 1n + this.#fn.dmaOffset;
  }

  get #iommuPageSize(): number {
    return 2 ** (this.#fn.table?.window.pageShift ?? 12);
  }

  /** Whole pages of the processor stay together: log2 of the entries that the first one is aligned to. */
  #orderOf({ physical, size }: Buffer): number {
    const { cpuPageSize } = this.#guest;
    if (size < cpuPageSize || physical % cpuPageSize !== 0) return 0;
    return Math.max(0, Math.log2(cpuPageSize / this.#iommuPageSize));
  }

  /** What the table is asked for; the last few answers are kept. */
  #limits(mask: bigint, alignOrder: number): TableLimits | undefined {
    const { table } = this.#fn;
    if (table === undefined) return undefined;
    if (table !== this.#limitsTable) {
      this.#limitsTable = table;
      this.#knownLimits.length = 0;
    }
    let known = this.#knownLimits.find((one) => one.mask === mask && one.alignOrder === alignOrder);
    if (known === undefined) {
      known = { mask, alignOrder, limits: table.limitsOf({ mask, alignOrder, boundary: BOUNDARY }) };
      this.#knownLimits.push(known);
    }
    return known.limits;
  }

  #mapByTable(
    buffer: Buffer,
    direction: DmaDirection,
    limits: TableLimits | undefined,
    handle?: number,
  ): bigint | undefined {
    const { table } = this.#fn;
    if (table === undefined || limits === undefined) return undefined;
    return this.#entries.map(table, buffer, direction, limits, handle);
  }

  #unmapByTable(address: bigint, size: number): void {
    const { table } = this.#fn;
    if (table !== undefined) this.#entries.unmap(table, address, size);
  }

  #endOf(address: bigint, size: number): number {
    const table = this.#fn.table!;
    return (
      Number((address - table.window.busOffset + BigInt(size) - 1n) >> BigInt(table.window.pageShift)) + 1
    );
  }

  #endOfTable(table: IommuTable): bigint {
    return table.addressOf(table.length) - 1n;
  }

  #sayFull({ physical, size }: Buffer): void {
    const pages = Math.ceil(((physical % this.#iommuPageSize) + size) / this.#iommuPageSize);
    this.#guest.say(this.#fn, `iommu_alloc failed, tbl (ptrval) vaddr (ptrval) npages ${pages.toString(16)}`);
  }

  /** Once a boot. */
  #sayOverflow(address: bigint, size: number): void {
    if (this.#saidOverflow) return;
    this.#saidOverflow = true;
    const { streamingMask, busLimit } = this.#fn;
    const hex = address.toString(16).padStart(16, "0");
    this.#guest.say(
      this.#fn,
      `DMA addr 0x${hex}+${size} overflow (mask ${streamingMask.toString(16)}, bus limit ${busLimit.toString(16)}).`,
    );
  }
}
