import { counted } from "../../base/units.ts";
import type { SimpleTraceReader } from "./simple-trace.ts";
import type { Gap } from "./trace-reader.ts";

/** Notices broken and dropped records of a binary trace, between two events. */
export class SimpleGaps {
  readonly #reader: SimpleTraceReader;
  readonly #onGap: (gap: Gap) => void;
  /** What was broken and dropped when it was looked last. */
  #seenBreaks = 0;
  #seenDrops = 0;

  constructor(reader: SimpleTraceReader, onGap: (gap: Gap) => void) {
    this.#reader = reader;
    this.#onGap = onGap;
  }

  look(): void {
    const { breaks, droppedRecords } = this.#reader.counts;
    if (breaks !== this.#seenBreaks) this.#reportBreak(breaks);
    if (droppedRecords !== this.#seenDrops) this.#reportDrops(droppedRecords);
  }

  /** @param bytes of the whole trace */
  end(bytes: number): void {
    this.look();
    const { tornBytes } = this.#reader.counts;
    if (tornBytes === 0) return;
    const message = `the last record is cut off after ${tornBytes} bytes`;
    this.#onGap({ kind: "torn", line: bytes - tornBytes, message });
  }

  #reportBreak(breaks: number): void {
    this.#seenBreaks = breaks;
    const last = this.#reader.broken[breaks - 1];
    const message =
      last === undefined ? "records are broken" : `bytes ${last.offset} to ${last.end} are no whole records`;
    this.#onGap({ kind: "damaged", line: last?.offset ?? 0, message });
  }

  #reportDrops(droppedRecords: number): void {
    const drops = this.#reader.drops.slice(this.#seenDrops, droppedRecords);
    this.#seenDrops = droppedRecords;
    for (const { offset, count } of drops) {
      const message = `QEMU dropped ${counted(count, "event")}, somewhere near`;
      this.#onGap({ kind: "dropped", line: offset, message });
    }
  }
}
