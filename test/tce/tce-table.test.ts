import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { hiOf, loOf } from "../../src/base/u64.ts";
import { diff } from "../../src/tce/diff.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import type { TceView } from "../../src/tce/tce-view.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { expectSame, ModelTable, pagesOf, storedOf } from "./model.ts";

const words = (values: readonly bigint[]): Uint32Array =>
  Uint32Array.from(values.flatMap((value) => [hiOf(value), loOf(value)]));

const fill = (table: TceTable, first: number, count: number, value: bigint): void =>
  table.fill(first, count, hiOf(value), loOf(value));

/** The entries in which two tables differ, as `index before after`. */
function changes(before: TceView, after: TceView): string[] {
  const size = 1n << BigInt(before.pageShift);
  const found: string[] = [];
  diff(before, after, (first, count, bHi, bLo, bStep, aHi, aLo, aStep) => {
    for (let i = 0; i < count; i++) {
      const b = ((BigInt(bHi) << 32n) | BigInt(bLo)) + BigInt(i * bStep) * size;
      const a = ((BigInt(aHi) << 32n) | BigInt(aLo)) + BigInt(i * aStep) * size;
      expect(a).not.toBe(b);
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

describe("a table of TCEs", () => {
  it.each([
    { name: "one entry", length: 1, pageShift: 12 },
    { name: "a leaf", length: 512, pageShift: 12 },
    { name: "a leaf and one", length: 513, pageShift: 16 },
    { name: "128 TiB of 64 KiB pages", length: 2 ** 31, pageShift: 16 },
    { name: "2^52 entries", length: 2 ** 52, pageShift: 12 },
    { name: "one-byte pages", length: 2 ** 32 - 1, pageShift: 0 },
  ])("returns all 64 bits verbatim: $name", ({ length, pageShift }) => {
    const table = new TceTable({ length, pageShift });
    const values = [0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn, 0xabc0n, 1n, 0x1_0000_0000n];
    for (const index of [0, Math.floor(length / 2), length - 1]) {
      for (const value of values) {
        table.set(index, value);
        expect(table.get(index)).toBe(value);
      }
      table.set(index, 0n);
      expect(table.get(index)).toBe(0n);
    }
    expect(table.root).toBeNull();
  });

  it.each([
    { length: 0, pageShift: 12 },
    { length: 1.5, pageShift: 12 },
    { length: 2 ** 52 + 1, pageShift: 12 },
    { length: 1, pageShift: 64 },
    { length: 1, pageShift: -1 },
  ])("refuses the shape %o", (shape) => {
    expect(() => new TceTable(shape)).toThrow(IommuError);
  });

  it("stores a linear window of 2^31 entries, and one constant value in all of them, as one run", () => {
    const table = new TceTable({ length: 2 ** 31, pageShift: 16 });
    fill(table, 0, 2 ** 31, 0x3n);
    expect(table.validCount).toBe(2 ** 31);
    expect(table.root?.kind).toBe("runs");
    fill(table, 0, 2 ** 31, 0n);
    const page = 0x1_0000n;
    const list = words(Array.from({ length: 512 }, (_, i) => BigInt(i) * page + 3n));
    table.putList(0, list, 512);
    const next = words(Array.from({ length: 512 }, (_, i) => BigInt(512 + i) * page + 3n));
    table.putList(512, next, 512);
    const runs: number[][] = [];
    table.forEachRun(0, 2 ** 31, (...run) => runs.push(run));
    expect(runs).toEqual([[0, 1024, 0, 0, 3]]);
  });

  it("does not join runs across the top of the 64-bit space", () => {
    const table = new TceTable({ length: 8, pageShift: 12 });
    table.putList(0, words([0xffff_ffff_ffff_e003n, 0xffff_ffff_ffff_f003n, 0x3n, 0x1003n]), 4);
    const runs: number[][] = [];
    table.forEachRun(0, 8, (first, pages) => runs.push([first, pages]));
    expect(runs).toEqual([
      [0, 2],
      [2, 2],
    ]);
  });

  it("joins entries whose ignored bits differ, as devices cannot tell them apart", () => {
    const table = new TceTable({ length: 8, pageShift: 12 });
    table.putList(0, words([0x1003n, 0x2ff3n, 0x3803n]), 3);
    expect(pagesOf(table)).toEqual(["0 4096 3", "1 8192 3", "2 12288 3"]);
    let runs = 0;
    table.forEachRun(0, 8, () => runs++);
    expect(runs).toBe(1);
    expect(table.get(1)).toBe(0x2ff3n);
  });

  // Window lengths around the node sizes; value pools that make runs, carries between the halves and junk.
  it.each([
    { length: 600, pageShift: 12, cluster: 600 },
    { length: 2 ** 15 + 7, pageShift: 16, cluster: 900 },
    { length: 2 ** 31, pageShift: 16, cluster: 2000 },
    { length: 2 ** 52, pageShift: 34, cluster: 1500 },
    { length: 2 ** 20, pageShift: 1, cluster: 700 },
  ])(
    "is the map that the same writes make: $length entries of shift $pageShift",
    ({ length, pageShift, cluster }) => {
      const seed = runSeed();
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
      try {
        // 10^5 operations over the five rows.
        for (let step = 0; step < 20_000; step++) {
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
            const values = Array.from({ length: count }, (_, i) =>
              BigInt.asUintN(64, start + BigInt(i) * stride),
            );
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
          expect(table.get(index)).toBe(model.entries.get(index) ?? 0n);
          if (step % 1000 === 999) {
            expectSame(table, model);
            for (const old of kept) {
              expectSame(old.snapshot, old.model);
              expect(changes(old.snapshot, table)).toEqual(modelChanges(old.model, model));
              expect(changes(table, old.snapshot)).toEqual(modelChanges(model, old.model));
            }
            const first = anyIndex();
            const end = Math.min(length, first + random.below(3000));
            expect(pagesOf(table, first, end)).toEqual(model.pages(first, end));
            expect(table.count(first, end)).toBe(model.pages(first, end).length);
          }
        }
      } catch (cause) {
        throw new Error(`failed with SEED=${seed}`, { cause });
      }
    },
  );

  // Every table of up to 6 entries after every sequence of 4 operations: alone, and set into the middle
  // of a dense leaf, and across the border of two, so that all kinds of nodes take part.
  it.each([
    { name: "alone", offset: 0, dense: false, sizes: [1, 2, 3, 4, 5, 6] },
    { name: "inside a dense leaf", offset: 100, dense: true, sizes: [3, 6] },
    { name: "across two leaves", offset: 509, dense: true, sizes: [6] },
  ])("is right after all sequences of four operations: $name", ({ offset, dense, sizes }) => {
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
      walk(start.snapshot(), model, 4);
    }
    expect(sequences).toBeGreaterThan(100_000);
  });

  it.each([
    { length: 2 ** 16, pageShift: 12 },
    { length: 2 ** 31, pageShift: 16 },
  ])("is the map of what was put while pages move through it, also through a copy: %o", (shape) => {
    const random = new Random(runSeed());
    const { length, pageShift } = shape;
    // What is shared belongs to neither: each must go on as if it were alone.
    const tables = [{ table: new TceTable(shape), model: new ModelTable(length, pageShift), behind: 300 }];
    const snapshots: { view: TceView; model: ModelTable }[] = [];
    for (let step = 0; step < 12_000; step++) {
      for (const { table, model, behind } of tables) {
        const put = (index: number, value: bigint): void => {
          table.set(index, value);
          model.put(index, value);
        };
        // Some entries have no permission: stored, but not valid.
        const value = BigInt(step) * 4096n + BigInt(random.below(4));
        put((step * 16) % length, value);
        put(((step - behind) * 16 + length) % length, 0n);
        if (step % 97 === 0) {
          const first = random.below(length);
          const end = first + random.below(Math.min(length - first, step * 16)) + 1;
          expect(table.count(first, end)).toBe(model.pages(first, end).length);
          expect(table.count(0, step * 16)).toBe(model.pages(0, step * 16).length);
          expect([table.validCount, table.storedCount]).toEqual([model.pages().length, model.entries.size]);
        }
        if (step % 1777 === 0) snapshots.push({ view: table.snapshot(), model: model.copy() });
      }
      if (step === 5000) {
        const { table, model } = tables[0]!;
        tables.push({ table: TceTable.from(table.snapshot()), model: model.copy(), behind: 40 });
      }
    }
    for (const { table, model } of tables) expectSame(table, model);
    for (const { view, model: was } of snapshots) expect(storedOf(view)).toEqual(was.sorted());
  });

  it("finds in a run that was found before what was written since", () => {
    const table = new TceTable({ length: 2 ** 20, pageShift: 12 });
    table.putRun(1000, 5000, 0, 0x1003);
    expect(table.get(3000)).toBe(0x1003n + 2000n * 4096n);
    table.set(3001, 0xabc3n);
    expect([table.get(3000), table.get(3001)]).toEqual([0x1003n + 2000n * 4096n, 0xabc3n]);
    const snapshot = table.snapshot();
    fill(table, 2500, 600, 0n);
    expect([table.get(2499), table.get(3000), table.get(3100)]).toEqual([
      0x1003n + 1499n * 4096n,
      0n,
      0x1003n + 2100n * 4096n,
    ]);
    table.clear();
    expect(table.get(3100)).toBe(0n);
    expect(snapshot.get(3000)).toBe(0x1003n + 2000n * 4096n);
  });

  it("takes over another table, shorter or of another page size, and the beginning of a longer one", () => {
    const from = new TceTable({ length: 5000, pageShift: 16 });
    from.putRun(100, 1000, 0, 0x5_0003);
    from.set(4999, 0xffff_ffff_ffff_ffffn);
    const expected = storedOf(from);
    for (const [length, pageShift] of [
      [5000, 16],
      [70_000, 16],
      [5000, 12],
    ] as const) {
      const table = new TceTable({ length, pageShift });
      table.fill(0, length, 1, 1);
      table.restore(from);
      expect(storedOf(table)).toEqual(expected);
      table.set(100, 0n);
      from.set(101, 0x9_0003n);
      expect([table.get(101), from.get(100)]).toEqual([0x6_0003n, 0x5_0003n]);
      from.set(101, 0x6_0003n);
    }
    expect(storedOf(TceTable.cut(from, 600))).toEqual(expected.filter(([index]) => index < 600));
    expect(() => new TceTable({ length: 4999, pageShift: 16 }).restore(from)).toThrow(
      expect.objectContaining({ code: "BAD_SHAPE" }),
    );
  });

  it("refuses to diff tables of different shapes", () => {
    const a = new TceTable({ length: 8, pageShift: 12 });
    expect(() => diff(a, new TceTable({ length: 9, pageShift: 12 }), () => {})).toThrow(/8 and 9 entries/);
    expect(() => diff(a, new TceTable({ length: 8, pageShift: 16 }), () => {})).toThrow(/12 and 16/);
  });

  it("keeps a snapshot as it was, and shares what did not change", () => {
    const table = new TceTable({ length: 2 ** 31, pageShift: 16 });
    for (let i = 0; i < 3000; i++) table.set(i * 700_001, BigInt(i * 7 + 1));
    const before = storedOf(table);
    const snapshot = table.snapshot();
    table.set(0, 0xffn);
    fill(table, 2 ** 30, 2 ** 30, 0n);
    expect(storedOf(snapshot)).toEqual(before);
    expect(changes(snapshot, table)).toHaveLength(1 + before.filter(([index]) => index >= 2 ** 30).length);
  });
});
