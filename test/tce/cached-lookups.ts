/**
 * A table, whose look-ups are cached, side by side with the uncached way: a
 * view made for one look-up, and flat arrays that the same writes went into.
 *
 * @module
 */

import { hiOf, loOf, toBig } from "../../src/base/u64.ts";
import { diff } from "../../src/tce/diff.ts";
import type { Node } from "../../src/tce/nodes.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { type TceTableShape, TceView } from "../../src/tce/tce-view.ts";
import type { Random } from "../helpers/random.ts";
import { same } from "./model.ts";

/** Entries of an island: some leaves. */
const ISLAND = 1300;
const SNAPSHOTS = 3;

/** The entries that are written: islands in a table, on both sides of leaves and of nodes of every level. */
class Flat {
  readonly bases: readonly number[];
  readonly words: Float64Array;

  constructor(bases: readonly number[], words: Float64Array = new Float64Array(bases.length * ISLAND * 2)) {
    this.bases = bases;
    this.words = words;
  }

  copy(): Flat {
    return new Flat(this.bases, this.words.slice());
  }

  indexOf(position: number): number {
    return this.bases[Math.floor(position / ISLAND)]! + (position % ISLAND);
  }

  put(position: number, value: bigint): void {
    this.words[position * 2] = hiOf(value);
    this.words[position * 2 + 1] = loOf(value);
  }

  get(position: number): bigint {
    return (BigInt(this.words[position * 2]!) << 32n) | BigInt(this.words[position * 2 + 1]!);
  }

  /** Positions of the islands whose entries lie in `[first, end)`. */
  *in(first: number, end: number): Iterable<number> {
    for (const [island, base] of this.bases.entries()) {
      const from = Math.max(first - base, 0);
      const to = Math.min(end - base, ISLAND);
      for (let i = from; i < to; i++) yield island * ISLAND + i;
    }
  }

  count(first: number, end: number, mask: bigint): number {
    let count = 0;
    for (const position of this.in(first, end)) if ((this.get(position) & mask) !== 0n) count++;
    return count;
  }
}

/** Counts a tree anew and compares: sums, order, and that nothing empty is kept. */
function checkTree(node: Node | null): { leaves: number; valid: number; stored: number } {
  const sums = { leaves: 0, valid: 0, stored: 0 };
  if (node === null) return sums;
  const add = (lo: number, hi: number, count: number): void => {
    if ((lo & 3) !== 0) sums.valid += count;
    if (lo !== 0 || hi !== 0) sums.stored += count;
  };
  if (node.kind === "leaf") {
    sums.leaves = 1;
    for (let i = 0; i < 512; i++) add(node.words[i * 2]!, node.words[i * 2 + 1]!, 1);
  } else if (node.kind === "runs") {
    let behind = -1;
    for (let at = 0; at < node.cells.length; at += 5) {
      const [first, count, hi, lo] = node.cells.slice(at, at + 4) as [number, number, number, number];
      if (first < behind) throw new Error(`run ${first} begins before ${behind}`);
      behind = first + count;
      add(lo, hi, count);
    }
  } else {
    for (const child of node.children) {
      const below = checkTree(child);
      sums.leaves += below.leaves;
      sums.valid += below.valid;
      sums.stored += below.stored;
    }
  }
  for (const key of ["leaves", "valid", "stored"] as const) same(`${node.kind}.${key}`, node[key], sums[key]);
  if (sums.stored === 0) throw new Error(`an empty node: ${node.kind}`);
  return sums;
}

/** Random writes through every entry point, look-ups between them. */
export class CachedLookups {
  readonly #random: Random;
  readonly #shape: TceTableShape;
  readonly #size: bigint;
  #table: TceTable;
  #flat: Flat;
  readonly #snapshots: { view: TceView; flat: Flat }[] = [];
  /** Where the last steps took place. */
  #near = 0;

  constructor(shape: TceTableShape, random: Random) {
    this.#random = random;
    this.#shape = shape;
    this.#size = 1n << BigInt(shape.pageShift);
    this.#table = new TceTable(shape);
    const bases = [0, 2 ** 15 - 600, 2 ** 21 - 700, 2 ** 27 - 520, shape.length - ISLAND].filter(
      (base, i, all) =>
        base >= 0 && base + ISLAND <= shape.length && (i === 0 || base >= all[i - 1]! + ISLAND),
    );
    this.#flat = new Flat(bases);
  }

  /** @throws Error that says what differs */
  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#write();
      for (let i = this.#random.below(4); i > 0; i--) this.#lookUp(this.#position());
      if (this.#random.below(20) === 0) this.#compareCounts();
      if (step % 500 === 499) this.#compareAll();
    }
  }

  #position(): number {
    const random = this.#random;
    const positions = this.#flat.words.length / 2;
    const kind = random.below(10);
    if (kind === 0) this.#near = random.below(positions);
    // Borders of leaves.
    if (kind === 1) {
      const index = this.#flat.indexOf(random.below(positions));
      const [border] = this.#flat.in(index - (index % 512), index + 1);
      this.#near = border ?? this.#near;
    }
    return Math.max(0, Math.min(positions - 1, this.#near + random.below(random.pick([3, 9, 700])) - 2));
  }

  #value(): bigint {
    const { below } = { below: (limit: number) => BigInt(this.#random.below(limit)) };
    return this.#random.pick([
      () => 0n,
      () => below(6) * this.#size + 3n,
      () => below(4),
      () => BigInt.asUintN(64, 0xffff_fff0_0000_0003n + below(16) * this.#size),
      () => below(2) * 0x1000n + (below(0x7fff_ffff) << 32n) + below(4),
    ])();
  }

  #write(): void {
    const random = this.#random;
    const position = this.#position();
    const inIsland = ISLAND - (position % ISLAND);
    const first = this.#flat.indexOf(position);
    const table = this.#table;
    const kind = random.below(1000);
    if (kind < 500) {
      this.#store(position, this.#value());
    } else if (kind < 600) {
      // Every n-th entry: what makes leaves dense, and leaves gaps.
      const stride = random.pick([1, 2, 4, 31]);
      const erase = random.below(4) === 0;
      for (let i = 0; i < Math.min(inIsland, random.below(60) * stride); i += stride) {
        this.#store(position + i, erase ? 0n : this.#value());
      }
    } else if (kind < 700) {
      const count = Math.min(1 + random.below(random.pick([3, 40, 512])), inIsland);
      const start = this.#value();
      const stride = random.pick([0n, this.#size, 0x1000n, 0x5001n]);
      const values = Array.from({ length: count }, (_, i) =>
        random.below(30) === 0 ? this.#value() : BigInt.asUintN(64, start + BigInt(i) * stride),
      );
      const words = Uint32Array.from(values.flatMap((value) => [hiOf(value), loOf(value)]));
      for (let at = 0; at < count; ) {
        const stored = table.putStretch(first + at, words, at, count);
        if (table.isRun) {
          const step = BigInt(table.step) * this.#size;
          const run = values.slice(at, at + stored).map((_, i) => values[at]! + BigInt(i) * step);
          same("the run that was stored", values.slice(at, at + stored).join(), run.join());
        }
        at += stored;
        same("what was stored last", table.get(first + at - 1), values[at - 1]);
      }
      values.forEach((value, i) => {
        this.#flat.put(position + i, value);
      });
    } else if (kind < 850) {
      const count = Math.min(random.below(random.pick([3, 100, 1100])), inIsland);
      const value = random.below(2) === 0 ? 0n : this.#value();
      table.fill(first, count, hiOf(value), loOf(value));
      for (let i = 0; i < count; i++) this.#flat.put(position + i, value);
    } else if (kind < 930) {
      const count = Math.min(1 + random.below(random.pick([3, 100, 1100])), inIsland);
      const value = BigInt(random.below(9)) * this.#size + BigInt(random.below(4));
      // A step below 4 bytes would change the permission bits.
      if (this.#shape.pageShift < 2) return;
      table.putRun(first, count, hiOf(value), loOf(value));
      for (let i = 0; i < count; i++) this.#flat.put(position + i, value + BigInt(i) * this.#size);
    } else if (kind < 950) {
      this.#snapshots.push({ view: table.snapshot(), flat: this.#flat.copy() });
      if (this.#snapshots.length > SNAPSHOTS) this.#snapshots.splice(random.below(SNAPSHOTS), 1);
    } else if (kind < 965) {
      this.#walkAndWrite();
    } else if (kind < 975 && this.#snapshots.length > 0) {
      const { view, flat } = random.pick(this.#snapshots);
      if (random.below(2) === 0) table.restore(view);
      else this.#table = TceTable.from(view);
      this.#flat = flat.copy();
    } else if (kind < 980) {
      // A copy of the table itself: what both share is written by neither.
      const copy = TceTable.from(table);
      copy.fill(first, inIsland, 7, 7);
      this.#table.restore(table);
    } else if (kind < 985) {
      const end = first + 1;
      const cut = TceTable.cut(table, end);
      const erased = this.#flat.copy();
      for (const gone of erased.in(end, Infinity)) erased.put(gone, 0n);
      same("a part of the table", cut.validCount, erased.count(0, Infinity, 3n));
      same("the last entry of a part", cut.get(first), erased.get(position));
    } else if (kind === 999) {
      if (random.below(3) > 0) table.clear();
      else table.fill(0, this.#shape.length, 0, 0);
      this.#flat = new Flat(this.#flat.bases);
    }
  }

  /** Stores one entry, in one of the ways. */
  #store(position: number, value: bigint): void {
    const index = this.#flat.indexOf(position);
    const table = this.#table;
    switch (this.#random.below(3)) {
      case 0:
        table.put(index, hiOf(value), loOf(value));
        break;
      case 1:
        table.set(index, value);
        break;
      default:
        table.exchange(index, hiOf(value), loOf(value));
        same("what was there before", toBig(table.hi, table.lo), this.#flat.get(position));
    }
    this.#flat.put(position, value);
  }

  /** A walk tells of the table as it was when it began, whatever is written meanwhile. */
  #walkAndWrite(): void {
    const before = this.#flat.copy();
    let next = 0;
    const entries: number[] = [];
    for (let position = 0; position < before.words.length / 2; position++)
      if (before.get(position) !== 0n) entries.push(position);
    this.#table.forEachStoredRun(0, this.#shape.length, (first, count, hi, lo, step) => {
      for (let i = 0; i < count; i++) {
        const position = entries[next++]!;
        same("an entry of a walk", first + i, before.indexOf(position));
        const value = ((BigInt(hi) << 32n) | BigInt(lo)) + BigInt(i * step) * this.#size;
        same(`entry ${first + i} of a walk`, value, before.get(position));
      }
      if (this.#random.below(10) > 0) return;
      const position = this.#random.pick([next, next + 1, entries[next - 1]!, this.#position()]);
      if (position >= before.words.length / 2) return;
      const value = this.#value();
      this.#table.set(this.#flat.indexOf(position), value);
      this.#flat.put(position, value);
    });
    same("entries of a walk", next, entries.length);
  }

  #lookUp(position: number): void {
    const index = this.#flat.indexOf(position);
    const cached = this.#table.get(index);
    const should = this.#flat.get(position);
    if (cached === should) return;
    const uncached = new TceView(this.#shape, this.#table.root).get(index);
    throw new Error(
      `entry ${index} is ${cached} by the caches, ${uncached} in the tree, and ${should} was stored`,
    );
  }

  #compareCounts(): void {
    const { length } = this.#shape;
    const a = this.#flat.indexOf(this.#position());
    const b = this.#random.pick([this.#flat.indexOf(this.#position()), length]);
    const [first, end] = a < b ? [a, b] : [b, a];
    same(`the count of ${first} to ${end}`, this.#table.count(first, end), this.#flat.count(first, end, 3n));
  }

  #compareAll(): void {
    const table = this.#table;
    const { length } = this.#shape;
    same("validCount", table.validCount, this.#flat.count(0, length, 3n));
    same("storedCount", table.storedCount, this.#flat.count(0, length, ~0n));
    checkTree(table.root);
    for (let position = 0; position < this.#flat.words.length / 2; position++) this.#lookUp(position);
    let pages = 0;
    table.forEachRun(0, length, (_first, count) => {
      pages += count;
    });
    same("pages of all runs", pages, table.validCount);
    for (const { view, flat } of this.#snapshots) {
      same("validCount of a snapshot", view.validCount, flat.count(0, length, 3n));
      checkTree(view.root);
      for (let position = 0; position < flat.words.length / 2; position++) {
        same("an entry of a snapshot", view.get(flat.indexOf(position)), flat.get(position));
      }
      let differ = 0;
      diff(view, table, (_first, count) => {
        differ += count;
      });
      let should = 0;
      for (let position = 0; position < flat.words.length / 2; position++)
        if (flat.get(position) !== this.#flat.get(position)) should++;
      same("entries that differ", differ, should);
    }
  }
}

/** Shapes whose islands lie in trees of every height. */
export const SHAPES: readonly TceTableShape[] = [
  { length: 2 ** 15, pageShift: 12 },
  { length: 2 ** 18, pageShift: 12 },
  { length: 2 ** 31, pageShift: 16 },
  { length: 2 ** 40, pageShift: 1 },
];
