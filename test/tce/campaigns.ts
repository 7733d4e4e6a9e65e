/**
 * Campaigns against a table: short ones of past seeds for every day, and long ones.
 *
 * @module
 */

import { hiOf, loOf } from "../../src/base/u64.ts";
import { diff } from "../../src/tce/diff.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import type { TceView } from "../../src/tce/tce-view.ts";
import { Random } from "../helpers/random.ts";
import { expectSame, ModelTable, pagesOf, same } from "./model.ts";

/** With it and {@link PAST_WINDOW} a table once lost a mapping within 7001 operations. */
export const PAST_SEED = 2761108510;

/** A table, and how far from a few centres it is written. */
export interface Window {
  readonly length: number;
  readonly pageShift: number;
  readonly cluster: number;
}

export const PAST_WINDOW: Window = { length: 2 ** 20, pageShift: 1, cluster: 700 };

/** Lengths around the node sizes. */
export const WINDOWS: readonly Window[] = [
  { length: 600, pageShift: 12, cluster: 600 },
  { length: 2 ** 15 + 7, pageShift: 16, cluster: 900 },
  { length: 2 ** 31, pageShift: 16, cluster: 2000 },
  { length: 2 ** 52, pageShift: 34, cluster: 1500 },
  PAST_WINDOW,
];

/** A list of entries, high halves first. */
export const words = (values: readonly bigint[]): Uint32Array =>
  Uint32Array.from(values.flatMap((value) => [hiOf(value), loOf(value)]));

export const fill = (table: TceTable, first: number, count: number, value: bigint): void =>
  table.fill(first, count, hiOf(value), loOf(value));

/** The entries in which two tables differ, as `index before after`. */
export function changes(before: TceView, after: TceView): string[] {
  const size = 1n << BigInt(before.pageShift);
  const found: string[] = [];
  diff(before, after, (first, count, bHi, bLo, bStep, aHi, aLo, aStep) => {
    for (let i = 0; i < count; i++) {
      const b = ((BigInt(bHi) << 32n) | BigInt(bLo)) + BigInt(i * bStep) * size;
      const a = ((BigInt(aHi) << 32n) | BigInt(aLo)) + BigInt(i * aStep) * size;
      if (a === b) throw new Error(`entry ${first + i} does not differ`);
      found.push(`${first + i} ${b} ${a}`);
    }
  });
  return found;
}

function modelChanges(before: ModelTable, after: ModelTable): string[] {
  const indexes = [...new Set([...before.entries.keys(), ...after.entries.keys()])].sort((a, b) => a - b);
  return indexes
    .map((index) => [index, before.entries.get(index) ?? 0n, after.entries.get(index) ?? 0n] as const)
    .filter(([, b, a]) => b !== a)
    .map(([index, b, a]) => `${index} ${b} ${a}`);
}

/**
 * Random writes into a table and a map; value pools that make runs, carries
 * between the halves and junk.
 *
 * @throws Error with what differs
 */
export function mapOfWrites({ length, pageShift, cluster }: Window, seed: number, steps: number): void {
  const random = new Random(seed);
  const size = 1n << BigInt(pageShift);
  const centres = [0, length - cluster, Math.floor(length / 2) - 300, Math.floor(length / 3)].map((c) =>
    Math.max(0, c),
  );
  const table = new TceTable({ length, pageShift });
  let model = new ModelTable(length, pageShift);
  const kept: { snapshot: TceView; model: ModelTable }[] = [];
  const anyIndex = (): number =>
    Math.min(length - 1, random.pick(centres) + random.below(Math.min(cluster, length)));
  const anyValue = (): bigint =>
    random.pick([
      () => 0n,
      () => BigInt(random.below(8)) * size + 3n,
      () => BigInt(random.below(4)),
      () => BigInt.asUintN(64, 0xffff_fff0_0000_0003n + BigInt(random.below(16)) * size),
      () => random.u64(),
    ])();
  for (let step = 0; step < steps; step++) {
    const index = anyIndex();
    const kind = random.below(100);
    if (kind < 60) {
      const value = anyValue();
      table.set(index, value);
      model.put(index, value);
    } else if (kind < 80) {
      const count = Math.min(1 + random.below(random.pick([3, 40, 512])), length - index);
      const start = anyValue();
      const stride = random.pick([0n, size, size, 0x1000n]);
      const values = Array.from({ length: count }, (_, i) => BigInt.asUintN(64, start + BigInt(i) * stride));
      table.putList(index, words(values), count);
      values.forEach((value, i) => {
        model.put(index + i, value);
      });
    } else if (kind < 97) {
      const count = Math.min(random.below(random.pick([3, 100, 1100])), length - index);
      const value = random.pick([0n, anyValue()]);
      fill(table, index, count, value);
      for (let i = 0; i < count; i++) model.put(index + i, value);
    } else if (kind < 99) {
      kept.push({ snapshot: table.snapshot(), model: model.copy() });
      if (kept.length > 3) kept.shift();
    } else if (random.below(20) === 0) {
      table.clear();
      model = new ModelTable(length, pageShift);
    }
    same(`entry ${index}`, table.get(index), model.entries.get(index) ?? 0n);
    if (step % 1000 === 999) {
      expectSame(table, model);
      for (const old of kept) {
        expectSame(old.snapshot, old.model);
        same("changes", changes(old.snapshot, table).join(), modelChanges(old.model, model).join());
        same("changes back", changes(table, old.snapshot).join(), modelChanges(model, old.model).join());
      }
      const first = anyIndex();
      const end = Math.min(length, first + random.below(3000));
      same("pages", pagesOf(table, first, end).join(), model.pages(first, end).join());
      same("count", table.count(first, end), model.pages(first, end).length);
    }
  }
}

/** Where the six entries lie that {@link allSequences} writes. */
export interface Surroundings {
  readonly name: string;
  readonly offset: number;
  /** Are the leaves around them dense? */
  readonly dense: boolean;
  readonly sizes: readonly number[];
}

/** Alone, in the middle of a dense leaf, and across the border of two, so that all kinds of nodes take part. */
export const SURROUNDINGS: readonly Surroundings[] = [
  { name: "alone", offset: 0, dense: false, sizes: [1, 2, 3, 4, 5, 6] },
  { name: "inside a dense leaf", offset: 100, dense: true, sizes: [3, 6] },
  { name: "across two leaves", offset: 509, dense: true, sizes: [6] },
];

/**
 * Every table of up to 6 entries after every sequence of `length` operations.
 *
 * @returns how many
 * @throws Error with what differs
 */
export function allSequences({ offset, dense, sizes }: Surroundings, length: number): number {
  const a = 0x1003n;
  const b = 0x2003n;
  const junk = 0x2000n;
  let sequences = 0;
  for (const size of sizes) {
    const start = new TceTable({ length: dense ? 4096 : size, pageShift: 12 });
    // Every second entry outside of the six: too many runs for a list.
    if (dense)
      for (let i = 0; i < 1024; i += 2)
        if (i < offset || i >= offset + 6) start.set(i, BigInt(i) * 0x5000n + 1n);
    const operations: ((table: TceTable, model: bigint[]) => void)[] = [];
    for (let i = 0; i < size; i++) {
      for (const value of [0n, a, b, junk]) {
        operations.push((table, model) => {
          table.set(offset + i, value);
          model[i] = value;
        });
      }
      if (i + 1 < size) {
        operations.push((table, model) => {
          table.putList(offset + i, words([a, b]), 2);
          model[i] = a;
          model[i + 1] = b;
        });
      }
    }
    for (const [value, first] of [
      [0n, 0],
      [0n, size >> 1],
      [b, 0],
      [b, size >> 1],
    ] as const) {
      operations.push((table, model) => {
        fill(table, offset + first, size - first, value);
        model.fill(value, first, size);
      });
    }
    const walk = (before: TceView, model: bigint[], depth: number): void => {
      for (const operation of operations) {
        const table = TceTable.from(before);
        const after = model.slice();
        operation(table, after);
        sequences++;
        let valid = 0;
        for (let i = 0; i < size; i++) {
          table.load(offset + i);
          if (table.lo !== Number(after[i])) throw new Error(`entry ${i} is ${table.lo}, not ${after[i]}`);
          if ((after[i]! & 3n) !== 0n) valid++;
        }
        if (table.count(offset, offset + size) !== valid)
          throw new Error(`counts ${valid} valid entries wrong`);
        if (table.validCount !== valid + (start.validCount - start.count(offset, offset + size))) {
          throw new Error("the count of the table is wrong");
        }
        if (depth > 1) walk(table.snapshot(), after, depth - 1);
      }
    };
    const model = Array.from({ length: size }, (_, i) => start.get(offset + i));
    walk(start.snapshot(), model, length);
  }
  return sequences;
}
