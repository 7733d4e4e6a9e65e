import { describe, expect, it } from "vitest";
import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "../../../src/check/check-options.ts";
import { checkReportToJson } from "../../../src/check/report.ts";
import { checkStream } from "../../../src/check/saved/stream-check.ts";
import { readMigrationAsFar } from "../../../src/formats/migration/reader.ts";
import type { PartialStream } from "../../../src/formats/migration/stream.ts";
import { writeMigration } from "../../../src/formats/migration/stream-writer.ts";
import { Machine } from "../../../src/spapr/machine.ts";
import type { MachineConfig } from "../../../src/spapr/machine-config.ts";
import { type SavedTable, saveTables } from "../../../src/spapr/saved-table.ts";
import { TceTable } from "../../../src/tce/tce-table.ts";
import { fileOf, recordedStream, recordedStreams } from "../../formats/migration/sources.ts";
import { some } from "../../helpers/some.ts";

const DEFAULT = 0x8000_0000;
const SECOND = 0x8000_0001;
const GIB = 1 << 30;
const MAIN = { name: "ppc_spapr.ram", size: GIB };

/** A machine of ours as a saved one, with the memory that it is said to have. */
async function saved(
  work: (machine: Machine) => void,
  { ram = [MAIN], change = (tables: SavedTable[]) => tables, ...config }: Changes = {},
): Promise<PartialStream> {
  const machine = new Machine(config);
  work(machine);
  const pieces: Uint8Array[] = [];
  for (const piece of writeMigration("pseries-7.2", change(saveTables(machine))))
    pieces.push(Uint8Array.from(piece));
  return { ...(await readMigrationAsFar(fileOf(new Uint8Array(Buffer.concat(pieces))))), ramBlocks: ram };
}

type Changes = MachineConfig & {
  readonly ram?: { name: string; size: number }[];
  readonly change?: (tables: SavedTable[]) => SavedTable[];
};

const create = (machine: Machine, pageShift: number, windowShift: number): TceTable => {
  const [, liobn] = machine.rtas(0x2027, [0, 0x0800_0000, 0x2000_0000, pageShift, windowShift], 4);
  return machine.env.liobns.find(0, liobn!)!.table!;
};
const table = (machine: Machine, liobn: number): TceTable => machine.env.liobns.find(0, liobn)!.table!;
const found = (stream: PartialStream, options: Partial<CheckOptions> = {}) =>
  checkStream(stream, "file", { ...DEFAULT_CHECK_OPTIONS, ...options }).findings;

describe("a recorded machine", () => {
  it.each(some(recordedStreams(), 3))("has nothing wrong with it: %s", async (name) => {
    const stream = await readMigrationAsFar(fileOf(recordedStream(name)));
    const report = checkStream(stream, name, DEFAULT_CHECK_OPTIONS);
    expect(report.findings).toEqual([]);
    expect(report.verified).toBe(stream.description!.sections.length);
    const there = stream.windows.filter(({ entries }) => entries > 0);
    expect(report.windows.map(({ liobn, entries }) => [liobn, entries])).toEqual(
      there.map(({ liobn, entries }) => [liobn, entries]),
    );
  });

  it.each([0.9, 0.7, 0.5, 0.1])("that is cut to %d of its length is told of up to there", async (part) => {
    const bytes = recordedStream("two-phbs-virtio-e1000-linux61--two-phbs-idle");
    const cut = bytes.subarray(0, Math.floor(bytes.length * part) - 1);
    const report = checkStream(await readMigrationAsFar(fileOf(cut)), "file", DEFAULT_CHECK_OPTIONS);
    expect(report.findings).toHaveLength(1);
    expect(report.findings[0]).toMatchObject({ kind: "truncated", severity: "error", lines: [cut.length] });
    expect(report.findings[0]!.message).toMatch(/no QEMU loads this: .*the stream ends within/);
  });
});

it("other machines of the same disk are not judged, which is nothing to worry about", async () => {
  const others = [{ id: "1", name: "before", seconds: 0, stateBytes: 1 }];
  const snapshot = { id: "2", name: "after", seconds: 1, stateBytes: 1 };
  const snapshots = [...others, snapshot];
  const container = { layers: [], offset: 0, domainXml: undefined, remarks: [], snapshot, snapshots, others };
  const report = checkStream(await saved(() => {}), "file", DEFAULT_CHECK_OPTIONS, container);
  expect([report.findings, report.notJudged]).toEqual([
    [],
    [
      {
        count: 1,
        reason: 'more in other snapshots of this disk ("before"): this is the newest machine, "after"',
      },
    ],
  ]);
});

it("a description that is cut is a warning: QEMU does not read it", async () => {
  const bytes = recordedStream("two-phbs-virtio-e1000-linux61--two-phbs-idle");
  const report = checkStream(
    await readMigrationAsFar(fileOf(bytes.subarray(0, -1))),
    "file",
    DEFAULT_CHECK_OPTIONS,
  );
  expect(report.findings).toMatchObject([
    { kind: "truncated", severity: "warning", lines: [bytes.length - 1] },
  ]);
  expect(report.findings[0]!.message).toMatch(
    /^the description at its end is damaged, which QEMU does not read: /,
  );
  expect(report.windows).toHaveLength(4);
});

it("a saved machine is told of in the shape of a trace's check", async () => {
  const stream = await saved((machine) => table(machine, DEFAULT).set(1, 0x4000_0003n));
  const json = checkReportToJson(checkStream(stream, "file", DEFAULT_CHECK_OPTIONS));
  expect(json).toEqual({
    file: "file",
    format: "migration-stream",
    events: 2,
    skippedLines: 0,
    verified: 2,
    mismatches: 0,
    judged: {
      events: 2,
      windows: 1,
      answers: 2,
      devices: 0,
      maps: 0,
      unmaps: 0,
      syncs: 0,
      failed: 0,
      hostEvents: 0,
      alive: 0,
      alivePatterns: 0,
      kernelLines: 0,
      ranges: 0,
      rangesAlive: 0,
    },
    notJudged: [],
    bounced: [],
    windows: [
      {
        liobn: "0x80000000",
        busOffset: "0x0",
        pageShift: 12,
        entries: 0x4_0000,
        createdAt: null,
        removedAt: null,
        live: 1,
        inferred: 0,
        unknown: 0,
      },
    ],
    findings: [
      {
        kind: "beyond-ram",
        severity: "error",
        liobn: "0x80000000",
        ioba: "0x1000",
        pages: 1,
        // The section, and where it begins: behind "QEVM", the version and the machine type.
        events: [0],
        lines: [24],
        count: 1,
        message: "maps 0x40000000, but memory ends at 0x40000000 (1 page of this window in all)",
      },
    ],
  });
});

describe("a state shows", () => {
  it("windows that lie over each other", async () => {
    const stream = await saved((machine) => {
      create(machine, 16, 30);
      machine.rtas(0x2028, [DEFAULT], 1);
      create(machine, 16, 30);
    });
    expect(found(stream)).toMatchObject([
      { kind: "window-overlap", severity: "error", liobn: SECOND, ioba: 1n << 59n, events: [0, 1] },
    ]);
    // On different bridges the same addresses are no overlap.
    expect(found(await saved(() => {}, { phbs: [{ index: 0 }, { index: 1 }] }))).toEqual([]);
  });

  it.each([
    { name: "full and in pieces", every: 1, from: 0, expected: ["window-full"] },
    { name: "full, with a large piece free", every: 1, from: 100, expected: [] },
    { name: "half full, in pieces", every: 2, from: 0, expected: ["fragmented"] },
  ])("a window that is $name", async ({ every, from, expected }) => {
    const stream = await saved((machine) => {
      const window = create(machine, 16, 16 + 11);
      for (let i = from; i < window.length; i += every)
        window.set(i, BigInt((i * 7919) % 0x3fff) * 0x1_0000n + 3n);
      if (every === 1) for (let i = 50; i < window.length; i += 50) window.set(i, 0n);
    });
    expect(found(stream, { fullAt: 0.9 }).map(({ kind }) => kind)).toEqual(expected);
  });

  it("memory that a direct window does not map, which may be all that another one maps", async () => {
    const direct = (pages: number) => (machine: Machine) => {
      create(machine, 24, 30).putRun(0, pages, 0, 3);
    };
    expect(found(await saved(direct(64)))).toEqual([]);
    expect(found(await saved(direct(60)))).toMatchObject([
      {
        kind: "direct-map-hole",
        severity: "warning",
        liobn: SECOND,
        ioba: (1n << 59n) + 0x3c00_0000n,
        pages: 4,
      },
    ]);
    expect(found(await saved(direct(60)), { ram: 0x3c00_0000n })).toEqual([]);
    // Without the list of memory only what the other window maps is memory for sure.
    const both = (machine: Machine) => {
      direct(60)(machine);
      table(machine, DEFAULT).set(0, 0x3d00_0003n);
    };
    expect(found(await saved(both, { ram: [] }))).toMatchObject([{ kind: "direct-map-hole", pages: 1 }]);
  });

  it("entries behind the end of memory, together for each window", async () => {
    const work = (machine: Machine) => {
      const window = table(machine, DEFAULT);
      window.putRun(10, 20, 0, GIB - 0x4000 + 3);
      window.set(100, 0xffff_ffff_ffff_f001n);
      window.set(101, 0xffff_ffff_ffff_f000n);
    };
    expect(found(await saved(work))).toMatchObject([
      { kind: "beyond-ram", severity: "error", liobn: DEFAULT, ioba: 0xe000n, pages: 17, events: [0] },
    ]);
    expect(found(await saved(work), { ram: 1n << 31n })).toMatchObject([{ pages: 1, ioba: 0x6_4000n }]);
    // With memory that was plugged somewhere, and without any list, the end is not known.
    for (const ram of [[MAIN, { name: "dimm", size: GIB }], []])
      expect(found(await saved(work, { ram }))).toEqual([]);
    expect(found(await saved(work, { ram: [MAIN, { name: "vga.rom", size: 0x4_0000 }] }))).toHaveLength(1);
  });

  it.each([
    { what: "a backend of any name", names: ["my-memory"], ends: true },
    { what: "two backends, of which one may be plugged", names: ["m0", "m1"], ends: false },
    { what: "NUMA nodes of libvirt's", names: ["ram-node0", "/objects/ram-node1"], ends: true },
    { what: "the same and a DIMM", names: ["ram-node0", "memdimm0"], ends: false },
  ])("of a machine whose memory is $what is found where its end is known", async ({ names, ends }) => {
    const ram = names.map((name) => ({ name, size: GIB / names.length }));
    const stream = await saved((machine) => table(machine, DEFAULT).set(1, BigInt(GIB) | 3n), { ram });
    expect(found(stream).map(({ kind }) => kind)).toEqual(ends ? ["beyond-ram"] : []);
  });

  const one = (liobn: number, to: Partial<SavedTable>) => (tables: SavedTable[]) =>
    tables.map((saved) => (saved.liobn === liobn ? { ...saved, ...to } : saved));
  const VIO = 0x7100_0002;
  const shape = (length: number, pageShift: number, busOffset: bigint) => ({
    table: new TceTable({ length, pageShift }),
    geometry: { busOffset, pageShift },
  });
  it.each([
    {
      name: "a place but no entries",
      change: one(SECOND, { geometry: { busOffset: 1n << 59n, pageShift: 16 } }),
      message: /has no entries, yet it lies at/,
    },
    {
      name: "pages that are too small",
      change: one(SECOND, shape(16, 3, 1n << 59n)),
      message: /pages of 8 B, less than 4 KiB/,
    },
    {
      name: "an end behind the bus",
      change: one(SECOND, shape(17, 60, 0n)),
      message: /ends past the last address/,
    },
    {
      name: "bypass on a bridge",
      change: one(DEFAULT, { bypass: true }),
      message: /bypass is set, which is for VIO/,
    },
    {
      name: "def_win in window 1",
      change: one(SECOND, { defWin: true }),
      message: /def_win is set, which only window 0/,
    },
    {
      name: "def_win in a VIO window",
      change: one(VIO, { defWin: true }),
      message: /def_win is set, which only window 0/,
    },
    {
      name: "a VIO window of another size",
      change: one(VIO, shape(16, 12, 0n)),
      message: /a VIO device has 65,536 pages of 4 KiB at 0, and here are 16/,
    },
    {
      name: "a window 7",
      change: one(SECOND, { liobn: 0x8000_0007 }),
      message: /no bridge has a window of that number/,
    },
    {
      name: "a window twice",
      change: (tables: SavedTable[]) => [...tables, tables[0]!],
      message: /it is saved a second time/,
    },
    {
      name: "two versions",
      change: one(VIO, { version: 2, defWin: null }),
      message: /in version 2, and that of 0x80000000 in version 3/,
    },
    {
      name: "a bridge without window 0",
      change: (tables: SavedTable[]) => tables.slice(1),
      message: /its bridge is saved without window 0/,
    },
  ])("a header with $name", async ({ change, message }) => {
    const vio = [{ type: "spapr-vlan", reg: VIO }];
    const findings = found(await saved(() => {}, { change, vio }));
    const kinds = findings.filter(({ kind }) => kind !== "window-overlap");
    expect(kinds).toHaveLength(1);
    expect(kinds[0]).toMatchObject({ kind: "mismatch", severity: "error" });
    expect(kinds[0]!.message).toMatch(message);
  });

  it("a window saved a thousand times", async () => {
    const many = (tables: SavedTable[]) =>
      Array.from({ length: 1000 }, () => ({ ...tables[1]!, ...shape(16, 16, 1n << 59n) }));
    const stream = await saved(() => {}, { change: many });
    const report = checkStream(stream, "file", DEFAULT_CHECK_OPTIONS);
    // Each time but the first, and that its bridge has no window 0.
    expect(report.findings.length).toBeGreaterThan(999);
  });
});
