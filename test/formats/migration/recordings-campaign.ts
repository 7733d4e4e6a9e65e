import { expect, it } from "vitest";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { MigrationStream } from "../../../src/formats/migration/stream.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { storedOf } from "../../tce/model.ts";
import {
  anySize,
  chunksOf,
  type Reference,
  recordedReference,
  recordedStream,
  recordedStreams,
} from "./sources.ts";

/** Streams of Linux guests; what another reader found in them is in a file beside each. */
export const LINUX = recordedStreams().filter((name) => name.includes("linux"));

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

/** Fails where a stream does not have the tables of the reference. */
export function compareTables(name: string, stream: MigrationStream, where: string): void {
  const reference = recordedReference(name);
  expect(stream.length).toBe(reference.uncompressed_bytes);
  // As text: many thousands of entries.
  const [found, expected] = [referenceOf(stream), reference.spapr_iommu].map((it) => JSON.stringify(it));
  expect(found === expected, where).toBe(true);
  expect([...new Set(stream.sections.map((section) => section.name))]).toEqual(reference.section_names);
  expect(stream.machine).toBe("pseries-7.2");
}

/** Recordings that have the tables of the reference, however they are offered: several times, or once in pieces. */
export function offerStreams(names: readonly string[]): void {
  it.each(names)(
    `%s has the tables of the reference, however it is offered, SEED=${runSeed()}`,
    async (name) => {
      const bytes = recordedStream(name);
      const random = new Random(runSeed());
      const sources = {
        factory: () => chunksOf(bytes, () => 65_536),
        pipe: chunksOf(bytes, bytes.length < 1_000_000 ? anySize(random) : () => 1 + random.below(9000)),
      };
      for (const [kind, source] of Object.entries(sources))
        compareTables(name, await readMigration(source), kind);
    },
  );
}
