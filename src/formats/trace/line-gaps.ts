import type { DamagedLine } from "./line-reader.ts";
import type { Gap } from "./trace-reader.ts";

/** What a reader of lines says of those that it could not read. */
interface LineReaderState {
  readonly line: number;
  readonly counts: { readonly damaged: number; readonly long: number; readonly torn: number };
  /** The first few. */
  readonly damagedLines: readonly DamagedLine[];
}

/** Notices lines that could not be read, between two events. */
export class LineGaps {
  readonly #reader: LineReaderState;
  readonly #onGap: (gap: Gap) => void;
  /** Lines that were bad when it was looked last. */
  #seen = 0;

  constructor(reader: LineReaderState, onGap: (gap: Gap) => void) {
    this.#reader = reader;
    this.#onGap = onGap;
  }

  look(): void {
    const { damaged, long } = this.#reader.counts;
    if (damaged + long !== this.#seen) this.#report(damaged + long);
  }

  /** To be called after the last line. */
  end(): void {
    this.look();
    if (this.#reader.counts.torn === 0) return;
    const message = "the last line has no end: it may be cut off";
    this.#onGap({ kind: "torn", line: this.#reader.line, message });
  }

  #report(bad: number): void {
    const last = this.#reader.damagedLines[bad - 1];
    const more = bad - this.#seen;
    this.#seen = bad;
    const text = last === undefined ? "" : `: ${last.text}`;
    const message = `${more === 1 ? "a line names" : `${more} lines name`} an event and cannot be read as one${text}`;
    this.#onGap({ kind: "damaged", line: last?.line ?? this.#reader.line, message });
  }
}
