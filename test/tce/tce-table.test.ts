import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { diff } from "../../src/tce/diff.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import type { TceView } from "../../src/tce/tce-view.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { times } from "../helpers/some.ts";
import {
  allSequences,
  changes,
  fill,
  mapOfWrites,
  PAST_SEED,
  PAST_WINDOW,
  SURROUNDINGS,
  WINDOWS,
  words,
} from "./campaigns.ts";
import { expectSame, ModelTable, pagesOf, storedOf } from "./model.ts";

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

  it.each(WINDOWS)("is the map that the same writes make: $length entries of shift $pageShift", (window) => {
    mapOfWrites(window, PAST_SEED, window === PAST_WINDOW ? 7100 : times(100, 300));
  });

  it.each(SURROUNDINGS)("is right after all sequences of three operations: $name", (surroundings) => {
    expect(allSequences({ ...surroundings, sizes: [3] }, 3)).toBeGreaterThan(1000);
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
    for (let step = 0; step < times(3000, 7000); step++) {
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
