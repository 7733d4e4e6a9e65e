import type { Random } from "../../base/random.ts";
import { U64_MAX } from "../../base/u64.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { Machine } from "../../spapr/machine.ts";
import { MAX_PHB_INDEX, pciLiobn } from "../../spapr/papr.ts";

/** Addresses that each window remembers to come back to. */
const REMEMBERED = 40;
/** Memory that the firmware does not need, for DMA. */
const DMA_MEMORY = { start: 0x100_0000n, pages: 0x3000n } as const;

/**
 * Values that hit: addresses in and around the windows that the machine has
 * now, numbers of windows that exist (mostly), TCEs of every kind.
 */
export class RandomValues {
  readonly #random: Random;
  readonly #machine: Machine;
  /** Devices will do DMA: TCEs must not point to where the firmware is. */
  readonly #dma: boolean;
  readonly #remembered = new Map<number, bigint[]>();

  constructor(random: Random, machine: Machine, dma: boolean) {
    this.#random = random;
    this.#machine = machine;
    this.#dma = dma;
  }

  /** A window that is there now, if one is. */
  window(): DmaWindow | undefined {
    const windows = [...this.#windows()];
    return windows.length === 0 ? undefined : this.#random.pick(windows);
  }

  /** A window with few enough entries to be read whole. */
  smallWindow(maxEntries: number): DmaWindow | undefined {
    const windows = [...this.#windows()].filter((window) => window.entries <= maxEntries);
    return windows.length === 0 ? undefined : this.#random.pick(windows);
  }

  *#windows(): Generator<DmaWindow> {
    for (const phb of this.#machine.phbs) for (const window of phb.windows) if (window.enabled) yield window;
    for (const { window } of this.#machine.vio.devices) if (window !== null) yield window;
  }

  liobn(window: DmaWindow | undefined): bigint {
    const random = this.#random;
    if (window !== undefined && random.chance(0.93)) return BigInt(window.liobn);
    const { index } = random.pick(this.#machine.phbs);
    const number = BigInt(pciLiobn(index, random.below(2)));
    return random.weighted<() => bigint>([
      [8, () => number],
      [2, () => BigInt(pciLiobn(random.below(MAX_PHB_INDEX + 1), random.below(3)))],
      [2, () => number + (1n << BigInt(32 + random.below(32)))],
      [1, () => random.u64()],
      [1, () => random.u64() >> 32n],
    ])();
  }

  /** An address in a window, at its edges, or near it. */
  ioba(window: DmaWindow | undefined): bigint {
    const random = this.#random;
    if (window === undefined) return random.pick([0n, 0x1000n, 1n << 59n, random.u64()]);
    const page = 1n << BigInt(window.pageShift);
    const { busOffset: base, entries } = window;
    const end = base + BigInt(entries) * page;
    const within = random.chance(0.3) ? random.belowBig(page) : 0n;
    const remembered = this.#remembered.get(window.liobn) ?? [];
    const address = random.weighted<() => bigint>([
      [40, () => (remembered.length > 0 ? random.pick(remembered) : base) + within],
      [25, () => base + random.belowBig(BigInt(entries)) * page + within],
      [15, () => base + BigInt(random.below(Math.min(entries, 32))) * page + within],
      [8, () => end - page * BigInt(1 + random.below(4)) + within],
      [4, () => end + BigInt(random.below(3)) * page - BigInt(random.below(2))],
      [2, () => base - BigInt(random.below(3)) * page - BigInt(random.below(2))],
      [1, () => (base ^ (1n << BigInt(random.below(64)))) + within],
      [1, () => random.u64()],
      [1, () => U64_MAX - random.belowBig(0x2000n)],
    ])();
    return this.#remember(window, BigInt.asUintN(64, address));
  }

  /** An address that is mapped; any, if none is. */
  mappedIoba(window: DmaWindow): bigint {
    const { busOffset, pageShift, entries, table } = window;
    const runs: [first: number, pages: number][] = [];
    table?.forEachRun(0, entries, (first, pages) => runs.push([first, pages]));
    if (runs.length === 0) return this.ioba(window);
    const [first, pages] = this.#random.pick(runs);
    const page = BigInt(first + this.#random.below(pages)) << BigInt(pageShift);
    // Small offsets are memory also where the page is larger than memory.
    const within = this.#random.belowBig(1n << BigInt(this.#random.chance(0.5) ? 12 : pageShift));
    return BigInt.asUintN(64, busOffset + page + within);
  }

  #remember({ liobn }: DmaWindow, address: bigint): bigint {
    const remembered = this.#remembered.get(liobn) ?? [];
    this.#remembered.set(liobn, remembered);
    if (remembered.length < REMEMBERED) remembered.push(address);
    else remembered[this.#random.below(REMEMBERED)] = address;
    return address;
  }

  tce(): bigint {
    const random = this.#random;
    const perm = BigInt(random.below(4));
    if (this.#dma) {
      const { start, pages } = DMA_MEMORY;
      return random.weighted<() => bigint>([
        [6, () => (start + (random.belowBig(pages) << 12n)) | (random.chance(0.7) ? 3n : perm)],
        [8, () => (start + (random.belowBig(8n) << 12n)) | perm],
        [1, () => (0x1000_0000n + (random.belowBig(0x1_0000n) << 12n)) | perm],
        [2, () => 0n],
      ])();
    }
    return random.weighted<() => bigint>([
      [20, () => (random.belowBig(0x1_0000n) << 12n) | (random.chance(0.6) ? 3n : perm)],
      [4, () => random.belowBig(0x1000_0000n)],
      [4, () => (random.belowBig(1n << 40n) << 12n) | perm],
      [2, () => random.u64()],
      [3, () => perm],
      [1, () => U64_MAX],
    ])();
  }

  /** A number of entries: mostly few, now and then around a limit. */
  count(limit: number): number {
    const random = this.#random;
    return random.weighted<() => number>([
      [30, () => 1 + random.below(8)],
      [15, () => 1 + random.below(24)],
      [4, () => 1 + random.below(100)],
      [1, () => random.pick([255, 256, 511, 512])],
      [1, () => 0],
      [1, () => limit + random.below(3) - 1],
    ])();
  }

  bytes(length: number): string {
    return Array.from({ length }, () => this.#random.below(256).toString(16).padStart(2, "0")).join("");
  }

  /** An address of the memory that devices write to. */
  dmaMemory(): bigint {
    return DMA_MEMORY.start + this.#random.belowBig(0x8000n);
  }
}
