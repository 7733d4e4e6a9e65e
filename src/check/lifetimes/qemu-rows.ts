import { hiOf, loOf } from "../../base/u64.ts";
import type { Column, RowBuffer } from "../../formats/table/row-buffer.ts";
import { eventWord } from "../../formats/trace/trace-schema.ts";
import type { EventStamp, Fate, LifetimeSink, Mapping } from "./qemu-mapping.ts";

const MAPPING = 0;
const LIOBN = 1;
const IOBA = 2;
const PAGES = 3;
const PAGE_SHIFT = 4;
const BYTES = 5;
const TARGET = 6;
const PERM = 7;
const INFERRED = 8;
const MAP_CALL = 9;
const MAP_PAGES = 10;
const MAP_EVENT = 11;
const MAP_POSITION = 12;
const MAP_TIME = 13;
const MAP_THREAD = 14;
const FATE = 15;
const LEAKED = 16;
const END_BY = 17;
const END_EVENT = 18;
const END_POSITION = 19;
const END_TIME = 20;
const END_THREAD = 21;
const LIFETIME = 22;

/**
 * Columns of a table of mappings: a row for each stretch of pages that one call
 * mapped and one event ended. The call pattern is liobn, map_call, map_pages
 * and page_shift.
 *
 * @public
 */
export const MAPPING_COLUMNS: readonly Column[] = [
  { name: "mapping", type: "integer" },
  { name: "liobn", type: "address" },
  { name: "ioba", type: "address" },
  { name: "pages", type: "integer" },
  { name: "page_shift", type: "integer" },
  { name: "bytes", type: "integer" },
  { name: "target", type: "address" },
  { name: "perm", type: "integer" },
  { name: "inferred", type: "boolean" },
  { name: "map_call", type: "text" },
  { name: "map_pages", type: "integer" },
  { name: "map_event", type: "integer" },
  { name: "map_position", type: "integer" },
  { name: "map_time_ns", type: "time" },
  { name: "map_thread", type: "integer" },
  { name: "fate", type: "text" },
  { name: "leaked", type: "boolean" },
  { name: "end_by", type: "text" },
  { name: "end_event", type: "integer" },
  { name: "end_position", type: "integer" },
  { name: "end_time_ns", type: "time" },
  { name: "end_thread", type: "integer" },
  { name: "lifetime_ns", type: "time" },
];

/** Nobody unmapped these: the guest still had them when the trace, or their window, came to its end. */
const LEAKING: readonly Fate[] = ["alive", "window-gone"];

/** Writes a row when a mapping, or a piece of it, ends. */
export class MappingRows implements LifetimeSink {
  readonly #rows: RowBuffer;

  constructor(rows: RowBuffer) {
    this.#rows = rows;
  }

  begin(): void {}

  end(mapping: Mapping, first: number, pages: number, fate: Fate, stamp: EventStamp | undefined): void {
    const rows = this.#rows;
    const { window, made } = mapping;
    rows.setInteger(MAPPING, mapping.number);
    rows.setHalves(LIOBN, 0, window.liobn);
    setBig(rows, IOBA, window.busOffset + (BigInt(first) << BigInt(window.pageShift)));
    rows.setInteger(PAGES, pages);
    rows.setInteger(PAGE_SHIFT, window.pageShift);
    rows.setInteger(BYTES, BigInt(pages) << BigInt(window.pageShift));
    const target = targetOf(mapping, first);
    if (target !== undefined) setBig(rows, TARGET, target);
    rows.setInteger(PERM, mapping.perm);
    rows.setBoolean(INFERRED, mapping.inferred);
    rows.setText(MAP_CALL, eventWord(made.kind));
    rows.setInteger(MAP_PAGES, mapping.pages);
    rows.setInteger(MAP_EVENT, made.event);
    rows.setInteger(MAP_POSITION, made.position);
    rows.setTime(MAP_TIME, made.seconds, made.nanoseconds);
    if (!Number.isNaN(made.thread)) rows.setInteger(MAP_THREAD, made.thread);
    rows.setText(FATE, fate);
    rows.setBoolean(LEAKED, LEAKING.includes(fate));
    if (stamp !== undefined) this.#setEnd(made, stamp);
    rows.endRow();
  }

  #setEnd(made: EventStamp, stamp: EventStamp): void {
    const rows = this.#rows;
    rows.setText(END_BY, eventWord(stamp.kind));
    rows.setInteger(END_EVENT, stamp.event);
    rows.setInteger(END_POSITION, stamp.position);
    rows.setTime(END_TIME, stamp.seconds, stamp.nanoseconds);
    if (!Number.isNaN(stamp.thread)) rows.setInteger(END_THREAD, stamp.thread);
    const seconds = stamp.seconds - made.seconds;
    if (Number.isNaN(seconds)) return;
    rows.setInteger(
      LIFETIME,
      BigInt(seconds) * 1_000_000_000n + BigInt(stamp.nanoseconds - made.nanoseconds),
    );
  }
}

/** Where the page of an entry leads; without permission bits. */
function targetOf(mapping: Mapping, first: number): bigint | undefined {
  const { tce, window } = mapping;
  if (tce === undefined) return undefined;
  const shift = BigInt(window.pageShift);
  const ahead = mapping.constant ? 0n : BigInt(first - mapping.first) << shift;
  return BigInt.asUintN(64, ((tce >> shift) << shift) + ahead);
}

const setBig = (rows: RowBuffer, column: number, value: bigint): void =>
  rows.setHalves(column, hiOf(value), loOf(value));
