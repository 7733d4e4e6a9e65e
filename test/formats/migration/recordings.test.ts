import { describe, expect, it } from "vitest";
import { editMigration } from "../../../src/formats/migration/edit.ts";
import { SavedRam } from "../../../src/formats/migration/ram-index.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { describeTceSection } from "../../../src/formats/migration/tce-section-writer.ts";
import { some } from "../../helpers/some.ts";
import { compareTables, LINUX, offerStreams } from "./recordings-campaign.ts";
import { areSame, fileOf, recordedStream } from "./sources.ts";

it("has recordings", () => {
  expect(LINUX.length).toBe(13);
});

describe("a recorded stream", () => {
  it.each(LINUX)("%s has the tables of the reference, which are described as QEMU does", async (name) => {
    const bytes = recordedStream(name);
    const stream = await readMigration(fileOf(bytes));
    compareTables(name, stream, "as a file");
    // Its tables are described as QEMU does.
    const described = stream.description!.sections.filter((section) => section.name === "spapr_iommu");
    expect(stream.windows.map(describeTceSection)).toEqual(described.map((section) => section.json));
  });

  it.each(some(LINUX, 5))("%s comes back from an edit that changes nothing", async (name) => {
    const bytes = recordedStream(name);
    const stream = await readMigration(fileOf(bytes));
    expect(await areSame(editMigration(fileOf(bytes), stream, stream.windows), bytes)).toBe(true);
  });

  // The long run offers all of them.
  offerStreams(LINUX.filter((_, i) => i % 13 === 7));
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
