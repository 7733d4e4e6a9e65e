import { expect, it } from "vitest";
import { editMigration } from "../../../src/formats/migration/edit.ts";
import { readMigration, readMigrationAsFar } from "../../../src/formats/migration/reader.ts";
import { writeMigration } from "../../../src/formats/migration/stream-writer.ts";
import { Machine } from "../../../src/spapr/machine.ts";
import { loadTables, saveTables } from "../../../src/spapr/saved-table.ts";
import { formatTraceEvent } from "../../../src/spapr/trace-events.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { times } from "../../helpers/some.ts";
import { storedOf } from "../../tce/model.ts";
import { be, described, device, footer, HEADER, section, tceData } from "./small-stream.ts";
import { anySize, chunksOf, fileOf, joined, recordedStream } from "./sources.ts";

function bytesOf(pieces: Iterable<Uint8Array>): Uint8Array {
  const copies: Uint8Array[] = [];
  for (const piece of pieces) copies.push(Uint8Array.from(piece));
  return new Uint8Array(Buffer.concat(copies));
}

/** A machine with entries in windows of two bridges and of a device, as its guest left them. */
function busyMachine(profile: string, random: Random): Machine {
  const machine = new Machine({
    profile,
    phbs: [{ index: 0 }, { index: 2 }],
    vio: [{ type: "spapr-vscsi" }],
  });
  machine.rtas(0x2027, [0, 0x0800_0000, 0x2000_0002, 16, 34], 4);
  for (const { table, entries } of machine.env.liobns) {
    for (let i = 0; table !== null && i < 200; i++) table.set(random.below(entries), random.u64());
  }
  return machine;
}

it.each([
  { profile: "qemu-7.2", version: 3 },
  { profile: "qemu-4.0", version: 2 },
])(
  "a machine's stream in version $version is read, and loads into a machine of its make",
  async ({ profile, version }) => {
    const random = new Random(runSeed());
    const source = busyMachine(profile, random);
    const bytes = bytesOf(writeMigration("pseries-4.0", saveTables(source)));
    for (const read of [fileOf(bytes), chunksOf(bytes, anySize(random))]) {
      const stream = await readMigration(read);
      expect(stream.machine).toBe("pseries-4.0");
      expect(stream.windows.map((window) => window.version)).toEqual(Array(5).fill(version));
      const target = busyMachine(profile, random);
      loadTables(target, stream.windows);
      for (const window of source.env.liobns) {
        const { entries, busOffset, pageShift, table } = target.env.liobns.find(0, window.liobn)!;
        expect([entries, busOffset, pageShift]).toEqual([window.entries, window.busOffset, window.pageShift]);
        expect(table === null ? [] : storedOf(table), `seed ${random.seed}`).toEqual(
          window.table === null ? [] : storedOf(window.table),
        );
      }
    }
  },
);

it("has the layout of QEMU's streams", () => {
  const machine = new Machine({ phbs: [{ index: 0, dmaWinSize: 0x2000n }] });
  machine.call(0x20, 0x8000_0000, 0x1000, 0x5003);
  const table = (id: number, liobn: number, data: number[]) => section(4, id, "spapr_iommu", liobn, 3, data);
  const text = bytesOf(writeMigration("pseries-7.2", saveTables(machine)));
  const start = [
    ...[...HEADER, 7, ...be(4, 11), ...Buffer.from("pseries-7.2")],
    ...table(0, 0x8000_0000, tceData(0x8000_0000, [0n, 0x5003n], true, null)),
    ...table(1, 0x8000_0001, tceData(0x8000_0001, [], false, [0n, 0])),
    ...[0, 6],
  ];
  expect([...text.subarray(0, start.length)]).toEqual(start);
  expect(start.slice(-7, -2)).toEqual(footer(1));
  expect(Buffer.from(text.subarray(start.length + 4, start.length + 100)).toString()).toMatch(
    /^\{"page_size": 4096, "devices": \[\{"name": "spapr_iommu", "instance_id": 2147483648, /,
  );
});

it("holds what the tables held when they were saved, though the guest goes on while it is written", async () => {
  const random = new Random(runSeed());
  const machine = busyMachine("qemu-7.2", random);
  const expected = bytesOf(writeMigration("pseries-7.2", saveTables(machine)));
  const pieces: Uint8Array[] = [];
  for (const piece of writeMigration("pseries-7.2", saveTables(machine))) {
    pieces.push(Uint8Array.from(piece));
    for (const { table, entries } of machine.env.liobns) table?.set(random.below(entries), random.u64());
    if (pieces.length === 20) machine.reset();
  }
  expect(Buffer.compare(bytesOf(pieces), expected), `seed ${random.seed}`).toBe(0);
});

it.each(["", "pseries\n", "x".repeat(1025)])("refuses the machine name %j", (name) => {
  expect(() => writeMigration(name, []).next()).toThrow(expect.objectContaining({ code: "BAD_ARGUMENT" }));
});

it("our tables in a recorded machine's stream take the place of its own", async () => {
  const bytes = recordedStream("pgsz-256m-linux61--pgsz-256m");
  const stream = await readMigration(fileOf(bytes));
  const machine = new Machine();
  loadTables(machine, stream.windows);
  expect(Buffer.compare(await joined(editMigration(fileOf(bytes), stream, saveTables(machine))), bytes)).toBe(
    0,
  );
  machine.reset();
  machine.call(0x20, 0x8000_0000, 0x1000, 0x5003);
  const edited = await joined(editMigration(fileOf(bytes), stream, saveTables(machine)));
  const { windows, sections } = await readMigration(fileOf(edited));
  expect(windows.map(({ entries, table }) => [entries, table === null ? [] : storedOf(table)])).toEqual([
    [0x4_0000, [[1, 0x5003n]]],
    [0, []],
  ]);
  expect(sections.length).toBe(stream.sections.length);
});

it("a machine of ours that loads a recorded stream traces what the real destination traced", async () => {
  const bytes = recordedStream("migration-source-virtio-e1000-linux61--source-stream");
  const machine = new Machine();
  const lines: string[] = [];
  machine.observer.trace = (event) => lines.push(formatTraceEvent(event));
  loadTables(machine, (await readMigration(fileOf(bytes))).windows);
  const text = Buffer.from(readCorpus("traces", "migration-destination-virtio-e1000-linux61.log")).toString();
  // The first line is the default window of the machine's first reset, before the stream came.
  const recorded = text
    .split("\n")
    .slice(1)
    .filter((line) => /new_table|post_load/.test(line));
  const withoutPointers = (all: readonly string[]) =>
    all.map((line) => line.replace(/table=0x\w+/, "table="));
  expect(withoutPointers(lines)).toEqual(withoutPointers(recorded));
  const translated = text.split("\n").filter((line) => line.includes("_xlate"));
  expect(translated.length).toBeGreaterThan(5);
  lines.length = 0;
  const window = machine.env.liobns.find(0, 0x8000_0001)!;
  for (const line of translated) {
    machine.phbs[0]!.addressSpace.read(
      window.busOffset + BigInt(/ (0x\w+) ->/.exec(line)![1]!),
      new Uint8Array(1),
      null,
    );
  }
  expect(lines).toEqual(translated);
});

it("says where it is damaged, and what stood before", async () => {
  const table = section(4, 1, "spapr_iommu", 0x8000_0000, 3, tceData(0x8000_0000, [1n], true, null));
  const bytes = Uint8Array.from([
    ...HEADER,
    ...table,
    ...section(4, 2, "timer", 0, 1, [1, 2, 3]),
    ...described([device("spapr_iommu", 0x8000_0000, 18), device("timer", 0, 3)]),
  ]);
  for (let length = 0; length <= bytes.length; length += times(3, 1)) {
    const cut = bytes.subarray(0, length);
    for (const source of [fileOf(cut), chunksOf(cut, () => 5)]) {
      const { damage, windows } = await readMigrationAsFar(source);
      const whole = length >= bytes.lastIndexOf(6);
      expect(damage?.details.offset, `cut to ${length}`).toBe(whole ? undefined : length);
      // A table counts when its data is whole; the footer that follows is framing. One byte more tells that no subsection does.
      const tableEnd = HEADER.length + table.length - 5;
      expect(windows.length, `cut to ${length}`).toBe(length <= tableEnd ? 0 : 1);
    }
  }
});
