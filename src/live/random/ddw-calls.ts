import type { Random } from "../../base/random.ts";
import { hex, hiOf, loOf } from "../../base/u64.ts";
import type { Machine } from "../../spapr/machine.ts";
import { buidOf, pciLiobn } from "../../spapr/papr.ts";
import type { PciHostBridge } from "../../spapr/phb.ts";

/** An operation as a line of a script has it. */
export type RawOperation = Readonly<Record<string, unknown>>;

/** An RTAS call that has nothing to do with DMA, and that only newer QEMUs have. */
const CONFIGURE_KERNEL_DUMP = 0x202d;
/** Random RTAS calls of dynamic DMA windows. */
export class RandomDdwCalls {
  readonly #random: Random;
  readonly #machine: Machine;
  readonly #dma: boolean;

  /** @param dma new windows are such that the test devices' staging page lies in them */
  constructor(random: Random, machine: Machine, dma: boolean) {
    this.#random = random;
    this.#machine = machine;
    this.#dma = dma;
  }

  bridge(): PciHostBridge {
    return this.#random.pick(this.#machine.phbs);
  }

  query(bridge: PciHostBridge): RawOperation {
    return rtas("ibm,query-pe-dma-window", unitOf(bridge), this.#random.chance(0.4) ? 5 : 6);
  }

  /** A new window; with DMA one that the staging page lies in. Never one of 2^32 pages: that has no defined answer. */
  create(): RawOperation[] {
    const random = this.#random;
    const bridge = this.bridge();
    const allowed = Array.from({ length: 64 }, (_, i) => i).filter(
      (i) => ((bridge.pgsz >> BigInt(i)) & 1n) === 1n,
    );
    const shift = random.chance(0.9) ? random.pick(allowed) : random.below(64);
    const more = this.#dma
      ? 4 + random.below(6)
      : random.weighted<() => number>([
          [3, () => 0],
          [6, () => 1 + random.below(4)],
          [10, () => 4 + random.below(8)],
          [4, () => 12 + random.below(10)],
          [1, () => 20 + random.below(6)],
        ])();
    const windowShift = !this.#dma && random.chance(0.05) ? random.below(Math.max(1, shift)) : shift + more;
    const [, ...buid] = unitOf(bridge);
    const address = random.chance(0.2) ? random.below(0x1_0000) : 0;
    return [rtas("ibm,create-pe-dma-window", [address, ...buid, shift, windowShift], 4)];
  }

  remove(): RawOperation[] {
    const bridge = this.bridge();
    const number = this.#random.below(2);
    // Where the default window goes away at every turn there is little to look at.
    if (number === 0 && this.#random.chance(0.4)) return [this.query(bridge)];
    return [rtas("ibm,remove-pe-dma-window", [pciLiobn(bridge.index, number)], 1)];
  }

  /** A call with wrong counts, a wrong unit, or a window that nobody has. */
  badCall(): RawOperation[] {
    const random = this.#random;
    const bridge = this.bridge();
    const unit = unitOf(bridge);
    const [name, args, nret] = random.pick<[string, number[], number]>([
      ["ibm,query-pe-dma-window", unit, 6],
      ["ibm,create-pe-dma-window", [...unit, 12, 20], 4],
      ["ibm,reset-pe-dma-window", unit, 1],
    ]);
    const [address, hi, lo, ...rest] = args as [number, number, number, ...number[]];
    const other = (lo + 31 + random.below(100)) >>> 0;
    const noWindow = [
      0,
      1,
      0xffff_ffff,
      pciLiobn(bridge.index, 2),
      pciLiobn(bridge.index, 3),
      pciLiobn(31, 0),
    ];
    return [
      random.weighted<() => RawOperation>([
        [3, () => rtas(name, args.slice(0, random.below(args.length)), nret)],
        [3, () => rtas(name, [...args, random.below(100)], nret)],
        [4, () => rtas(name, args, nret + (random.chance(0.5) ? 1 + random.below(3) : -1))],
        [2, () => rtas(name, [address, hi, other, ...rest], nret)],
        [2, () => rtas(name, [address, lo, hi, ...rest], nret)],
        [2, () => rtas("ibm,remove-pe-dma-window", [random.pick(noWindow)], 1)],
        [1, () => ({ op: "rtas", token: hex(CONFIGURE_KERNEL_DUMP), args: [1, 2, 3], nret: 4 })],
      ])(),
    ];
  }
}

export const rtas = (name: string, args: readonly number[], nret: number): RawOperation => ({
  op: "rtas",
  name,
  args,
  nret,
});

/** The arguments that name a bridge: a configuration address and the BUID. */
export function unitOf({ index }: PciHostBridge): number[] {
  const buid = buidOf(index);
  return [0, hiOf(buid), loOf(buid)];
}
