import { IommuError } from "../../base/errors.ts";
import { hex, hiOf, loOf, U64_MAX } from "../../base/u64.ts";
import { DEFAULT_PAGE_SHIFT } from "../../spapr/papr.ts";
import { type SavedGeometry, type SavedTable, savedGeometry } from "../../spapr/saved-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import type { JsonObject } from "./description.ts";
import {
  RECORD_SUBSECTION,
  TCE_HEAD_BYTES,
  TCE_SECTION,
  TCE_SUBSECTION,
  TCE_SUBSECTION_VERSION,
} from "./tce-section.ts";

/** Entries that are written at a time: 64 KiB. */
const BLOCK = 8192;
const ENTRY_BYTES = 8;

/**
 * The same window with another table (or none), as QEMU would save it: the
 * subsection is there unless the window lies at 0 and has 4K pages.
 *
 * @param busOffset where the window lies; it stays where it is by default
 * @public
 */
export function withTable(
  window: SavedTable,
  table: TceView | null,
  busOffset: bigint = window.geometry?.busOffset ?? 0n,
): SavedTable {
  const { liobn, version, bypass, defWin } = window;
  const geometry = table === null ? savedGeometry(0n, 0) : savedGeometry(busOffset, table.pageShift);
  return { liobn, version, bypass, table, defWin, geometry };
}

/**
 * The data of a section, in pieces. A piece may be overwritten when the next
 * one is asked for.
 *
 * @throws IommuError BAD_ARGUMENT if the section contradicts itself
 */
export function tceSectionData(section: SavedTable): Iterable<Uint8Array> {
  checkSection(section);
  return sectionPieces(section);
}

function* sectionPieces(section: SavedTable): Generator<Uint8Array> {
  const { liobn, bypass, table, defWin, geometry } = section;
  const head = new Uint8Array(TCE_HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, liobn);
  view.setUint32(4, table?.length ?? 0);
  view.setUint8(8, Number(bypass));
  yield head;
  if (table !== null) yield* entryBytes(table);
  if (defWin !== null) yield Uint8Array.of(Number(defWin));
  if (geometry !== null) yield geometryBytes(geometry);
}

/** The element of a stream's description that belongs to a section. */
export function describeTceSection(section: SavedTable): JsonObject {
  const { liobn, version, geometry } = section;
  return {
    name: TCE_SECTION,
    instance_id: liobn,
    vmsd_name: TCE_SECTION,
    version,
    fields: describedFields(section),
    ...(geometry === null ? {} : { subsections: [describedSubsection()] }),
  };
}

function describedFields({ table, defWin }: SavedTable): JsonObject[] {
  const length = table?.length ?? 0;
  const fields: JsonObject[] = [
    { name: "liobn", type: "uint32 equal", size: 4 },
    { name: "mig_nb_table", type: "uint32", size: 4 },
    { name: "bypass", type: "bool", size: 1 },
  ];
  // An array of one element is listed as that element, an empty one not at all.
  if (length === 1) fields.push({ name: "mig_table", type: "uint64", size: 8 });
  if (length > 1) fields.push({ name: "mig_table", array_len: length, type: "uint64", size: 8 });
  if (defWin !== null) fields.push({ name: "def_win", type: "bool", size: 1 });
  return fields;
}

const describedSubsection = (): JsonObject => ({
  vmsd_name: TCE_SUBSECTION,
  version: TCE_SUBSECTION_VERSION,
  fields: [
    { name: "bus_offset", type: "uint64", size: 8 },
    { name: "page_shift", type: "uint32", size: 4 },
  ],
});

function checkSection({ liobn, version, table, defWin, geometry }: SavedTable): void {
  const bad = (message: string) =>
    new IommuError("BAD_ARGUMENT", `TCE table of LIOBN ${hex(liobn)}: ${message}`, { liobn });
  if (!Number.isInteger(liobn) || liobn < 0 || liobn > 0xffff_ffff) throw bad("the LIOBN has 32 bits");
  if ((version === 2) !== (defWin === null)) throw bad(`def_win ${defWin} in version ${version}`);
  if (geometry !== null && (geometry.busOffset < 0n || geometry.busOffset > U64_MAX)) {
    throw bad(`bus offset ${geometry.busOffset} has more than 64 bits`);
  }
  if (table === null) return;
  if (table.length > 0xffff_ffff) throw bad(`${table.length} entries, the field has 32 bits`);
  const pageShift = geometry?.pageShift ?? DEFAULT_PAGE_SHIFT;
  if (table.pageShift !== pageShift) {
    throw bad(`a table of page shift ${table.pageShift} in a window of page shift ${pageShift}`);
  }
}

function* entryBytes(table: TceView): Generator<Uint8Array> {
  const { length, page } = table;
  const bytes = new Uint8Array(Math.min(length, BLOCK) * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  let clean = true;
  for (let base = 0; base < length; base += BLOCK) {
    if (!clean) bytes.fill(0);
    clean = true;
    const end = Math.min(length, base + BLOCK);
    table.forEachStoredRun(base, end, (first, count, hi, lo, step) => {
      clean = false;
      for (let i = 0; i < count; i++) {
        const at = (first + i - base) * ENTRY_BYTES;
        view.setUint32(at, page.addHi(hi, lo, step * i));
        view.setUint32(at + 4, page.addLo(lo, step * i));
      }
    });
    yield bytes.subarray(0, (end - base) * ENTRY_BYTES);
  }
}

function geometryBytes({ busOffset, pageShift }: SavedGeometry): Uint8Array {
  const bytes = new Uint8Array(2 + TCE_SUBSECTION.length + 4 + 8 + 4);
  const view = new DataView(bytes.buffer);
  bytes[0] = RECORD_SUBSECTION;
  bytes[1] = TCE_SUBSECTION.length;
  for (let i = 0; i < TCE_SUBSECTION.length; i++) bytes[2 + i] = TCE_SUBSECTION.charCodeAt(i);
  const at = 2 + TCE_SUBSECTION.length;
  view.setUint32(at, TCE_SUBSECTION_VERSION);
  view.setUint32(at + 4, hiOf(busOffset));
  view.setUint32(at + 8, loOf(busOffset));
  view.setUint32(at + 12, pageShift);
  return bytes;
}
