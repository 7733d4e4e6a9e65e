import { expect, it } from "vitest";
import { LifetimeTracker } from "../../src/check/lifetimes/qemu-lifetimes.ts";
import { QemuLogReader } from "../../src/formats/trace/qemu-log.ts";
import { AlivePatterns } from "../../src/live/alive-patterns.ts";
import { Random } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";

const LIOBN = "liobn=0x80000000";
const TABLE = `spapr_iommu_new_table ${LIOBN} table=0x1 fd=-1\n`;
const put = (page: number, tce: number): string =>
  `spapr_iommu_pci_put ${LIOBN} ioba=0x${(page * 4096).toString(16)} tce=0x${tce.toString(16)} ret=0\n`;
const list = (page: number, count: number): string =>
  `spapr_iommu_pci_indirect ${LIOBN} ioba=0x${(page * 4096).toString(16)} tcelist=0x1000 iobaN=0x${(count - 1).toString(16)} tceN=0x9000003 ret=0\n`;
const clear = (page: number, count: number): string =>
  `spapr_iommu_pci_stuff ${LIOBN} ioba=0x${((page + count) * 4096).toString(16)} tcevalue=0x0 npages=${count} ret=0\n`;

function follow(alive: AlivePatterns): (text: string) => void {
  const tracker = new LifetimeTracker(alive);
  const reader = new QemuLogReader((event) => tracker.handle(event));
  reader.push(Buffer.from(TABLE));
  return (text) => reader.push(Buffer.from(text));
}

it("groups what is alive by pages and permission, with the oldest of each", () => {
  const alive = new AlivePatterns();
  const push = follow(alive);
  alive.now = 1000;
  push(put(1, 0x2003) + put(2, 0x3003) + put(3, 0x4001));
  alive.now = 3000;
  push(list(16, 4));
  const { shown, more } = alive.patterns(5000);
  expect(more).toBe(0);
  expect(shown).toEqual([
    {
      liobn: "0x80000000",
      pages: 4,
      perm: 3,
      count: 1,
      bytes: 16_384,
      oldest: { ioba: "0x0000000000010000", event: 4, seconds: 2 },
    },
    {
      liobn: "0x80000000",
      pages: 1,
      perm: 3,
      count: 2,
      bytes: 8192,
      oldest: { ioba: "0x0000000000001000", event: 1, seconds: 4 },
    },
    {
      liobn: "0x80000000",
      pages: 1,
      perm: 1,
      count: 1,
      bytes: 4096,
      oldest: { ioba: "0x0000000000003000", event: 3, seconds: 4 },
    },
  ]);
  push(clear(1, 1) + clear(16, 1));
  expect(alive.patterns(5000).shown).toMatchObject([
    { pages: 4, count: 1, bytes: 12_288 },
    { pages: 1, perm: 3, count: 1, oldest: { event: 2 } },
    { pages: 1, perm: 1 },
  ]);
});

it("has the pages that a simple model has, also after all was forgotten in between", () => {
  const random = new Random(3);
  const alive = new AlivePatterns();
  const push = follow(alive);
  const owners = new Map<number, number>();
  for (let i = 0; i < 6_000; i++) {
    const page = random.below(200);
    const count = 1 + random.below(4);
    const maps = random.below(2) === 0;
    push(maps ? list(page, count) : clear(page, count));
    for (let at = page; at < page + count; at++) {
      if (maps) owners.set(at, i);
      else owners.delete(at);
    }
    if (i === 3_000) {
      alive.clear();
      owners.clear();
    }
    same(alive.pages, owners.size);
    same(alive.count, new Set(owners.values()).size);
  }
  const { shown } = alive.patterns(0);
  expect(shown.reduce((sum, { count }) => sum + count, 0)).toBe(alive.count);
  expect(shown.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(alive.pages * 4096);
});
