import { describe, expect, it } from "vitest";
import type { DmaWindow } from "../../src/spapr/dma-window.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { MachineConfig } from "../../src/spapr/machine-config.ts";
import { loadTables, type SavedTable, saveTables } from "../../src/spapr/saved-table.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { times } from "../helpers/some.ts";
import { storedOf } from "../tce/model.ts";
import { Guest, HIGH, WIN0, WIN1 } from "./guest.ts";

const VIO = 0x7100_0002n;

const windowOf = (guest: Guest, liobn: bigint): DmaWindow => guest.machine.env.liobns.find(0, Number(liobn))!;

const savedOf = (guest: Guest, liobn: bigint): SavedTable =>
  saveTables(guest.machine).find((saved) => saved.liobn === Number(liobn))!;

/** All that a migration carries of a window, as plain values. */
const stateOf = ({ liobn, entries, busOffset, pageShift, bypass, defaultWindow, table }: DmaWindow) => ({
  liobn,
  entries,
  busOffset,
  pageShift,
  bypass,
  defaultWindow,
  stored: table === null ? [] : storedOf(table),
});

/** Makes some hundred calls, most of which succeed. */
function busy(guest: Guest, random: Random): void {
  const { machine } = guest;
  for (let call = 0; call < 300; call++) {
    const windows = [...machine.env.liobns].filter((window) => window.enabled);
    const phb = random.pick(machine.phbs);
    switch (random.below(12)) {
      case 0:
        guest.create(random.pick([12, 16, 24]), 26 + random.below(12), phb.index);
        break;
      case 1:
        guest.remove(BigInt(random.pick(phb.windows).liobn));
        break;
      case 2:
        if (random.below(5) === 0) guest.resetWindows(phb.index);
        break;
      case 3:
        guest.rtas("ibm,set-tce-bypass", [Number(VIO), random.below(2)], 1);
        break;
      default: {
        if (windows.length === 0) break;
        const { liobn, busOffset, entries, pageShift } = random.pick(windows);
        const ioba = busOffset + (BigInt(random.below(entries)) << BigInt(pageShift));
        const pages = random.pick([1, 1, 3, 600]);
        if (random.below(3) > 0) guest.put(BigInt(liobn), ioba, random.u64());
        else guest.stuff(BigInt(liobn), ioba, random.below(2) === 0 ? 0n : random.u64(), pages);
      }
    }
  }
}

const CONFIG: MachineConfig = {
  phbs: [{ index: 0 }, { index: 3, dmaWinAddr: 0x8000_0000n }, { index: 28, ddw: false }],
  vio: [{ type: "spapr-vlan", reg: Number(VIO) }],
};

describe("a machine that is saved", () => {
  it.each(["qemu-7.2", "qemu-4.0", "papr"])(
    "comes back in a fresh machine of its make, whatever it did: %s",
    (profile) => {
      const random = new Random(runSeed());
      for (let round = 0; round < times(2, 6); round++) {
        const source = new Guest({ ...CONFIG, profile });
        busy(source, random);
        const target = new Machine({ ...CONFIG, profile });
        const fresh = new Map(
          [...target.env.liobns].map((one) => [one.liobn, [one.entries, one.sizeBytes] as const]),
        );
        loadTables(target, saveTables(source.machine));
        const before = [...source.machine.env.liobns].map(stateOf);
        const after = [...target.env.liobns].map(stateOf);
        // Version 2 does not carry which window was the default one.
        if (profile === "qemu-4.0")
          for (const state of before) state.defaultWindow = (state.liobn & 0x8000_00ff) === -(2 ** 31);
        expect(after, `seed ${random.seed}`).toEqual(before);
        for (const window of target.env.liobns) {
          const [entries, size] = fresh.get(window.liobn)!;
          const keeps = target.profile.loadKeepsRegion && entries === window.entries;
          expect(window.iommu.size, `seed ${random.seed}`).toBe(keeps ? size : window.sizeBytes);
        }
      }
    },
  );

  it("is saved for no price that grows with the mappings", { timeout: 120_000 }, () => {
    const full = new Guest();
    expect(full.create(16, 47)).toEqual([0, WIN1, HIGH]);
    const { table } = windowOf(full, WIN1);
    const random = new Random(runSeed());
    // One in each 2^13 entries: as many runs in as many places.
    for (let i = 0; i < 2 ** 18; i++)
      table!.put(i * 2 ** 13 + random.below(2 ** 13), random.below(2 ** 32), 3);
    expect(table!.validCount).toBe(2 ** 18);
    // A save that walks over them takes 5 ms, all of these then twice the limit of this test.
    let saved = 0;
    for (let i = 0; i < 5_000; i++) saved += saveTables(full.machine).length;
    expect(saved).toBe(5_000 * [...full.machine.env.liobns].length);
  });

  it("is what it was when it was saved, while its guest goes on", () => {
    const random = new Random(runSeed());
    const guest = new Guest(CONFIG);
    busy(guest, random);
    const saved = saveTables(guest.machine);
    const then = saved.map(({ table }) => (table === null ? [] : storedOf(table)));
    busy(guest, random);
    guest.machine.reset();
    expect(
      saved.map(({ table }) => (table === null ? [] : storedOf(table))),
      `seed ${random.seed}`,
    ).toEqual(then);
  });

  it("does not go on to share what it loaded from a table that is written", () => {
    const guest = new Guest();
    const table = new TceTable({ length: 0x4_0000, pageShift: 12 });
    for (let i = 0; i < 64; i++) table.set(i, BigInt(i * i * 0x1000 + 3));
    loadTables(guest.machine, [{ ...savedOf(guest, WIN0), table }]);
    table.set(7, 0n);
    guest.put(WIN0, 0x5000n, 0xffff_f003n);
    expect(guest.get(WIN0, 0x7000n)).toBe(49n * 0x1000n + 3n);
    expect(table.get(5)).toBe(25n * 0x1000n + 3n);
  });
});

/** A source of which one window is as described, and what its state is. */
function sourceWith(pageShift: number, windowShift: number, ...put: [bigint, bigint]): SavedTable {
  const source = new Guest();
  source.create(pageShift, windowShift);
  source.put(WIN1, ...put);
  return savedOf(source, WIN1);
}

describe("a window that is loaded", () => {
  it("is made anew if its number of entries differs: listeners replay it empty, and hear of no entry", () => {
    const target = new Guest({ replayStrategy: "page-walk" });
    const seen: string[] = [];
    target.machine.memory.register(
      {
        name: "listener",
        regionAdd: ({ region, size }) => {
          if (region.iommu !== null)
            seen.push(`add ${region.name} ${size}: ${windowOf(target, WIN1).table?.storedCount}`);
        },
        regionDel: ({ region }) => {
          if (region.iommu !== null) seen.push(`del ${region.name}`);
        },
      },
      target.machine.phbs[0]!.addressSpace,
    );
    target.create(16, 20);
    seen.length = 0;
    loadTables(target.machine, [sourceWith(16, 30, HIGH, 0x5003n)]);
    expect(seen).toEqual(["del tce-iommu-80000001", "add tce-iommu-80000001 1073741824: 0"]);
    expect(target.get(WIN1, HIGH)).toBe(0x5003n);
    expect(target.log.slice(-2)).toEqual([
      "spapr_iommu_post_load liobn=80000001 10 => 0x4000 bus_offset=0x800000000000000 ps=16",
      "spapr_iommu_pci_get liobn=0x80000001 ioba=0x800000000000000 ret=0 tce=0x5003",
    ]);
  });

  it("goes if it was gone", () => {
    const source = new Guest();
    const target = new Guest();
    target.create(16, 20);
    loadTables(target.machine, saveTables(source.machine));
    expect(target.query()).toEqual(source.query());
    expect(target.put(WIN1, HIGH, 3n)).toBe(-4);
    expect(savedOf(target, WIN1).geometry).toEqual({ busOffset: 0n, pageShift: 0 });
  });

  // A bus address behind the first 8 GiB: within the loaded window of 64K pages, but not within the region of 4K pages.
  const BEHIND = 0x2_0000_0000n;
  it.each([
    { profile: "qemu-7.2", region: 1n << 30n, fault: true },
    { profile: "papr", region: 1n << 34n, fault: false },
  ])("over one of as many entries keeps its region in $profile: $fault", ({ profile, region, fault }) => {
    const source = new Guest({ profile });
    source.remove(WIN0);
    // As many entries as the default window has, but of 64K each: 16 GiB.
    const saved: SavedTable = {
      ...savedOf(source, WIN0),
      table: new TceTable({ length: 0x4_0000, pageShift: 16 }),
      geometry: { busOffset: 0n, pageShift: 16 },
    };
    const target = new Guest({ profile });
    loadTables(target.machine, [saved]);
    expect(target.log.at(-1)).toBe(
      "spapr_iommu_post_load liobn=80000000 40000 => 0x40000 bus_offset=0x0 ps=16",
    );
    const window = windowOf(target, WIN0);
    expect([window.pageShift, window.iommu.size]).toEqual([16, region]);
    expect(target.put(WIN0, BEHIND, 0x5_0003n)).toBe(0);
    const byte = new Uint8Array(1);
    expect(target.machine.phbs[0]!.addressSpace.read(BEHIND, byte, null) !== 0).toBe(fault);
  });

  it("keeps its own page size and place if the state does not tell them", () => {
    const target = new Guest({ phbs: [{ index: 0, dmaWinAddr: 0x8000_0000n }] });
    const table = new TceTable({ length: 16, pageShift: 12 });
    table.putRun(0, 16, 0, 0x1003);
    loadTables(target.machine, [{ ...savedOf(target, WIN0), table, geometry: null }]);
    expect(target.get(WIN0, 0x8000_3000n)).toBe(0x4003n);
  });

  it("lets its device bypass it, or not, as the saved one did", () => {
    const source = new Guest(CONFIG);
    source.rtas("ibm,set-tce-bypass", [Number(VIO), 1], 1);
    const target = new Guest(CONFIG);
    loadTables(target.machine, saveTables(source.machine));
    const device = target.machine.vio.find(Number(VIO))!;
    expect(device.window!.bypass).toBe(true);
    expect(device.addressSpace!.read(0x1000n, new Uint8Array(8), null)).toBe(0);
    loadTables(target.machine, saveTables(new Machine(CONFIG)));
    expect(device.window!.bypass).toBe(false);
    expect(device.addressSpace!.read(0x1000n, new Uint8Array(8), null)).not.toBe(0);
  });

  it("is the default window still, or not, as the saved one was", () => {
    const source = new Guest();
    source.create(16, 30);
    source.remove(WIN0);
    const target = new Guest();
    loadTables(target.machine, saveTables(source.machine));
    // The last window that is no default one goes: the default one comes back.
    expect(target.remove(WIN1)).toBe(0);
    expect(target.query()).toEqual([0, 1, (2 ** 31) | 0, 0x107, 0]);
  });

  it.each([
    {
      name: "the machine lacks it",
      change: (saved: SavedTable[]) => [saved[0]!, { ...saved[1]!, liobn: 0x8000_0500 }],
      code: "BAD_ARGUMENT",
      message: /0x80000500 is saved, but the machine does not have it; it has 0x80000000, 0x80000001/,
    },
    {
      name: "it is saved twice",
      change: (saved: SavedTable[]) => [saved[0]!, saved[0]!],
      code: "BAD_ARGUMENT",
      message: /0x80000000 is saved twice/,
    },
    {
      name: "its version is newer than the machine",
      change: (saved: SavedTable[]) => saved,
      profile: "qemu-4.0",
      code: "UNSUPPORTED",
      message: /0x80000000 is saved in version 3; "qemu-4.0" loads 2 to 2/,
    },
  ])(
    "is refused if $name, and nothing has changed then",
    ({ change, profile = "qemu-7.2", code, message }) => {
      const source = new Guest();
      source.put(WIN0, 0x1000n, 0x5003n);
      const target = new Guest({ profile });
      target.put(WIN0, 0x2000n, 0x6003n);
      expect(() => loadTables(target.machine, change(saveTables(source.machine)))).toThrow(
        expect.objectContaining({ code, message: expect.stringMatching(message) }),
      );
      expect(storedOf(windowOf(target, WIN0).table!)).toEqual([[2, 0x6003n]]);
    },
  );

  it("of an older machine loads in a newer one", () => {
    const source = new Guest({ profile: "qemu-4.0" });
    source.put(WIN0, 0x1000n, 0x5003n);
    const target = new Guest();
    loadTables(target.machine, saveTables(source.machine));
    expect(target.get(WIN0, 0x1000n)).toBe(0x5003n);
    expect(windowOf(target, WIN0).defaultWindow).toBe(true);
  });
});
