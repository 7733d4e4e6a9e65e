import { describe, expect, it } from "vitest";
import { editMigration } from "../../../src/formats/migration/edit.ts";
import { SavedRam } from "../../../src/formats/migration/ram-index.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { MigrationStream } from "../../../src/formats/migration/stream.ts";
import { describeTceSection } from "../../../src/formats/migration/tce-section-writer.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { storedOf } from "../../tce/model.ts";
import {
  anySize,
  chunksOf,
  fileOf,
  joined,
  type Reference,
  recordedReference,
  recordedStream,
  recordedStreams,
} from "./sources.ts";

/** Streams of Linux guests; what another reader found in them is in a file beside each. */
const LINUX = recordedStreams().filter((name) => name.includes("linux"));

/** The tables of a stream in the form of the reference. */
const referenceOf = (stream: MigrationStream): Reference["spapr_iommu"] =>
  stream.windows.map(({ section, liobn, entries, bypass, defWin, geometry, table }) => ({
    section_id: section.id,
    liobn: `0x${liobn.toString(16)}`,
    mig_nb_table: entries,
    bypass,
    def_win: defWin!,
    has_ex_subsection: geometry !== null,
    bus_offset: `0x${(geometry?.busOffset ?? 0n).toString(16)}`,
    page_shift: geometry?.pageShift ?? 12,
    table_length: table?.length ?? 0,
    nonzero: table?.storedCount ?? 0,
    table: Object.fromEntries(
      table === null ? [] : storedOf(table).map(([i, value]) => [i, `0x${value.toString(16)}`]),
    ),
  }));

it("has recordings", () => {
  expect(LINUX.length).toBe(13);
});

describe.each(LINUX)("%s", (name) => {
  const bytes = recordedStream(name);
  const reference = recordedReference(name);

  it("has the tables of the reference, however it is offered", async () => {
    const random = new Random(runSeed());
    const sources = {
      file: fileOf(bytes),
      factory: () => chunksOf(bytes, () => 65_536),
      pipe: chunksOf(bytes, bytes.length < 1_000_000 ? anySize(random) : () => 1 + random.below(9000)),
    };
    for (const [kind, source] of Object.entries(sources)) {
      const stream = await readMigration(source);
      expect(stream.length).toBe(reference.uncompressed_bytes);
      // As text: many thousands of entries.
      const [found, expected] = [referenceOf(stream), reference.spapr_iommu].map((it) => JSON.stringify(it));
      expect(found === expected, `${kind}, SEED=${random.seed}`).toBe(true);
      expect([...new Set(stream.sections.map((section) => section.name))]).toEqual(reference.section_names);
      expect(stream.machine).toBe("pseries-7.2");
    }
  });

  it("describes its TCE tables as QEMU does, and comes back from an edit that changes nothing", async () => {
    const stream = await readMigration(fileOf(bytes));
    const described = stream.description!.sections.filter((section) => section.name === "spapr_iommu");
    expect(stream.windows.map(describeTceSection)).toEqual(described.map((section) => section.json));
    const same = await joined(editMigration(fileOf(bytes), stream, stream.windows));
    expect(Buffer.compare(same, bytes)).toBe(0);
  });
});

describe("a machine with a hash table", () => {
  const bytes = recordedStream("hash-table-power8-firmware");

  it("is read to its end, and its RAM can be read afterwards", async () => {
    const stream = await readMigration(fileOf(bytes), { indexRam: true });
    expect(stream.sections.find((section) => section.name === "spapr/htab")?.dataLength).toBe(4);
    expect(stream.windows.map(({ liobn, entries }) => [liobn, entries])).toEqual([
      [0x8000_0000, 262_144],
      [0x8000_0001, 0],
    ]);
    expect(stream.ramBlocks).toEqual([{ name: "ppc_spapr.ram", size: 0x1000_0000 }]);
    // The image of the firmware (SLOF) begins with a header that has two words to be known by.
    const ram = new SavedRam(stream.ramBlocks, stream.ram!, fileOf(bytes));
    expect(Buffer.from(await ram.read("ppc_spapr.ram", 0x20, 16)).toString()).toBe("header\0\0magic123");
  });
});
