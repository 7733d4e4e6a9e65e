import { permText } from "../../base/permission.ts";
import { toBig } from "../../base/u64.ts";
import { diff } from "../../tce/diff.ts";
import { permOf } from "../../tce/tce.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { type Owned, Owners } from "../lifetimes/owners.ts";
import type { AddressRange, Life, LifeCall, LifeSink } from "./life.ts";

/** A table of a machine of ours that translates the addresses of a space. */
export interface SpaceTable {
  readonly space: string;
  /** First bus address. */
  readonly start: bigint;
  readonly pageShift: number;
  /** The entries as they are now, for ever. */
  readonly view: TceView;
  /** What is there as long as the table is the same one. */
  readonly identity: unknown;
}

type Pages = Pick<Owned, "first" | "pages">;

/** A mapping in a table. */
interface TableMapping extends Owned {
  readonly life: Life;
}

/** A table as it was after the operation before. */
interface Followed {
  table: SpaceTable;
  readonly owners: Owners<TableMapping>;
}

/**
 * Follows the mappings of a machine of ours, whose tables can be looked at: what differs after an operation is what that
 * one did. It costs what was written. A page that is mapped again to what it was mapped to is the same mapping.
 */
export class TableLives {
  readonly #sink: LifeSink;
  readonly #followed = new Map<string, Followed>();
  #lives = 0;

  constructor(sink: LifeSink) {
    this.#sink = sink;
  }

  /** Compares the tables that there are after an operation with those that there were. */
  update(tables: readonly SpaceTable[], call: LifeCall): void {
    const now = new Map(tables.map((table) => [keyOf(table), table]));
    for (const [key, { table }] of this.#followed) {
      if (now.get(key)?.identity !== table.identity) this.#drop(key, call);
    }
    for (const [key, table] of now) this.#compare(key, table, call);
  }

  #drop(key: string, call: LifeCall): void {
    const followed = this.#followed.get(key)!;
    this.#followed.delete(key);
    this.#take(followed, { first: 0, pages: followed.table.view.length }, "window-gone", call);
  }

  #compare(key: string, table: SpaceTable, call: LifeCall): void {
    const { length, pageShift } = table.view;
    let followed = this.#followed.get(key);
    if (followed === undefined) {
      const empty = { ...table, view: new TceTable({ length, pageShift }).snapshot() };
      followed = { table: empty, owners: new Owners(length) };
      this.#followed.set(key, followed);
    }
    const { table: before } = followed;
    followed.table = table;
    if (before.view.root === table.view.root) return;
    const made: TableMapping[] = [];
    diff(before.view, table.view, (first, pages, _wasHi, _wasLo, _wasStep, hi, lo, step) => {
      const isMapped = permOf(lo) !== 0;
      this.#take(followed, { first, pages }, isMapped ? "replaced" : "unmapped", call);
      if (!isMapped) return;
      const last = made.at(-1);
      const mapping = this.#mappingOf(table, { first, pages }, toBig(hi, lo), step, call);
      const joined = last === undefined ? undefined : join(last, mapping);
      if (joined !== undefined) made[made.length - 1] = joined;
      else made.push(mapping);
    });
    for (const mapping of made) {
      const numbered = { ...mapping, life: { ...mapping.life, number: this.#lives++ } };
      followed.owners.add(numbered);
      this.#sink.begin(numbered.life);
    }
  }

  #take({ table, owners }: Followed, { first, pages }: Pages, fate: string, call: LifeCall): void {
    owners.take(first, pages, ({ life }, from, count) => {
      const gone = rangeOf(table, from, count);
      this.#sink.end(life, gone, fate, call);
    });
  }

  #mappingOf(
    table: SpaceTable,
    { first, pages }: Pages,
    tce: bigint,
    step: number,
    made: LifeCall,
  ): TableMapping {
    const range = rangeOf(table, first, pages);
    const bytes = range.last - range.first + 1n;
    const pageBytes = 1n << BigInt(table.pageShift);
    const repeats = step === 0 && pages > 1 ? pageBytes : undefined;
    const life: Life = {
      number: 0,
      space: table.space,
      stretches: [{ ...range, target: tce & ~(pageBytes - 1n), repeats }],
      bytes,
      access: permText(permOf(Number(tce & 3n))),
      made,
      inferred: false,
      entries: [],
      truncated: false,
    };
    return { first, pages, left: pages, life };
  }
}

/** Tables are stored in pieces: two of them that continue each other are one mapping of the call. */
function join(a: TableMapping, b: TableMapping): TableMapping | undefined {
  const [one, two] = [a.life.stretches[0]!, b.life.stretches[0]!];
  const isNext = a.first + a.pages === b.first && a.life.access === b.life.access;
  if (!isNext || one.repeats !== two.repeats) return undefined;
  const continues =
    one.repeats === undefined
      ? one.target! + (one.last - one.first + 1n) === two.target
      : one.target === two.target;
  if (!continues) return undefined;
  const bytes = a.life.bytes + b.life.bytes;
  const stretches = [{ ...one, last: two.last }];
  const pages = a.pages + b.pages;
  return { first: a.first, pages, left: pages, life: { ...a.life, stretches, bytes } };
}

/** A space may have several tables: containers have two windows. */
const keyOf = ({ space, start }: SpaceTable): string => `${space} ${start}`;

function rangeOf({ start, pageShift }: SpaceTable, first: number, pages: number): AddressRange {
  const shift = BigInt(pageShift);
  const at = BigInt.asUintN(64, start + (BigInt(first) << shift));
  return { first: at, last: at + (BigInt(pages) << shift) - 1n };
}
