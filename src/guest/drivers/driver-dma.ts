import { hiOf, loOf, toBig } from "../../base/u64.ts";
import { DeviceDma, type DmaSegment } from "../device-dma.ts";
import type { LinuxGuest } from "../linux-guest.ts";
import type { PciFunction } from "../pci-function.ts";
import type { Buffer, DmaDirection } from "../table-dma.ts";
import type { DmaLog } from "./dma-log.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { type DriverMistakes, type Mistake, MistakeCounter, type MistakeCounts } from "./mistakes.ts";

const OPPOSITE = {
  "to-device": "from-device",
  "from-device": "to-device",
  // What a device may do with both is not wrong for either.
  bidirectional: "to-device",
} as const;

/**
 * Memory that a driver and its device share.
 *
 * @public
 */
export interface CoherentMemory extends Buffer {
  /** DMA address. */
  readonly address: bigint;
}

/**
 * A list of buffers as its device gets it.
 *
 * @public
 */
export interface MappedList {
  readonly buffers: readonly Buffer[];
  readonly segments: readonly DmaSegment[];
  readonly direction: DmaDirection;
}

/**
 * What one driver is made of besides its device.
 *
 * @public
 */
export interface DriverOptions {
  readonly memory: KernelMemory;
  readonly mistakes?: DriverMistakes;
  /** Gets each call. */
  readonly log?: DmaLog;
}

/** What the unmap of an address does instead of it. */
type Instead = { readonly address: bigint } | "nothing";

/**
 * The DMA API as a driver calls it (`dma_alloc_coherent`, `dma_map_page`, `dma_map_sg`, ...), with the mistakes that the
 * driver is to make. Each map can be one: no driver has code for its mistakes.
 *
 * @public
 */
export class DriverDma {
  /** DMA address of the last {@link mapPage}, in halves. */
  hi = 0;
  lo = 0;
  readonly memory: KernelMemory;
  readonly #mistakes: MistakeCounter | null;
  readonly #api: DeviceDma;
  readonly #fn: PciFunction;
  readonly #log: DmaLog | null;
  /** No mistakes and no log: what is called is the API itself. */
  readonly #isPlain: boolean;
  /** By the address that the device was given. */
  readonly #instead = new Map<bigint, Instead>();
  readonly #listsNotUnmapped = new Set<MappedList>();
  /** Lists whose device was given other addresses than they have. */
  readonly #realLists = new Map<MappedList, MappedList>();
  /** How many addresses outside of all windows were given. */
  #outsiders = 0;

  constructor(guest: LinuxGuest, fn: PciFunction, { memory, mistakes, log }: DriverOptions) {
    this.memory = memory;
    this.#api = new DeviceDma(guest, fn);
    this.#fn = fn;
    this.#log = log ?? null;
    this.#mistakes = mistakes === undefined ? null : new MistakeCounter(mistakes);
    this.#isPlain = this.#log === null && this.#mistakes === null;
  }

  /** The mistakes so far; null for a driver that makes none. */
  get mistakes(): MistakeCounts | null {
    return this.#mistakes?.made ?? null;
  }

  /** Memory of whole pages for both, all zero; undefined if the device cannot have it. */
  allocCoherent(size: number): CoherentMemory | undefined {
    const physical = this.memory.allocate(size, 65_536);
    const address = this.#api.mapCoherent({ physical, size });
    if (address === undefined) {
      this.memory.free(physical, size, 65_536);
      return undefined;
    }
    this.memory.write(physical, new Uint8Array(size));
    this.#log?.allocate(this.#fn.name, address, { physical, size });
    return { physical, size, address };
  }

  freeCoherent({ physical, size, address }: CoherentMemory): void {
    this.#log?.free(this.#fn.name, address, { physical, size });
    this.#api.unmapCoherent(address, size);
    this.memory.free(physical, size, 65_536);
  }

  /**
   * Maps a buffer: {@link hi} and {@link lo} are its address for the device then.
   *
   * @returns false for an error
   */
  mapPage(physical: number, size: number, direction: DmaDirection): boolean {
    const api = this.#api;
    if (!this.#isPlain) return this.#mapWithMistakes(physical, size, direction);
    if (!api.mapPage(physical, size, direction)) return false;
    this.hi = api.hi;
    this.lo = api.lo;
    return true;
  }

  /** Unmaps what {@link mapPage} mapped. */
  unmapPage(hi: number, lo: number, size: number, direction: DmaDirection): void {
    if (this.#isPlain) this.#api.unmapPage(hi, lo, size);
    else this.#unmapWithMistakes(toBig(hi, lo), size, direction);
  }

  /** Maps a list of buffers; undefined for an error. */
  mapSg(buffers: readonly Buffer[], direction: DmaDirection): MappedList | undefined {
    const mistake = this.#mistakes?.next();
    const mapped = mistake?.wrongDirection ? OPPOSITE[direction] : direction;
    const segments = this.#api.mapList(buffers, mapped);
    if (segments === undefined) return undefined;
    this.#log?.mapList(this.#fn.name, mapped, segments, buffers);
    const list = { buffers, segments, direction: mapped };
    if (mistake?.freesEarly) this.#unmapList(list);
    if (mistake === undefined || !(mistake.leaks || mistake.freesEarly || mistake.outside)) return list;
    const given = mistake.outside
      ? { ...list, segments: segments.map(({ size }) => ({ address: this.#outside(), size })) }
      : list;
    if (mistake.leaks || mistake.freesEarly) this.#listsNotUnmapped.add(given);
    else this.#realLists.set(given, list);
    return given;
  }

  unmapSg(list: MappedList): void {
    if (this.#listsNotUnmapped.delete(list)) return;
    const real = this.#realLists.get(list) ?? list;
    this.#realLists.delete(list);
    this.#unmapList(real);
  }

  /** The processor is to look at a buffer. On POWER memory is coherent, so that no bytes move: only the log hears of it. */
  syncForCpu(hi: number, lo: number, size: number, direction: DmaDirection): void {
    this.#log?.sync(this.#fn.name, "cpu", direction, toBig(hi, lo), size);
  }

  /** The device gets a buffer back; likewise. */
  syncForDevice(hi: number, lo: number, size: number, direction: DmaDirection): void {
    this.#log?.sync(this.#fn.name, "device", direction, toBig(hi, lo), size);
  }

  /** An address outside of the device's windows, another one each time. */
  #outside(): bigint {
    const { table, isDirect, dmaOffset } = this.#fn;
    const distance = BigInt(++this.#outsiders) << 16n;
    return isDirect || table === undefined ? dmaOffset - distance : table.addressOf(table.length) + distance;
  }

  #unmapList(list: MappedList): void {
    this.#log?.unmapList(this.#fn.name, list.direction, list.buffers);
    this.#api.unmapList(list.segments);
  }

  #mapWithMistakes(physical: number, size: number, direction: DmaDirection): boolean {
    const mistake = this.#mistakes?.next();
    const mapped = mistake?.wrongDirection ? OPPOSITE[direction] : direction;
    if (!this.#api.mapPage(physical, size, mapped)) return false;
    const address = toBig(this.#api.hi, this.#api.lo);
    this.#log?.map(this.#fn.name, mapped, address, { physical, size });
    this.#give(mistake?.outside ? this.#outside() + (address & 0xfffn) : address);
    if (mistake !== undefined) this.#spoil(mistake, address, size, mapped);
    return true;
  }

  #spoil(mistake: Mistake, address: bigint, size: number, direction: DmaDirection): void {
    const given = toBig(this.hi, this.lo);
    this.#instead.delete(given);
    if (mistake.freesEarly) {
      this.#log?.unmap(this.#fn.name, direction, address, size);
      this.#api.unmap(address, size);
    }
    if (mistake.freesEarly || mistake.leaks) this.#instead.set(given, "nothing");
    else if (given !== address) this.#instead.set(given, { address });
  }

  #unmapWithMistakes(given: bigint, size: number, direction: DmaDirection): void {
    const instead = this.#instead.get(given);
    this.#instead.delete(given);
    if (instead === "nothing") return;
    const address = instead?.address ?? given;
    this.#log?.unmap(this.#fn.name, direction, address, size);
    this.#api.unmap(address, size);
  }

  #give(address: bigint): void {
    this.hi = hiOf(address);
    this.lo = loOf(address);
  }
}
