import { mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { editMigration } from "../../src/formats/migration/edit.ts";
import { readMigration } from "../../src/formats/migration/reader.ts";
import type { ByteFile } from "../../src/formats/migration/source.ts";
import type { MigrationStream } from "../../src/formats/migration/stream.ts";
import { writeMigration } from "../../src/formats/migration/stream-writer.ts";
import { withTable } from "../../src/formats/migration/tce-section-writer.ts";
import { type OpScript, parseOpScript } from "../../src/formats/op-script/script.ts";
import type { QmpClient } from "../../src/live/qmp.ts";
import { migrationStatus } from "../../src/live/settings.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { Hcall, RtasToken } from "../../src/spapr/papr.ts";
import { loadTables, type SavedTable, saveTables } from "../../src/spapr/saved-table.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import type { TceView } from "../../src/tce/tce-view.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { RunningQemu } from "./running-qemu.ts";
import { until } from "./until.ts";

const DEFAULT = 0x8000_0000;
const SECOND = 0x8000_0001;
const UNIT = "[0,134217728,536870912";

/** A machine with both windows in use: 1 GiB of 4K pages, and 2^30 bytes of 64K pages at 2^59. */
const SCRIPT: OpScript = parseOpScript(
  [
    '{"header":1,"machine":"pseries-7.2","phbs":[{"index":0}]}',
    `{"op":"rtas","name":"ibm,create-pe-dma-window","args":${UNIT},16,30],"nret":4}`,
    '{"op":"h_stuff_tce","liobn":"0x80000000","ioba":"0x100000","tce":"0x5003","npages":100}',
    '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x3ffff000","tce":"0xffffffffffffffff"}',
    '{"op":"h_stuff_tce","liobn":"0x80000001","ioba":"0x800000000000000","tce":"0x1230001","npages":300}',
  ].join("\n"),
  "script",
);

function fileOf(file: string): ByteFile {
  const fd = openSync(file, "r");
  return {
    size: statSync(file).size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    },
  };
}

async function save(client: QmpClient, file: string): Promise<MigrationStream> {
  await client.execute("migrate", { uri: `exec:cat > ${file}` });
  await until(async () => (await migrationStatus(client)) === "completed", "the migration");
  return await readMigration(fileOf(file));
}

const tableOf = (stream: MigrationStream, liobn: number): TceView | null =>
  stream.windows.find((window) => window.liobn === liobn)!.table;

/** All entries that are not zero. */
function entriesOf(table: TceView | null): [index: number, value: bigint][] {
  const entries: [number, bigint][] = [];
  table?.forEachStoredRun(0, table.length, (first, count) => {
    for (let i = first; i < first + count; i++) entries.push([i, table.get(i)]);
  });
  return entries;
}

/** Saves a machine, edits the stream, loads it into another QEMU, saves that one; both ends of the way. */
async function roundTrip(edit: (saved: MigrationStream) => Parameters<typeof editMigration>[2]) {
  const source = await RunningQemu.start(SCRIPT);
  let target: RunningQemu | undefined;
  try {
    await source.atGate();
    const client = await source.monitor();
    const first = path.join(source.folder, "first");
    const saved = await save(client, first);
    client.close();
    const edited = path.join(source.folder, "edited");
    const out = await open(edited, "w");
    for await (const piece of editMigration(fileOf(first), saved, edit(saved))) await out.write(piece);
    await out.close();
    target = await RunningQemu.start(SCRIPT, { more: ["-incoming", `exec:cat ${edited}`] });
    return { saved, loaded: await readBack(target), stderr: target.stderr };
  } finally {
    await source.stop();
    await target?.stop();
  }
}

/** What a QEMU holds when it has loaded a stream. */
async function readBack(target: RunningQemu): Promise<MigrationStream> {
  const monitor = await target.monitor();
  await until(
    async () =>
      ["running", "postmigrate", "paused"].includes(
        (await monitor.execute("query-status")).get("status").text,
      ),
    `the stream to be loaded (${target.stderr})`,
  );
  const loaded = await save(monitor, path.join(target.folder, "second"));
  monitor.close();
  return loaded;
}

/** Loads a stream that is nothing but tables of ours; the guest does not run. */
async function loadTablesOnly(tables: readonly SavedTable[]) {
  const folder = mkdtempSync(path.join(tmpdir(), "spapr-iommu-test-"));
  let target: RunningQemu | undefined;
  try {
    const file = path.join(folder, "ours.mig");
    const out = await open(file, "w");
    for (const piece of writeMigration("pseries-7.2", tables)) await out.write(piece);
    await out.close();
    target = await RunningQemu.start(SCRIPT, { more: ["-S", "-incoming", `exec:cat ${file}`] });
    const loaded = await readBack(target);
    const monitor = await target.monitor();
    const tree = (await monitor.execute("human-monitor-command", { "command-line": "info mtree" })).text;
    monitor.close();
    return { loaded, tree, stderr: target.stderr };
  } finally {
    await target?.stop();
    rmSync(folder, { recursive: true });
  }
}

/** A machine of ours like that of the script, whose guest created windows and wrote entries as it liked. */
function busyMachine(
  profile: string,
  random: Random,
  calls: readonly (readonly [shift: number, size: number])[],
): Machine {
  const machine = new Machine({ profile, phbs: [{ index: 0 }] });
  for (const [pageShift, windowShift] of calls) {
    const { windows } = machine.phbs[0]!;
    const used = windows.filter(({ enabled }) => enabled);
    if (used.length === 2) machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [random.pick(used).liobn], 1);
    machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, [0, 0x0800_0000, 0x2000_0000, pageShift, windowShift], 4);
  }
  for (const { liobn, busOffset, entries, pageShift } of machine.env.liobns) {
    for (let i = 0; entries > 0 && i < 300; i++) {
      const ioba = busOffset + (BigInt(random.below(entries)) << BigInt(pageShift));
      machine.call(Hcall.STUFF_TCE, liobn, ioba, random.u64(), 1 + random.below(3));
    }
  }
  return machine;
}

/** What a stream says of each window but for what only its framing shows. */
const statesOf = (tables: readonly SavedTable[]) =>
  tables.map(({ liobn, bypass, table, defWin, geometry }) => ({
    liobn,
    bypass,
    defWin,
    geometry,
    length: table?.length ?? 0,
    entries: entriesOf(table),
  }));

/** What QEMU said, but that this version of a machine is old. */
const complaints = (stderr: string): string[] =>
  stderr.split("\n").filter((line) => line !== "" && !/ is deprecated: /.test(line));

describe("what our machine saved, in real QEMU", () => {
  const random = new Random(runSeed());

  it.each([
    { name: "both windows", calls: [[16, 30]] },
    {
      name: "the default window gone, another one in its place",
      calls: [
        [16, 30],
        [24, 36],
        [12, 25],
      ],
    },
    { name: "no second window", calls: [] },
  ] as const)("takes the place of a real machine's tables: $name", async ({ calls }) => {
    const machine = busyMachine("qemu-7.2", random, calls);
    const { loaded } = await roundTrip(() => saveTables(machine));
    expect(statesOf(loaded.windows), `seed ${random.seed}`).toEqual(statesOf(saveTables(machine)));
  });

  it.each([
    {
      profile: "qemu-7.2",
      calls: [
        [16, 30],
        [24, 40],
      ],
    },
    { profile: "qemu-4.0", calls: [[16, 32]] },
  ] as const)("is loaded as a stream of its own, in the version of $profile", async ({ profile, calls }) => {
    const machine = busyMachine(profile, random, calls);
    const tables = saveTables(machine);
    const { loaded, stderr } = await loadTablesOnly(tables);
    expect(complaints(stderr)).toEqual([]);
    // Version 2 does not carry which window is the default one: it stays what the reset made it.
    const expected = statesOf(tables).map((state) => ({
      ...state,
      defWin: state.defWin ?? state.liobn === DEFAULT,
    }));
    expect(statesOf(loaded.windows), `seed ${random.seed}`).toEqual(expected);
    // And a machine of ours that loads what QEMU saved then has the same again.
    const again = new Machine({ phbs: [{ index: 0 }] });
    loadTables(again, loaded.windows);
    expect(statesOf(saveTables(again))).toEqual(expected);
  });

  it("keeps its region over a window of as many entries, as ours does", async () => {
    const machine = new Machine({ phbs: [{ index: 0 }] });
    machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, [0, 0x0800_0000, 0x2000_0000, 16, 34], 4);
    // As many entries as the default window, and now in its place: LIOBN 0 with 64K pages, at 2^59.
    machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [DEFAULT], 1);
    machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, [0, 0x0800_0000, 0x2000_0000, 16, 34], 4);
    const tables = saveTables(machine);
    const ours = new Machine({ phbs: [{ index: 0 }] });
    loadTables(ours, tables);
    expect(ours.phbs[0]!.windows.map(({ iommu }) => iommu.size)).toEqual([1n << 30n, 1n << 34n]);
    const { tree } = await loadTablesOnly(tables);
    const sizeOf = (liobn: number): bigint => {
      const found = new RegExp(`([0-9a-f]{16})-([0-9a-f]{16}) .*tce-iommu-${liobn.toString(16)}`).exec(tree)!;
      return BigInt(`0x${found[2]}`) - BigInt(`0x${found[1]}`) + 1n;
    };
    expect([sizeOf(DEFAULT), sizeOf(SECOND)]).toEqual([1n << 30n, 1n << 34n]);
  });
});

describe("a stream that was edited, in real QEMU", () => {
  it("comes back as it was when nothing was changed", async () => {
    const { saved, loaded, stderr } = await roundTrip(() => []);
    expect(complaints(stderr)).toEqual([]);
    expect(entriesOf(tableOf(saved, DEFAULT))).toHaveLength(101);
    for (const liobn of [DEFAULT, SECOND]) {
      expect(entriesOf(tableOf(loaded, liobn))).toEqual(entriesOf(tableOf(saved, liobn)));
    }
  });

  it("has the one TCE that was changed, and all others", async () => {
    const { saved, loaded } = await roundTrip((stream) => {
      const window = stream.windows.find(({ liobn }) => liobn === DEFAULT)!;
      const table = TceTable.from(window.table!);
      table.set(0x110, 0xdead_beef_0000_7003n);
      return [withTable(window, table)];
    });
    const expected = entriesOf(tableOf(saved, DEFAULT)).map(([index, value]) => [
      index,
      index === 0x110 ? 0xdead_beef_0000_7003n : value,
    ]);
    expect(entriesOf(tableOf(loaded, DEFAULT))).toEqual(expected);
    expect(entriesOf(tableOf(loaded, SECOND))).toEqual(entriesOf(tableOf(saved, SECOND)));
  });

  it.each([
    { name: "as many entries", length: 0x4000, pageShift: 16, busOffset: 1n << 59n },
    { name: "another length", length: 0x1234, pageShift: 16, busOffset: 1n << 59n },
    { name: "another length, page size and place", length: 77, pageShift: 24, busOffset: 1n << 56n },
  ])("has the table that replaced a window's: $name", async ({ length, pageShift, busOffset }) => {
    const random = new Random(length);
    const table = new TceTable({ length, pageShift });
    for (let i = 0; i < 50; i++) table.set(random.below(length), random.u64());
    const { saved, loaded } = await roundTrip((stream) => [
      withTable(stream.windows.find(({ liobn }) => liobn === SECOND)!, table, busOffset),
    ]);
    const window = loaded.windows.find(({ liobn }) => liobn === SECOND)!;
    expect(window.geometry).toEqual({ busOffset, pageShift });
    expect(window.entries).toBe(length);
    expect(entriesOf(window.table)).toEqual(entriesOf(table));
    expect(entriesOf(tableOf(loaded, DEFAULT))).toEqual(entriesOf(tableOf(saved, DEFAULT)));
  });

  it("has no window where it was taken out", async () => {
    const { loaded } = await roundTrip((stream) => [
      withTable(stream.windows.find(({ liobn }) => liobn === SECOND)!, null),
    ]);
    expect(tableOf(loaded, SECOND)).toBe(null);
  });
});
