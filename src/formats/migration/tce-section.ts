/**
 * The `spapr_iommu` section of a TCE table: what it says, and how it is read.
 *
 * Big-endian: liobn u32, number of entries u32, bypass u8, the entries (u64
 * each), in version 3 def_win u8; then, unless the window is at 0 with 4K
 * pages, the subsection `spapr_iommu_ex`: bus_offset u64, page_shift u32.
 *
 * @module
 */

import { hex } from "../../base/u64.ts";
import { DEFAULT_PAGE_SHIFT } from "../../spapr/papr.ts";
import type { SavedGeometry, SavedTable } from "../../spapr/saved-table.ts";
import { type ByteCursor, badStream, unsupportedStream } from "./byte-cursor.ts";
import type { TableBudget } from "./table-budget.ts";
import { TableReader } from "./table-reader.ts";

/** Name of the section; its instance id is the LIOBN. */
export const TCE_SECTION = "spapr_iommu";
/** Name of the subsection with the geometry. */
export const TCE_SUBSECTION = "spapr_iommu_ex";
/** Version of that subsection. */
export const TCE_SUBSECTION_VERSION = 1;
/** Bytes before the first entry: liobn, number of entries, bypass. */
export const TCE_HEAD_BYTES: number = 4 + 4 + 1;
/** Byte that begins a subsection. */
export const RECORD_SUBSECTION = 0x05;

/**
 * Reads the data of a section of a version that the caller has checked.
 *
 * @param budget what the tables of the stream may cost together
 */
export async function readTceSection(
  cursor: ByteCursor,
  instanceId: number,
  version: 2 | 3,
  budget: TableBudget,
): Promise<SavedTable> {
  const offset = cursor.offset;
  const liobn = await cursor.u32("the LIOBN of a TCE table");
  if (liobn !== instanceId) {
    throw badStream(offset, `TCE table of LIOBN ${hex(liobn)} in the section of ${hex(instanceId)}`);
  }
  const entries = await cursor.u32("the length of a TCE table");
  const bypass = await readFlag(cursor, "bypass");
  const reader = entries === 0 ? null : new TableReader(entries, budget);
  await reader?.read(cursor);
  const defWin = version === 2 ? null : await readFlag(cursor, "def_win");
  const geometry = await readGeometry(cursor);
  const table = reader?.finish(geometry?.pageShift ?? DEFAULT_PAGE_SHIFT) ?? null;
  return { liobn, version, bypass, table, defWin, geometry };
}

async function readFlag(cursor: ByteCursor, what: string): Promise<boolean> {
  const value = await cursor.u8(what);
  if (value > 1) throw badStream(cursor.offset - 1, `${what} is ${value}, not 0 or 1`);
  return value === 1;
}

async function readGeometry(cursor: ByteCursor): Promise<SavedGeometry | null> {
  await cursor.need(1, "the end of a TCE table");
  if (cursor.bytes[cursor.at] !== RECORD_SUBSECTION) return null;
  const offset = cursor.offset;
  cursor.at++;
  const name = await cursor.name("the name of a subsection");
  const version = await cursor.u32("the version of a subsection");
  if (name !== TCE_SUBSECTION || version !== TCE_SUBSECTION_VERSION) {
    throw unsupportedStream(offset, `subsection ${JSON.stringify(name)} version ${version} of a TCE table`);
  }
  const busOffset = await cursor.u64("bus_offset");
  const pageShift = await cursor.u32("page_shift");
  if (pageShift > 63) throw badStream(cursor.offset - 4, `page shift ${pageShift} is not 0 to 63`);
  return { busOffset, pageShift };
}
