import { IommuError } from "../../base/errors.ts";
import type { SavedTable } from "../../spapr/saved-table.ts";
import { FORMAT_VERSION, MAGIC, MAX_MACHINE_NAME, RECORD_CONFIGURATION } from "./configuration.ts";
import { descriptionText, RECORD_DESCRIPTION } from "./description.ts";
import { RECORD_FOOTER } from "./section-scan.ts";
import { TCE_SECTION } from "./tce-section.ts";
import { describeTceSection, tceSectionData } from "./tce-section-writer.ts";

const RECORD_END = 0x00;
const RECORD_FULL = 0x04;

/**
 * Writes a stream with nothing in it but DMA windows: what `saveTables` makes
 * of a machine of ours. It has what every stream has around its sections, so
 * everything that reads streams reads it. To put windows into a whole machine,
 * edit a stream of that machine (`editMigration`).
 *
 * @param machine machine type, such as `pseries-7.2`
 * @returns pieces; one may be overwritten when the next one is asked for
 * @throws IommuError BAD_ARGUMENT for a name that no machine type has, or a table that contradicts itself
 * @public
 */
export function* writeMigration(machine: string, tables: Iterable<SavedTable>): Generator<Uint8Array> {
  if (!/^[\x20-\x7e]+$/.test(machine) || machine.length > MAX_MACHINE_NAME) {
    throw new IommuError("BAD_ARGUMENT", `${JSON.stringify(machine)} is no name of a machine type`);
  }
  yield Uint8Array.from([...u32(MAGIC), ...u32(FORMAT_VERSION)]);
  yield Uint8Array.from([RECORD_CONFIGURATION, ...u32(machine.length), ...ascii(machine)]);
  const devices: unknown[] = [];
  for (const table of tables) {
    const id = devices.length;
    yield Uint8Array.from([
      RECORD_FULL,
      ...u32(id),
      TCE_SECTION.length,
      ...ascii(TCE_SECTION),
      ...u32(table.liobn),
      ...u32(table.version),
    ]);
    yield* tceSectionData(table);
    yield Uint8Array.from([RECORD_FOOTER, ...u32(id)]);
    devices.push(describeTceSection(table));
  }
  const description = new TextEncoder().encode(descriptionText({ page_size: 4096, devices }));
  yield Uint8Array.from([RECORD_END, RECORD_DESCRIPTION, ...u32(description.length)]);
  yield description;
}

const u32 = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
