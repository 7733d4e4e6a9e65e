import { hiOf, loOf } from "../../base/u64.ts";
import type { Column, RowBuffer } from "../../formats/table/row-buffer.ts";
import type { DmaCall, DmaLifetimeSink, DmaMapping } from "./linux-lifetimes.ts";

const MAPPING = 0;
const DEVICE = 1;
const DMA_ADDRESS = 2;
const SIZE = 3;
const PHYS_ADDRESS = 4;
const DIRECTION = 5;
const FATE = 6;
const LEAKED = 7;
/** Columns of a call, from here on for the map, and from there on for the unmap. */
const MAP = 8;
const END = 15;
const LIFETIME = 22;
const CALL_COLUMNS: readonly Column[] = [
  { name: "call", type: "text" },
  { name: "event", type: "integer" },
  { name: "line", type: "integer" },
  { name: "time_ns", type: "time" },
  { name: "cpu", type: "integer" },
  { name: "pid", type: "integer" },
  { name: "task", type: "text" },
];

/**
 * Columns of a table of DMA mappings: a row for each map with its unmap.
 *
 * @public
 */
export const DMA_MAPPING_COLUMNS: readonly Column[] = [
  { name: "mapping", type: "integer" },
  { name: "device", type: "text" },
  { name: "dma_addr", type: "address" },
  { name: "size", type: "integer" },
  { name: "phys_addr", type: "address" },
  { name: "direction", type: "text" },
  { name: "fate", type: "text" },
  { name: "leaked", type: "boolean" },
  ...CALL_COLUMNS.map(({ name, type }) => ({ name: `map_${name}`, type })),
  ...CALL_COLUMNS.map(({ name, type }) => ({ name: `end_${name}`, type })),
  { name: "lifetime_ns", type: "time" },
];

/** Writes a row when a mapping ends; for an unmap without a map one without the cells of a map. */
export class DmaMappingRows implements DmaLifetimeSink {
  readonly #rows: RowBuffer;

  constructor(rows: RowBuffer) {
    this.#rows = rows;
  }

  begin(): void {}

  end(mapping: DmaMapping | undefined, call: DmaCall | undefined): void {
    const rows = this.#rows;
    const { device, dmaAddress, size, physAddress, direction } = (mapping ?? call)!;
    if (mapping !== undefined) rows.setInteger(MAPPING, mapping.number);
    rows.setText(DEVICE, device);
    if (dmaAddress !== undefined) rows.setHalves(DMA_ADDRESS, hiOf(dmaAddress), loOf(dmaAddress));
    if (size !== undefined) rows.setInteger(SIZE, size);
    if (physAddress !== undefined) rows.setHalves(PHYS_ADDRESS, hiOf(physAddress), loOf(physAddress));
    rows.setText(DIRECTION, direction);
    rows.setText(FATE, call === undefined ? "alive" : "unmapped");
    rows.setBoolean(LEAKED, call === undefined);
    this.#setCall(MAP, mapping);
    this.#setCall(END, call);
    const seconds = (call?.seconds ?? Number.NaN) - (mapping?.seconds ?? Number.NaN);
    if (!Number.isNaN(seconds)) {
      const nanoseconds = call!.nanoseconds - mapping!.nanoseconds;
      rows.setInteger(LIFETIME, BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
    }
    rows.endRow();
  }

  #setCall(first: number, call: DmaCall | undefined): void {
    if (call === undefined) return;
    const rows = this.#rows;
    rows.setText(first, call.name);
    rows.setInteger(first + 1, call.event);
    rows.setInteger(first + 2, call.line);
    rows.setTime(first + 3, call.seconds, call.nanoseconds);
    if (call.cpu >= 0) rows.setInteger(first + 4, call.cpu);
    if (call.pid >= 0) rows.setInteger(first + 5, call.pid);
    if (call.task !== undefined) rows.setText(first + 6, call.task);
  }
}
