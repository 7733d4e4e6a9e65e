import { describe, expect, it } from "vitest";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";
import { Guest, HIGH, WIN0, WIN1 } from "./guest.ts";

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A window as QEMU thinks of it, one page at a time, in bigints. */
class ModelWindow {
  readonly base: bigint;
  readonly shift: bigint;
  readonly length: bigint;
  readonly entries = new Map<bigint, bigint>();

  constructor(base: bigint, shift: number, length: number) {
    this.base = base;
    this.shift = BigInt(shift);
    this.length = BigInt(length);
  }

  pageOf(ioba: bigint): bigint {
    return (ioba >> this.shift) << this.shift;
  }

  indexOf(ioba: bigint): bigint {
    return u64(this.pageOf(ioba) - this.base) >> this.shift;
  }

  put(ioba: bigint, tce: bigint): number {
    const index = this.indexOf(ioba);
    if (index >= this.length) return -4;
    this.entries.set(index, tce);
    return 0;
  }

  get(ioba: bigint): bigint | number {
    const index = this.indexOf(ioba);
    return index >= this.length ? -4 : (this.entries.get(index) ?? 0n);
  }

  /** Entries one after another, until one is refused. */
  putAll(ioba: bigint, values: readonly bigint[]): number {
    let status = -4;
    let at = this.pageOf(ioba);
    for (const tce of values) {
      status = this.put(at, tce);
      if (status !== 0) return status;
      at = u64(at + (1n << this.shift));
    }
    return status;
  }
}

/** Machines, the windows their guests create, and the geometry that all windows then have. */
const MACHINES = [
  {
    name: "defaults and a high window of 64 KiB pages",
    config: { vio: [{ type: "spapr-vlan" }] },
    create: [[16, 24]],
    windows: [
      [WIN0, 0n, 12, 0x4_0000],
      [WIN1, HIGH, 16, 256],
      [0x7100_0001n, 0n, 12, 0x1_0000],
    ],
  },
  {
    name: "odd bases",
    config: {
      phbs: [{ index: 0, dmaWinAddr: 0x1_2345n, dmaWinSize: 0xa000n, dma64WinAddr: 0x8000_0800_0000_0001n }],
    },
    create: [[16, 20]],
    windows: [
      [WIN0, 0x1_2345n, 12, 10],
      [WIN1, 0x8000_0800_0000_0001n, 16, 16],
    ],
  },
  {
    name: "windows that pass the top of the space",
    config: {
      phbs: [{ index: 0, dmaWinAddr: u64(-0x3000n), dmaWinSize: 0x8000n, dma64WinAddr: u64(-0x2_8000n) }],
    },
    create: [[16, 20]],
    windows: [
      [WIN0, u64(-0x3000n), 12, 8],
      [WIN1, u64(-0x2_8000n), 16, 16],
    ],
  },
  {
    name: "a window of 2^64 bytes, and one of twice as many",
    config: { phbs: [{ index: 0, ddw: true, pgsz: (1n << 60n) | (1n << 61n), dma64WinAddr: 0x1_0000n }] },
    remove: true,
    create: [
      [60, 64],
      [61, 65],
    ],
    windows: [
      [WIN0, 0n, 60, 16],
      [WIN1, 0x1_0000n, 61, 16],
    ],
  },
  {
    name: "pages of one byte and of 2^63",
    config: { phbs: [{ index: 0, pgsz: 1n | (1n << 63n), dmaWinAddr: 0x7ffn }] },
    remove: true,
    create: [
      [0, 4],
      [63, 65],
    ],
    windows: [
      [WIN0, 0x7ffn, 0, 16],
      [WIN1, HIGH, 63, 4],
    ],
  },
] as const;

describe("random hypercalls", () => {
  it.each(MACHINES)("do what a map of entries does, page by page: $name", (row) => {
    const seed = runSeed();
    const random = new Random(seed);
    const guest = new Guest(row.config);
    if ("remove" in row) guest.remove(WIN0);
    for (const [pageShift, windowShift] of row.create) {
      expect(guest.create(pageShift, windowShift)[0]).toBe(0);
    }
    const models = new Map<bigint, ModelWindow>();
    for (const [liobn, base, shift, length] of row.windows)
      models.set(liobn, new ModelWindow(base, shift, length));
    const liobns = [...models.keys()];

    const anyIoba = (model: ModelWindow): bigint => {
      const place = random.pick([0n, model.length, model.length / 2n, 1n << (64n - model.shift)]);
      const page = place + BigInt(random.below(8)) - 4n;
      return u64(
        model.base + (page << model.shift) + BigInt(random.below(3) - 1) * BigInt(random.below(0x2000)),
      );
    };
    const anyTce = (model: ModelWindow): bigint =>
      random.pick([
        0n,
        random.u64(),
        u64((BigInt(random.below(9)) << model.shift) | BigInt(random.below(4))),
      ]);
    try {
      for (let step = 0; step < 1200; step++) {
        const liobn = random.pick(liobns);
        const model = models.get(liobn)!;
        const ioba = anyIoba(model);
        const tce = anyTce(model);
        switch (random.below(5)) {
          case 0:
            same(guest.put(liobn, ioba, tce), model.put(ioba, tce));
            break;
          case 1:
            same(guest.get(liobn, ioba), model.get(ioba));
            break;
          case 2: {
            const length = random.below(random.pick([3, 9, 40]));
            const stride = random.pick([0n, 1n << model.shift]);
            const list = Array.from({ length }, (_, i) => u64(tce + BigInt(i) * stride));
            same(guest.indirect(liobn, ioba, list), model.putAll(ioba, list));
            break;
          }
          case 3: {
            const npages = random.below(
              random.pick([4, 20, Number(model.length < 600n ? model.length : 600n) + 3]),
            );
            const isTooMany = BigInt(npages) > model.length;
            const expected = isTooMany ? -4 : model.putAll(ioba, new Array<bigint>(npages).fill(tce));
            same(guest.stuff(liobn, ioba, tce, npages), expected);
            break;
          }
          default: {
            // A LIOBN or an opcode that is none changes nothing.
            same(guest.put(liobn + 0x55n, ioba, tce), -4);
            same(guest.put(liobn | (1n << 40n), ioba, tce), -4);
          }
        }
      }
      for (const [liobn, model] of models) {
        const stored = [...model.entries].filter(([, tce]) => tce !== 0n);
        const window = [...guest.machine.env.liobns].find((w) => BigInt(w.liobn) === liobn)!;
        expect(window.table!.storedCount).toBe(stored.length);
        for (const [index, tce] of stored) same(window.table!.get(Number(index)), tce);
      }
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error });
    }
  });
});
