import { beforeEach, describe, expect, it } from "vitest";
import { pageStep } from "../../src/base/page-step.ts";
import type { Permission } from "../../src/base/permission.ts";
import { hiOf, loOf, maxBig, minBig, U64_MAX } from "../../src/base/u64.ts";
import { AddressSpace } from "../../src/memory/address-space.ts";
import { IommuNotifier, NotifierFlag, type NotifierOptions } from "../../src/memory/iommu-notifier.ts";
import { IommuRegion } from "../../src/memory/iommu-region.ts";
import { forEachPage } from "../../src/memory/mapping-run.ts";
import { MemoryRegion } from "../../src/memory/memory-region.ts";
import { MemorySystem } from "../../src/memory/memory-system.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";

const { UNMAP, MAP, DEVIOTLB_UNMAP, IOTLB_EVENTS } = NotifierFlag;
let region: IommuRegion;
/** What notifiers heard: `name iova target perm` for each page, `name cut iova-last target perm` for cut ones. */
let heard: string[];
/** Changes of the OR of all flags, as the region's hook hears them. */
let flagChanges: [number, number][];

beforeEach(() => {
  heard = [];
  flagChanges = [];
  const system = new MemorySystem();
  const target = new AddressSpace(system, "target", MemoryRegion.container(system, "root"));
  region = new IommuRegion(system, "iommu", 1n << 40n, {
    target,
    translate: () => {},
    notifyFlagChanged(before, after) {
      if ((after & DEVIOTLB_UNMAP) !== 0) return "no device TLBs here";
      flagChanges.push([before, after]);
      return undefined;
    },
  });
});

function notifier(name: string, options: Partial<NotifierOptions> = {}, hearCuts = false): IommuNotifier {
  return new IommuNotifier({
    name,
    flags: IOTLB_EVENTS,
    notify: (run) => forEachPage(run, (iova, target) => heard.push(`${name} ${iova} ${target} ${run.perm}`)),
    ...(hearCuts
      ? {
          notifyCut: (iova: bigint, last: bigint, target: bigint, perm: number) =>
            heard.push(`${name} cut ${iova}-${last} ${target} ${perm}`),
        }
      : {}),
    ...options,
  });
}

function notify(shift: number, first: number, pages: number, target: bigint, perm: Permission): void {
  region.notify(pageStep(shift), first, pages, hiOf(target), loOf(target) | perm);
}

/** What QEMU would call for one page: nothing, the page, or no defined answer (the part, in 11.1). */
function modelPage(n: IommuNotifier, shift: number, page: number, target: bigint, perm: number): string[] {
  const first = BigInt(page) << BigInt(shift);
  const last = first + (1n << BigInt(shift)) - 1n;
  if (n.start > last || n.last < first) return [];
  const wanted = (n.flags & (perm === 0 ? UNMAP : MAP)) !== 0;
  if (!wanted) return [];
  const from = n.start > first ? n.start : first;
  const to = n.last < last ? n.last : last;
  if (from === first && to === last) return [`${n.name} ${first} ${target} ${perm}`];
  return [`${n.name} cut ${from}-${to} ${target} ${perm}`];
}

describe("the notifiers of an IOMMU region", () => {
  it("are told newest first, until they are taken away", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => notifier(name));
    for (const n of [a!, b!, c!]) region.registerNotifier(n);
    notify(12, 1, 1, 0x5000n, 3);
    region.unregisterNotifier(b!);
    notify(12, 2, 1, 0n, 0);
    expect(heard).toEqual(["c 4096 20480 3", "b 4096 20480 3", "a 4096 20480 3", "c 8192 0 0", "a 8192 0 0"]);
    expect(region.notifiers).toEqual([c, a]);
  });

  it.each([
    { flags: MAP, told: ["n 0 0 1", "n 0 0 2", "n 0 0 3"] },
    { flags: UNMAP, told: ["n 0 0 0"] },
    { flags: IOTLB_EVENTS, told: ["n 0 0 0", "n 0 0 1", "n 0 0 2", "n 0 0 3"] },
  ])("with flags $flags hear only those events", ({ flags, told }) => {
    region.registerNotifier(notifier("n", { flags }));
    for (const perm of [0, 1, 2, 3] as const) notify(12, 0, 1, 0n, perm);
    expect(heard).toEqual(told);
  });

  it("tell the region when the OR of their flags changes, and only then", () => {
    const [map, mapToo, unmap] = [MAP, MAP, UNMAP].map((flags, i) => notifier(`n${i}`, { flags }));
    region.registerNotifier(map!);
    region.registerNotifier(mapToo!);
    region.registerNotifier(unmap!);
    region.unregisterNotifier(map!);
    expect(region.notifierFlags).toBe(IOTLB_EVENTS);
    region.unregisterNotifier(mapToo!);
    region.unregisterNotifier(mapToo!);
    region.unregisterNotifier(unmap!);
    expect(flagChanges).toEqual([
      [0, MAP],
      [MAP, IOTLB_EVENTS],
      [IOTLB_EVENTS, UNMAP],
      [UNMAP, 0],
    ]);
  });

  it("that the region refuses are not there, and its flags stay", () => {
    const old = notifier("old", { flags: MAP });
    region.registerNotifier(old);
    expect(() => region.registerNotifier(notifier("tlb", { flags: DEVIOTLB_UNMAP | UNMAP }))).toThrow(
      expect.objectContaining({
        code: "NOTIFIER_REFUSED",
        message: "notifier tlb with iommu: no device TLBs here",
      }),
    );
    expect(region.notifiers).toEqual([old]);
    expect(region.notifierFlags).toBe(MAP);
    notify(12, 0, 1, 0n, 0);
    expect(heard).toEqual([]);
  });

  it.each([
    { name: "no flags", options: { flags: 0 }, message: "notifier n: flags 0 must be" },
    { name: "unknown flags", options: { flags: 8 }, message: "notifier n: flags 8 must be" },
    { name: "an empty range", options: { start: 2n, last: 1n }, message: "notifier n: 2 to 1 is no range" },
    { name: "a negative start", options: { start: -1n }, message: "notifier n: -1 to" },
    {
      name: "an end above 2^64",
      options: { last: 1n << 64n },
      message: "to 18446744073709551616 is no range",
    },
    { name: "another index", options: { index: 1 }, message: "notifier n: IOMMU index 1, iommu has 1" },
  ])("may not have $name", ({ options, message }) => {
    expect(() => region.registerNotifier(notifier("n", options))).toThrow(message);
    expect(region.notifiers).toEqual([]);
  });

  it("may not be registered twice", () => {
    const n = notifier("n");
    region.registerNotifier(n);
    expect(() => region.registerNotifier(n)).toThrow("notifier n is registered with iommu already");
    expect(region.notifiers).toEqual([n]);
  });

  // Pages of 16 bytes; the range in the middle of page 1 to 3.
  it.each([
    { name: "whole pages", start: 16n, last: 47n, told: ["n 16 16 3", "n 32 32 3"] },
    { name: "cut at the start", start: 17n, last: 47n, told: ["n cut 17-31 16 3", "n 32 32 3"] },
    { name: "cut at the end", start: 16n, last: 46n, told: ["n 16 16 3", "n cut 32-46 32 3"] },
    { name: "cut on both sides", start: 31n, last: 32n, told: ["n cut 31-31 16 3", "n cut 32-32 32 3"] },
    { name: "inside of one page", start: 18n, last: 20n, told: ["n cut 18-20 16 3"] },
    { name: "behind the run", start: 64n, last: 90n, told: [] },
    { name: "at the top of the space", start: U64_MAX - 15n, last: U64_MAX, told: [] },
  ])("hear what lies in their range: $name", ({ start, last, told }) => {
    const n = notifier("n", { start, last }, true);
    const deaf = notifier("deaf", { start, last });
    region.registerNotifier(n);
    region.registerNotifier(deaf);
    notify(4, 0, 4, 0n, 3);
    expect(heard.filter((line) => line.startsWith("n "))).toEqual(told);
    // Without a callback for cut pages they are hazards, as QEMU up to 10.0 has no answer for them.
    expect(deaf.hazards).toBe(told.filter((line) => line.includes("cut")).length);
    expect(n.hazards).toBe(0);
  });

  it("count a cut page as a hazard whether or not they wanted the event: QEMU looks at the range first", () => {
    const n = notifier("n", { flags: MAP, start: 1n });
    region.registerNotifier(n);
    notify(12, 0, 2, 0n, 0);
    expect([heard, n.hazards]).toEqual([[], 1]);
  });

  it("hear of every page what QEMU would tell page by page", () => {
    const seed = runSeed();
    const random = new Random(seed);
    try {
      for (let round = 0; round < 3000; round++) {
        const shift = random.pick([2, 3, 4, 5, 12, 34, 58]);
        const size = 1n << BigInt(shift);
        const inSpace = (value: bigint): bigint => (value > U64_MAX ? U64_MAX : value < 0n ? 0n : value);
        // Ranges around the first pages, or around the last ones of the 64-bit space.
        const base = shift === 58 && random.below(2) === 0 ? 1n << 63n : 0n;
        const near = (): bigint =>
          inSpace(
            base + BigInt(random.below(24)) * size + BigInt(random.below(3) - 1) * BigInt(random.below(9)),
          );
        const [x, y] = [near(), near()];
        const n = notifier(
          "n",
          { flags: 1 + random.below(3), start: minBig(x, y), last: maxBig(x, y) },
          true,
        );
        const deaf = notifier("deaf", { flags: n.flags, start: n.start, last: n.last });
        region.registerNotifier(n);
        region.registerNotifier(deaf);
        // Two runs, as the notifier remembers the page size of the last one.
        for (const s of [shift, random.pick([shift, 3])]) {
          const first = random.below(20);
          const pages = 1 + random.below(12);
          const perm = random.below(4) as Permission;
          const target = (random.u64() >> BigInt(s)) << BigInt(s);
          heard = [];
          const before = deaf.hazards;
          notify(s, first, pages, target, perm);
          let cuts = 0;
          const expected = Array.from({ length: pages }, (_, i) => {
            const at = perm === 0 ? target : BigInt.asUintN(64, target + (BigInt(i) << BigInt(s)));
            const page = BigInt(first + i) << BigInt(s);
            const end = page + (1n << BigInt(s)) - 1n;
            const isTouched = n.start <= end && n.last >= page;
            if (isTouched && (n.start > page || n.last < end)) cuts++;
            return modelPage(n, s, first + i, at, perm);
          }).flat();
          same(heard.filter((line) => line.startsWith("n ")).join("\n"), expected.join("\n"));
          same(deaf.hazards - before, cuts);
        }
        region.unregisterNotifier(n);
        region.unregisterNotifier(deaf);
      }
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error });
    }
  });

  it("get a run whole when it lies in their range, and keep one target for all pages of an UNMAP", () => {
    const runs: string[] = [];
    region.registerNotifier(
      notifier("n", {
        start: 0x1_0000n,
        last: 0x3_ffffn,
        notify: (run) => runs.push(`${run.firstPage}+${run.pages} ${run.target} ${run.perm}`),
      }),
    );
    notify(16, 0, 9, 0x70_0000n, 1);
    notify(16, 0, 9, 0x70_0000n, 0);
    notify(16, 2, 1, 0x70_0000n, 3);
    expect(runs).toEqual([`1+3 ${0x71_0000} 1`, `1+3 ${0x70_0000} 0`, `2+1 ${0x70_0000} 3`]);
  });
});
