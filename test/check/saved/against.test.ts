import { describe, expect, it } from "vitest";
import type { Moment } from "../../../src/check/state/moment.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { MigrationStream } from "../../../src/formats/migration/stream.ts";
import { writeMigration } from "../../../src/formats/migration/stream-writer.ts";
import { Machine } from "../../../src/spapr/machine.ts";
import { saveTables } from "../../../src/spapr/saved-table.ts";
import type { TceTable } from "../../../src/tce/tce-table.ts";
import { fileOf } from "../../formats/migration/sources.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { runSeed } from "../../helpers/random.ts";
import { agreeWithTraces, changeEntries, checkAgainst, PAIRS } from "./against-campaign.ts";

it("there are recordings of both", () => {
  expect(PAIRS.length).toBe(13);
});

// The long run compares all of them.
agreeWithTraces(PAIRS.filter((_, i) => i % 6 === 1));

it.each(PAIRS.filter((_, i) => i % 12 === 0))(
  `$name differs in exactly the entry that was changed, SEED=${runSeed()}`,
  ({ name }) => changeEntries(runSeed(), name, 1),
);

const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1\n";
const NEW_VIO = "spapr_iommu_new_table liobn=0x71000002 table=0x2000 fd=-1\n";
const put = (ioba: number, tce: number, liobn = 0x8000_0000): string =>
  `spapr_iommu_${liobn >= 0x8000_0000 ? "pci_" : ""}put liobn=0x${liobn.toString(16)} ioba=0x${ioba.toString(16)} tce=0x${tce.toString(16)} ret=0\n`;
const PRE_SAVE =
  "spapr_iommu_pre_save liobn=80000000 40000 bus_offset=0x0 ps=12\nspapr_iommu_pre_save liobn=80000001 0 bus_offset=0x0 ps=0\n";

/** A machine of ours as a saved one. */
async function saved(work: (machine: Machine) => void, config = {}): Promise<MigrationStream> {
  const machine = new Machine(config);
  work(machine);
  const pieces: Uint8Array[] = [];
  for (const piece of writeMigration("pseries-7.2", saveTables(machine))) pieces.push(Uint8Array.from(piece));
  return readMigration(fileOf(new Uint8Array(Buffer.concat(pieces))));
}

const table = (machine: Machine, liobn: number): TceTable => machine.env.liobns.find(0, liobn)!.table!;
const check = (text: string, stream: MigrationStream, moment?: Moment) =>
  checkAgainst(new TextEncoder().encode(text), stream.windows, moment);

describe("a trace and a saved machine", () => {
  it("are compared at the save that fits best, or where the user says", async () => {
    const stream = await saved((machine) => table(machine, 0x8000_0000).set(1, 0x2003n));
    const text =
      NEW + put(0x1000, 0x2003) + PRE_SAVE + put(0x1000, 0x5003) + PRE_SAVE + put(0x1000, 0) + PRE_SAVE;
    const best = check(text, stream);
    expect([best.against.before, best.against.saves, best.mismatches]).toEqual([{ event: 2, line: 3 }, 3, 0]);
    for (const [moment, mismatches] of [
      [{ event: 1 }, 0],
      [{ event: 4 }, 1],
      [{ event: 9 }, 1],
    ] as const) {
      expect(check(text, stream, moment).mismatches, JSON.stringify(moment)).toBe(mismatches);
    }
    expect(() => check(text, stream, { event: 10 })).toThrow(/event 10 lies outside .* events 0 to 9/);
    const without = check(NEW + put(0x1000, 0x2003), stream);
    expect([without.against.before, without.mismatches]).toEqual([undefined, 0]);
  });

  it("name the event that set an entry, and the one that cleared it", async () => {
    const stream = await saved((machine) => {
      table(machine, 0x8000_0000).set(1, 0x9003n);
      table(machine, 0x8000_0000).set(2, 0x3003n);
    });
    const report = check(NEW + put(0x1000, 0x2003) + put(0x2000, 0x3003) + put(0x2000, 0), stream);
    expect(report.findings.map(({ ioba, lines, events }) => [ioba, lines, events])).toEqual([
      [0x1000n, [2], [1]],
      [0x2000n, [4], [3]],
    ]);
    expect(report.against.windows[0]).toMatchObject({ agreed: 0, differing: 2, empty: 0x4_0000 - 2 });
  });

  it.each([
    { name: "equal but for bits that no translation shows", tce: 0x12_3456_7ff7n, mismatches: 0 },
    { name: "another target", tce: 0x12_3457_7003n, mismatches: 1 },
    { name: "another permission", tce: 0x12_3456_7001n, mismatches: 1 },
  ])("of which only a translation told, $name: $mismatches", async ({ tce, mismatches }) => {
    const stream = await saved((machine) => table(machine, 0x8000_0000).set(1, tce));
    const text = "spapr_iommu_xlate liobn=0x80000000 0x1000 -> 0x1234567000 perm=3 mask=0xfff\n";
    const report = check(text, stream);
    expect(report.mismatches).toBe(mismatches);
    expect(report.findings.map(({ lines }) => lines)).toEqual(mismatches === 0 ? [] : [[1]]);
    expect(report.against.windows[0]).toMatchObject({ unknown: 0x4_0000 - 1, agreed: 1 - mismatches });
  });

  it.each([
    {
      name: "the trace has a window that the machine has not",
      text: `${NEW}spapr_iommu_new_table liobn=0x80000001 table=0x1 fd=-1\nspapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=0x100000, start addr=0x800000000000000, liobn=0x80000001\n`,
      work: () => {},
      message: /is there by all that the trace shows, and the saved machine says that it is not/,
    },
    {
      name: "the machine has a window that the trace has not",
      text: NEW,
      work: (machine: Machine) => machine.rtas(0x2027, [0, 0x0800_0000, 0x2000_0000, 16, 20], 4),
      message: /the saved machine has the window, the trace does not/,
    },
    {
      name: "the window is another one",
      text: `${NEW}spapr_iommu_new_table liobn=0x80000001 table=0x1 fd=-1\nspapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=0x100000, start addr=0x800000000000000, liobn=0x80000001\n`,
      work: (machine: Machine) => machine.rtas(0x2027, [0, 0x0800_0000, 0x2000_0000, 16, 21], 4),
      message: /has 16 pages of 2\^16 bytes at 0x800000000000000 by the trace, and 32 pages/,
    },
  ])("differ if $name", async ({ text, work, message }) => {
    const report = check(text, await saved(work));
    expect(report.findings).toHaveLength(1);
    expect(report.findings[0]).toMatchObject({ kind: "mismatch", severity: "error", liobn: 0x8000_0001 });
    expect(report.findings[0]!.message).toMatch(message);
  });

  it("do not differ in what a trace cannot tell", async () => {
    const stream = await saved((machine) => table(machine, 0x8000_0000).set(1, 0x2003n), {
      phbs: [{ index: 0 }, { index: 4 }],
      vio: [{ type: "spapr-vlan", reg: 0x7100_0002 }],
    });
    // quiesce clears a VIO table without a line; bridge 4 was never mentioned; bridge 5 was unplugged.
    const other = NEW.replace("80000000", "80000500");
    const report = check(
      NEW + other + NEW_VIO + put(0x1000, 0x2003) + put(0x3000, 0x7003, 0x7100_0002),
      stream,
    );
    expect(report.findings).toEqual([]);
    const unknown = report.against.windows.map((window) => [window.liobn, window.unknown]);
    expect(unknown).toEqual([
      [0x8000_0000, 0],
      [0x8000_0001, 0],
      [0x8000_0400, 0x4_0000],
      [0x8000_0401, 0],
      [0x7100_0002, 1],
    ]);
  });

  it("differ in a VIO table only if it was not cleared", async () => {
    const stream = await saved((machine) => table(machine, 0x7100_0002).set(5, 0x9003n), {
      vio: [{ type: "spapr-vlan", reg: 0x7100_0002 }],
    });
    const vio = (page: number, tce: number): string => put(page << 12, tce, 0x7100_0002);
    // Cleared after the first two, and filled again.
    const refilled = check(NEW + NEW_VIO + vio(3, 0x7003) + vio(4, 0x8003) + vio(5, 0x9003), stream);
    expect(refilled.findings).toEqual([]);
    expect(refilled.against.windows.at(-1)).toMatchObject({ agreed: 1, unknown: 2, empty: 0xfffd });
    // What is there was stored before: a reset would have cleared it, too.
    const kept = check(NEW + NEW_VIO + vio(5, 0x9003) + vio(3, 0x7003), stream);
    expect(kept.findings).toHaveLength(1);
    expect(kept.findings[0]!.message).toMatch(/entry 3 is 0x7003 by the trace and 0x0 in the saved machine/);
  });

  it("with a list that was not linear contradict what was concluded, as a warning", async () => {
    const stream = await saved((machine) => {
      table(machine, 0x8000_0000).set(1, 0x7003n);
      table(machine, 0x8000_0000).set(2, 0x3003n);
      table(machine, 0x8000_0000).set(3, 0x4003n);
    });
    const list =
      "spapr_iommu_pci_indirect liobn=0x80000000 ioba=0x1000 tcelist=0x8000 iobaN=0x2 tceN=0x4003 ret=0\n";
    const report = check(NEW + list, stream);
    expect(report.findings).toHaveLength(1);
    expect(report.findings[0]).toMatchObject({
      kind: "mismatch",
      severity: "warning",
      ioba: 0x1000n,
      lines: [2],
    });
    expect(report.against.windows[0]).toMatchObject({
      agreed: 1,
      confirmed: 1,
      contradicted: 1,
      differing: 0,
    });
  });

  it("that have nothing in common are told in few lines", async () => {
    const stream = await saved(() => {});
    let text = NEW;
    for (let i = 0; i < 5000; i++) text += put(i * 0x2000, 0x2003);
    const report = check(text, stream);
    const differing = report.findings.filter(({ kind }) => kind === "mismatch");
    expect(differing).toHaveLength(101);
    expect(differing.at(-1)!.message).toBe("4,900 more entries of this window differ");
    expect(report.findings.filter(({ kind }) => kind !== "mismatch")).toMatchObject([
      { kind: "never-unmapped" },
    ]);
    expect(report.against.windows[0]!.differing).toBe(5000);
  });

  it("are not compared with a recording of Linux", () => {
    expect(() => checkAgainst(readCorpus("traces", "dma-ppc64le-linux612-planted.txt"), [])).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED" }),
    );
  });
});
