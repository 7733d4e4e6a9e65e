import { describe, expect, it, vi } from "vitest";
import { pageStep } from "../../src/base/page-step.ts";
import { Leaf, newOwner } from "../../src/tce/leaf.ts";
import { LookupCache, NO_LEAF } from "../../src/tce/lookup-cache.ts";
import { heightOf } from "../../src/tce/nodes.ts";
import { TceTable } from "../../src/tce/tce-table.ts";
import { TceView } from "../../src/tce/tce-view.ts";
import { TreeWriter } from "../../src/tce/tree-writer.ts";
import { Random } from "../helpers/random.ts";
import { CachedLookups, SHAPES } from "./cached-lookups.ts";

describe("what a table caches", () => {
  it.each(SHAPES.flatMap((shape) => [1, 2761108510].map((seed) => ({ ...shape, seed }))))(
    "is what the tree holds: %o",
    ({ seed, ...shape }) => {
      new CachedLookups(shape, new Random(seed)).run(250);
    },
  );

  it("is not a gap in which a leaf was made that is written since", () => {
    const table = new TceTable({ length: 2 ** 15, pageShift: 12 });
    for (let i = 0; i < 128; i += 4) table.put(i, 0, (0x100 + i * 7) * 0x1000 + 3);
    expect(table.get(300)).toBe(0n);
    table.fill(1, 2, 0, 0x5003);
    table.put(300, 0, 0x9003);
    table.fill(0, 2, 0, 0);
    expect([table.get(300), table.snapshot().get(300)]).toEqual([0x9003n, 0x9003n]);
  });

  it("is no entry twice: a run drops the leaves in it, and a leaf the run around it", () => {
    const cache = new LookupCache(pageStep(12));
    const leaf = new Leaf(newOwner(), 512, new Uint32Array(1024));
    cache.keepLeaf(600, leaf);
    cache.keepRun(0, 512, 0, 3, 0);
    expect([cache.leafOf(1023), cache.run.has(511), cache.leafOf(511), cache.leafOf(1024)]).toEqual([
      leaf,
      true,
      NO_LEAF,
      NO_LEAF,
    ]);
    cache.keepRun(0, 513, 0, 3, 0);
    expect([cache.leafOf(600), cache.run.has(512)]).toEqual([NO_LEAF, true]);
    cache.keepLeaf(1000, leaf);
    expect([cache.leafOf(600), cache.run.has(0)]).toEqual([leaf, false]);
    cache.forget(0, 512);
    expect(cache.leafOf(512)).toBe(leaf);
    cache.forget(511, 513);
    expect(cache.leafOf(512)).toBe(NO_LEAF);
  });

  it("is a leaf that was made in a gap: a ring that moves on through a window is hardly ever a walk", () => {
    const writes = vi.spyOn(TreeWriter.prototype, "write");
    const table = new TceTable({ length: 2 ** 18, pageShift: 12 });
    const [ring, stride, packets] = [256, 16, 20_000];
    for (let i = 0; i < packets; i++) {
      if (i >= ring) table.put(((i - ring) * stride) % 49_152, 0, 0);
      table.put((i * stride) % 49_152, 0, i * 0x1000 + 3);
    }
    // Each leaf has 32 of the entries: it is made once, and taken away once.
    const leaves = packets / (512 / stride);
    expect(writes.mock.calls.length).toBeLessThan(4 * leaves);
    expect([table.validCount, table.get(49_152 - stride)]).toEqual([ring, 0n]);
    writes.mockRestore();
  });

  it("is written in place, which copies no node", () => {
    const table = new TceTable({ length: 2 ** 18, pageShift: 12 });
    for (let i = 0; i < 512; i++) table.put(i, 0, i * 0x7000 + 3);
    const { root } = table;
    table.put(5, 0, 0x9003);
    table.put(6, 0, 0);
    expect(table.root).toBe(root);
    const snapshot = table.snapshot();
    table.put(5, 0, 0xa003);
    expect(table.root).not.toBe(root);
    expect([snapshot.get(5), snapshot.validCount, table.get(5), table.validCount]).toEqual([
      0x9003n,
      511,
      0xa003n,
      511,
    ]);
  });

  it("is not shared with a copy of a table that goes on", () => {
    const table = new TceTable({ length: 2 ** 15, pageShift: 12 });
    for (let i = 0; i < 512; i++) table.put(i, 0, i * 0x7000 + 3);
    const copy = TceTable.from(table);
    table.put(5, 0, 0x9003);
    expect(copy.get(5)).toBe(0x2_3003n);
  });
});

describe("a walk", () => {
  it("sees the table as it was, though a leaf is emptied under it and its memory is used again", () => {
    const table = new TceTable({ length: 2 ** 15, pageShift: 12 });
    for (let i = 0; i < 512; i++) table.put(i, 0, i * 0x7000 + 3);
    const seen: number[] = [];
    table.forEachStoredRun(0, 2 ** 15, (first) => {
      seen.push(first);
      if (first > 0) return;
      for (let i = 0; i < 512; i++) table.put(i, 0, 0);
      for (let i = 0; i < 512; i++) table.put(5000 + i, 0, i * 0x5000 + 1);
    });
    expect(seen).toEqual(Array.from({ length: 512 }, (_, i) => i));
    expect([table.count(0, 512), table.validCount]).toEqual([0, 512]);
  });

  it("that writes nothing leaves the table as it is: later writes copy nothing", () => {
    const table = new TceTable({ length: 2 ** 15, pageShift: 12 });
    for (let i = 0; i < 512; i++) table.put(i, 0, i * 0x7000 + 3);
    const { root } = table;
    expect(() =>
      table.forEachRun(0, 512, () => {
        throw new Error("stop");
      }),
    ).toThrow("stop");
    table.put(5, 0, 0x9003);
    expect(table.root).toBe(root);
  });
});

describe("the limit of dense leaves", () => {
  it("refuses another leaf and leaves the sums of the tree right", () => {
    const shape = { length: 2 ** 21, pageShift: 12 };
    const writer = new TreeWriter(pageStep(12), heightOf(shape.length), 3);
    let root: TceView["root"] = null;
    const put = (index: number, count: number): void => {
      writer.run(index, index + count, 0, index * 0x3000 + 3, 0);
      root = writer.write(root);
    };
    for (let leaf = 0; leaf < 3; leaf++) for (let i = 0; i < 120; i += 2) put(leaf * 2 ** 15 + i, 1);
    for (let i = 0; i < 8; i++) put(3 * 2 ** 15 - 20 + i * 2, 1);
    const before = new TceView(shape, root).validCount;
    expect(before).toBe(188);
    expect(() => {
      for (let i = 0; i < 300; i++) put(4 * 2 ** 15 + i * 2, 1);
    }).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    const view = new TceView(shape, root);
    let stored = 0;
    view.forEachStoredRun(0, shape.length, (_first, count) => {
      stored += count;
    });
    expect([view.validCount, view.storedCount]).toEqual([stored, stored]);
    expect(stored).toBeGreaterThan(before);
  });
});
