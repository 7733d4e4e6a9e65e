/** Each quirk in which a profile differs from qemu-7.2, as a guest sees it. */
import { describe, expect, it } from "vitest";
import { hiOf, loOf } from "../../src/base/u64.ts";
import { RtasToken } from "../../src/spapr/papr.ts";
import { PciDevice } from "../../src/spapr/pci-device.ts";
import type { PhbConfig } from "../../src/spapr/phb.ts";
import { findProfile, PROFILES, type Profile } from "../../src/spapr/profile.ts";
import { loadTables, saveTables } from "../../src/spapr/saved-table.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { Guest, HIGH, LIST_AT, WIN0, WIN1 } from "./guest.ts";

interface Row {
  readonly quirk: keyof Profile;
  readonly phb?: PhbConfig;
  readonly call: (guest: Guest) => unknown;
  readonly qemu: unknown;
  readonly theirs: unknown;
}

const LAST = 0x3fff_f000n;
const NO_MEMORY = 0x7fff_0000_0003n;
const ALL_SIZES = { index: 0, pgsz: 0x4_1f21_1000n };
const property = (g: Guest, name: string): unknown =>
  g.machine.deviceTree.get(`/${g.machine.phbs[0]!.name}`)![name];

const PAPR: readonly Row[] = [
  {
    quirk: "emptyListStatus",
    call: (g) => [g.indirect(WIN0, 0n, []), g.stuff(WIN0, 0n, 3n, 0)],
    qemu: [-4, -4],
    theirs: [0, 0],
  },
  {
    quirk: "partialEffects",
    call: (g) => [
      g.indirect(WIN0, LAST, [0x1003n, 0x2003n]),
      g.get(WIN0, LAST),
      g.stuff(WIN0, LAST - 0x1000n, 0x5003n, 3),
      g.get(WIN0, LAST - 0x1000n),
    ],
    qemu: [-4, 0x1003n, -4, 0x5003n],
    theirs: [-4, 0n, -4, 0n],
  },
  {
    quirk: "stuffWholeTable",
    call: (g) => [g.stuff(WIN0, 0n, 3n, 512), g.stuff(WIN0, 0n, 0n, 513), g.stuff(WIN0, 0n, 0n, 1n << 32n)],
    qemu: [0, 0, -4],
    theirs: [0, -57, -57],
  },
  {
    quirk: "anyTarget",
    call: (g) => [
      g.put(WIN0, 0n, NO_MEMORY),
      g.indirect(WIN0, 0x1000n, [0x1003n, NO_MEMORY]),
      g.get(WIN0, 0x1000n),
      g.stuff(WIN0, 0x3000n, NO_MEMORY, 2),
      // The last page of memory, the one behind it, and an entry that permits nothing.
      g.put(WIN0, 0n, 0xfff_f003n),
      g.put(WIN0, 0n, 0x1000_0003n),
      g.put(WIN0, 0n, 0x7fff_0000_0000n),
    ],
    qemu: [0, 0, 0x1003n, 0, 0, 0, 0],
    theirs: [-4, -4, 0n, -4, 0, -4, 0],
  },
  {
    quirk: "anyTarget",
    phb: ALL_SIZES,
    // A page of 16 GiB or of 256 MiB that begins in memory, but does not end there.
    call: (g) => [
      g.create(34, 35),
      g.put(WIN1, HIGH, 3n),
      g.remove(WIN1),
      g.create(28, 30),
      g.put(WIN1, HIGH, 3n),
    ],
    qemu: [[0, WIN1, HIGH], 0, 0, [0, WIN1, HIGH], 0],
    theirs: [[0, WIN1, HIGH], -4, 0, [0, WIN1, HIGH], 0],
  },
  {
    quirk: "unreadableListIsZero",
    call: (g) => [
      g.put(WIN0, 0n, 0x1003n),
      g.indirectAt(WIN0, 0n, 0x7fff_0000_0000n, 1),
      g.get(WIN0, 0n),
      g.indirectAt(WIN0, 0n, LIST_AT, 1),
    ],
    qemu: [0, 0, 0n, 0],
    theirs: [0, -4, 0x1003n, 0],
  },
  { quirk: "queryPageMask", call: (g) => g.query(5)[3], qemu: 0x107, theirs: 0x7 },
  {
    quirk: "noFreeWindowStatus",
    call: (g) => [g.create(16, 30)[0], g.create(16, 30)],
    qemu: [0, [-1]],
    theirs: [0, [-3]],
  },
  {
    quirk: "createAboveMaximum",
    phb: { index: 0, pgsz: 0x1_1000n, dmaWinSize: 0x1000n },
    call: (g) => [g.create(12, 44), g.create(12, 43)[0]],
    qemu: [[-1], 0],
    theirs: [[-3], 0],
  },
  {
    quirk: "createOverWindow",
    call: (g) => [
      g.create(16, 30),
      g.remove(WIN0),
      g.create(16, 24),
      g.put(WIN1, HIGH, 0x7003n),
      g.get(WIN0, 0n),
    ],
    qemu: [[0, WIN1, HIGH], 0, [0, WIN0, HIGH], 0, -4],
    theirs: [[0, WIN1, HIGH], 0, [0, WIN0, 0n], 0, 0n],
  },
  {
    quirk: "createOverWindow",
    phb: { index: 0, dmaWinAddr: HIGH },
    call: (g) => g.create(16, 30),
    qemu: [0, WIN1, HIGH],
    theirs: [-1],
  },
  {
    quirk: "defaultWindowSticks",
    call: (g) => [g.remove(WIN0), g.query(5)[1], g.create(16, 30), g.remove(WIN0), g.query(5)[1]],
    qemu: [0, 2, [0, WIN0, 0n], 0, 2],
    theirs: [0, 2, [0, WIN0, 0n], 0, 1],
  },
  {
    quirk: "secondWindowFirst",
    call: (g) => {
      g.machine.plugPhb({ index: 28 });
      g.remove(0x8000_1c00n);
      return g.create(16, 30, 28)[1];
    },
    qemu: 0x8000_1c01n,
    theirs: 0x8000_1c00n,
  },
  {
    quirk: "truncatedWindowProperty",
    phb: { index: 0, dmaWinSize: 0x1_8000_0000n },
    call: (g) => property(g, "ibm,dma-window"),
    qemu: [0x8000_0000, 0, 0, 0, 0x8000_0000],
    theirs: [0x8000_0000, 0, 0, 1, 0x8000_0000],
  },
  {
    quirk: "loadKeepsRegion",
    // As many entries as the default window has, of 64 KiB each: 16 GiB instead of 1.
    call: (g) => {
      const [saved] = saveTables(g.machine);
      const table = new TceTable({ length: 0x4_0000, pageShift: 16 });
      loadTables(g.machine, [{ ...saved!, table, geometry: { busOffset: 0n, pageShift: 16 } }]);
      return g.machine.phbs[0]!.windows[0]!.iommu.size;
    },
    qemu: 1n << 30n,
    theirs: 1n << 34n,
  },
  {
    quirk: "refusedDmaFreezes",
    // A device that is refused once gets nothing from then on, once the guest has asked for EEH.
    call: (g) => {
      const { machine } = g;
      const [phb] = machine.phbs;
      const device = new PciDevice(phb!, "device", 0x800);
      device.setBusMaster(true);
      g.put(WIN0, 0n, 0x1003n);
      const enabled = machine.rtas(RtasToken.SET_EEH_OPTION, [0x800, hiOf(phb!.buid), loOf(phb!.buid), 1], 1);
      const bytes = new Uint8Array(4);
      return [enabled, device.read(0n, bytes), device.read(0x1000n, bytes), device.read(0n, bytes)];
    },
    qemu: [[-3], 0, 2, 0],
    theirs: [[0], 0, 2, 2],
  },
];

const QEMU_4_0: readonly Row[] = [
  {
    quirk: "queryReturnCounts",
    call: (g) => [g.query(5)[0], g.query(6)],
    qemu: [0, [0, 1, 0x20, 0, 0x107, 0]],
    theirs: [0, [-3, null, null, null, null, null]],
  },
  { quirk: "queryPageMask", phb: ALL_SIZES, call: (g) => g.query(5)[3], qemu: 0x1ff, theirs: 0xff },
  {
    quirk: "restoreDefaultWindow",
    call: (g) => [g.create(16, 30)[0], g.remove(WIN0), g.remove(WIN1), g.query(5)[1]],
    qemu: [0, 0, 0, 1],
    theirs: [0, 0, 0, 2],
  },
  {
    quirk: "ddwExtensions",
    call: (g) => property(g, "ibm,ddw-extensions"),
    qemu: [2, 0x2029, 1],
    theirs: [1, 0x2029],
  },
  {
    quirk: "defaultPageSizes",
    call: (g) => [g.create(24, 30)[0], g.create(16, 30)[0]],
    qemu: [0, -1],
    theirs: [-3, 0],
  },
  { quirk: "migrationVersion", call: (g) => g.machine.profile.migrationVersion, qemu: 3, theirs: 2 },
];

describe.each([
  { name: "papr", rows: PAPR },
  { name: "qemu-4.0", rows: QEMU_4_0 },
])("profile $name", ({ name, rows }) => {
  it.each(rows)("$quirk", ({ phb, call, qemu, theirs }) => {
    const config = phb === undefined ? {} : { phbs: [phb] };
    expect(call(new Guest({ ...config, profile: "qemu-7.2" }))).toEqual(qemu);
    expect(call(new Guest({ ...config, profile: name }))).toEqual(theirs);
    expect(theirs).not.toEqual(qemu);
  });

  it("has no other quirk than these", () => {
    const base = findProfile("qemu-7.2");
    const own = findProfile(name);
    const different = (Object.keys(base) as (keyof Profile)[]).filter(
      (key) => key !== "name" && JSON.stringify(base[key], show) !== JSON.stringify(own[key], show),
    );
    expect([...new Set(rows.map((row) => row.quirk))].sort()).toEqual(different.sort());
  });
});

const show = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value;

describe("profiles", () => {
  it.each(["qemu-9", "toString", ""])('has no "%s", and says which there are', (name) => {
    const known = Object.keys(PROFILES).join(", ");
    expect(() => new Guest({ profile: name })).toThrow(`profile "${name}": must be one of ${known}`);
  });

  it("can be given as an object with a quirk of one's own", () => {
    const profile = { ...findProfile("qemu-7.2"), name: "mine", emptyListStatus: 0 };
    expect(new Guest({ profile }).stuff(WIN0, 0n, 0n, 0)).toBe(0);
  });
});
