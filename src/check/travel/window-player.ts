import { TceTable } from "../../tce/tce-table.ts";
import type { EntryWrites } from "./entry-writes.ts";
import type { DescribedSpan, Kept, Tables, TravelledWindow } from "./window-span.ts";
import type { WriteVisitor } from "./written.ts";

/** Plays writes into tables of its own, and stays where it was asked for last: the next moment is often near. */
export class WindowPlayer implements WriteVisitor {
  readonly #writes: EntryWrites;
  readonly #spans: readonly DescribedSpan[];
  #tables = new Map<number, Tables<TceTable>>();
  /** The span that was asked for last, as nearly always the next time, and its tables. */
  #span = -1;
  #last: Tables<TceTable> | undefined;
  #event = -1;
  #rows = 0;

  constructor(writes: EntryWrites, spans: readonly DescribedSpan[]) {
    this.#writes = writes;
    this.#spans = spans;
  }

  go(event: number, from: Kept | undefined): TravelledWindow[] {
    const isBehind = event < this.#event;
    if (isBehind || (from !== undefined && from.rows > this.#rows)) this.#start(from);
    this.#rows = this.#writes.replay(this.#rows, event, this);
    this.#event = event;
    return this.#spans
      .filter((span) => span.from <= event && event < span.until)
      .map((span) => this.#stateOf(span, event))
      .sort((a, b) => a.liobn - b.liobn);
  }

  #start(from: Kept | undefined): void {
    this.#tables = new Map();
    this.#span = -1;
    this.#rows = from?.rows ?? 0;
    for (const [span, { table, certainties, since }] of from?.tables ?? []) {
      this.#tables.set(span, {
        table: TceTable.from(table),
        certainties: TceTable.from(certainties),
        since: TceTable.from(since),
      });
    }
  }

  #stateOf(span: DescribedSpan, event: number): TravelledWindow {
    const { facts } = span.facts.findLast((one) => one.event <= event) ?? span.facts[0]!;
    const { table, certainties, since } = this.#tablesOf(span.number);
    return {
      ...facts,
      span: span.number,
      table: table.snapshot(),
      certainties: certainties.snapshot(),
      since: since.snapshot(),
    };
  }

  #tablesOf(span: number): Tables<TceTable> {
    if (this.#span === span) return this.#last!;
    this.#last = this.#tables.get(span) ?? this.#newTables(span);
    this.#span = span;
    return this.#last;
  }

  #newTables(span: number): Tables<TceTable> {
    const { entries, pageShift } = this.#spans[span]!;
    const length = Math.max(entries, 1);
    const tables = {
      table: new TceTable({ length, pageShift }),
      certainties: new TceTable({ length, pageShift: 0 }),
      since: new TceTable({ length, pageShift: 0 }),
    };
    this.#tables.set(span, tables);
    return tables;
  }

  value(span: number, first: number, count: number, hi: number, lo: number, step: number): void {
    const { table } = this.#tablesOf(span);
    if (count === 1) table.put(first, hi, lo);
    else if (step === 0) table.fill(first, count, hi, lo);
    else table.putRun(first, count, hi, lo);
  }

  made(span: number, first: number, count: number, event: number): void {
    const { since } = this.#tablesOf(span);
    if (count === 1) since.put(first, event + 1, 0);
    else since.fill(first, count, event + 1, 0);
  }

  sure(span: number, first: number, count: number, certainty: number): void {
    const { certainties } = this.#tablesOf(span);
    if (count === 1) certainties.put(first, 0, certainty);
    else certainties.fill(first, count, 0, certainty);
  }
}
