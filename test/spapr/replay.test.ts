import { describe, expect, it, vi } from "vitest";
import { AddressSpace } from "../../src/memory/address-space.ts";
import type { FlatRange } from "../../src/memory/flat-view.ts";
import type { ReplayReport } from "../../src/memory/iommu-hooks.ts";
import { IommuNotifier, NotifierFlag } from "../../src/memory/iommu-notifier.ts";
import { forEachPage, type MappingRun } from "../../src/memory/mapping-run.ts";
import type { MemoryListener } from "../../src/memory/memory-system.ts";
import type { DmaWindow } from "../../src/spapr/dma-window.ts";
import type { ReplayStrategy } from "../../src/spapr/window-replay.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { times } from "../helpers/some.ts";
import { Guest, HIGH, WIN0, WIN1 } from "./guest.ts";

/** Does what VFIO does: a notifier and a replay for each window that appears. */
class Mirror implements MemoryListener {
  readonly name = "mirror";
  readonly log: string[] = [];
  readonly replays: ReplayReport[] = [];
  /** Pages that this listener believes are mapped, as `window-relative address: target perm`. */
  readonly mapped = new Map<string, Map<bigint, string>>();
  #notifiers = new Map<string, IommuNotifier>();

  regionAdd(section: FlatRange): void {
    const { region } = section;
    if (region.iommu === null) return;
    this.log.push(
      `add ${region.name} ${section.offsetInRegion}-${section.offsetInRegion + section.size - 1n}`,
    );
    const pages = new Map<bigint, string>();
    this.mapped.set(region.name, pages);
    const notifier = new IommuNotifier({
      name: this.name,
      flags: NotifierFlag.IOTLB_EVENTS,
      start: section.offsetInRegion,
      last: section.offsetInRegion + section.size - 1n,
      notify: (run) => this.#hear(region.name, pages, run),
    });
    region.iommu.registerNotifier(notifier);
    this.#notifiers.set(region.name, notifier);
    this.replays.push(region.iommu.replay(notifier));
  }

  regionDel(section: FlatRange): void {
    const { region } = section;
    if (region.iommu === null) return;
    this.log.push(`del ${region.name}`);
    region.iommu.unregisterNotifier(this.#notifiers.get(region.name)!);
    this.mapped.delete(region.name);
  }

  #hear(name: string, pages: Map<bigint, string>, run: MappingRun): void {
    forEachPage(run, (iova, target) => {
      this.log.push(`${run.perm === 0 ? "unmap" : "map"} ${name} ${iova} ${target} ${run.perm}`);
      if (run.perm === 0) pages.delete(iova);
      else pages.set(iova, `${target} ${run.perm}`);
    });
  }
}

function setup(replayStrategy: ReplayStrategy = "page-walk", dmaWinSize = 1n << 30n) {
  const guest = new Guest({ replayStrategy, phbs: [{ index: 0, dmaWinSize }] });
  guest.machine.observer.trace = null;
  const [win0, win1] = guest.machine.phb(0).windows as [DmaWindow, DmaWindow];
  const mirror = new Mirror();
  guest.machine.memory.register(mirror, guest.machine.phb(0).addressSpace);
  return { guest, win0, win1, mirror, look: () => mirror.log.splice(0) };
}

/** Counts the translations of a window; a spy of Vitest would keep each of them. */
function countTranslations(window: DmaWindow): () => number {
  let count = 0;
  const translate = window.translate;
  window.translate = (...args) => {
    count++;
    return translate.apply(window, args);
  };
  return () => count;
}

const SKIPPED = { strategy: "skipped", steps: 0, notifications: 0, complete: true };

describe("the replay of a window", () => {
  it("that ibm,create-pe-dma-window makes is skipped: not one translation, and a notifier all the same", () => {
    const { guest, win1, look } = setup();
    look();
    const translate = vi.spyOn(win1, "translate");
    const replay = vi.spyOn(win1, "replay");
    let flag: boolean | undefined;
    guest.machine.memory.register(
      { name: "flag", regionAdd: (s) => (flag = s.region === win1.iommu ? win1.skippingReplay : flag) },
      guest.machine.phb(0).addressSpace,
    );
    // 2^20 entries: enough to see a walk, and few enough to see it soon.
    expect(guest.create(16, 36)).toEqual([0, WIN1, HIGH]);
    expect(look()).toEqual([`add tce-iommu-80000001 0-${(1n << 36n) - 1n}`]);
    expect(win1.iommu.notifiers.map((n) => [n.flags, n.start, n.last])).toEqual([[3, 0n, (1n << 36n) - 1n]]);
    expect([translate.mock.calls.length, replay.mock.calls.length]).toEqual([0, 1]);
    expect(win1.lastReplay).toEqual(SKIPPED);
    expect([flag, win1.skippingReplay]).toEqual([true, false]);

    // Right after: one MAP, relative to the window.
    guest.put(WIN1, HIGH + 0x1_2345n, 0x7_0003n);
    expect(look()).toEqual(["map tce-iommu-80000001 65536 458752 3"]);
    expect(translate).not.toHaveBeenCalled();
  });

  it("walks all entries for a listener that comes later, and tells it alone, in ascending order", () => {
    const { guest, win1, look } = setup();
    guest.create(16, 28);
    for (const page of [4000n, 2n, 9n]) guest.put(WIN1, HIGH + page * 0x1_0000n, (page << 20n) | 1n);
    look();
    const translate = vi.spyOn(win1, "translate");
    const late = new Mirror();
    guest.machine.memory.register(late, guest.machine.phb(0).addressSpace);
    expect(late.log.filter((line) => line.includes("80000001"))).toEqual([
      "add tce-iommu-80000001 0-268435455",
      `map tce-iommu-80000001 ${2 * 65536} ${2 << 20} 1`,
      `map tce-iommu-80000001 ${9 * 65536} ${9 << 20} 1`,
      `map tce-iommu-80000001 ${4000 * 65536} ${4000 * 2 ** 20} 1`,
    ]);
    expect(translate).toHaveBeenCalledTimes(4096);
    expect(late.replays.at(-1)).toEqual({
      strategy: "page-walk",
      steps: 4096,
      notifications: 3,
      complete: true,
    });
    expect(look()).toEqual([]);
  });

  it.each([
    { name: "ibm,reset-pe-dma-window", reset: (g: Guest) => g.resetWindows() },
    { name: "a machine reset", reset: (g: Guest) => g.machine.reset() },
  ])("walks the default window that $name restores", ({ reset }) => {
    const { guest, win0, look, mirror } = setup();
    guest.create(16, 30);
    look();
    const translations = countTranslations(win0);
    reset(guest);
    expect(look()).toEqual([
      "del tce-iommu-80000000",
      "del tce-iommu-80000001",
      "add tce-iommu-80000000 0-1073741823",
    ]);
    expect(translations()).toBe(262_144);
    expect(mirror.replays.at(-1)).toEqual({
      strategy: "page-walk",
      steps: 262_144,
      notifications: 0,
      complete: true,
    });
    expect(win0.skippingReplay).toBe(false);
  });

  it("walks the default window that comes back when the last other one is removed", () => {
    const { guest, win0, look } = setup();
    guest.create(16, 30);
    guest.remove(WIN0);
    look();
    const translations = countTranslations(win0);
    guest.remove(WIN1);
    expect(look()).toEqual(["del tce-iommu-80000001", "add tce-iommu-80000000 0-1073741823"]);
    expect(translations()).toBe(262_144);
  });

  it.each([
    { name: "a bad page size", pageShift: 13, windowShift: 30, status: -3 },
    { name: "2^32 entries", pageShift: 12, windowShift: 44, status: -1 },
  ])("is no matter of a create that fails: $name", ({ pageShift, windowShift, status }) => {
    const { guest, win1, look } = setup();
    look();
    expect(guest.create(pageShift, windowShift)).toEqual([status]);
    expect(look()).toEqual([]);
    expect([win1.lastReplay, win1.skippingReplay]).toEqual([undefined, false]);
  });

  it("escapes the flag when the create runs inside of an open transaction (QEMU-REPLAY-3)", () => {
    const { guest, win1 } = setup();
    guest.machine.memory.transaction(() => guest.create(16, 24));
    expect(win1.lastReplay).toEqual({ strategy: "page-walk", steps: 256, notifications: 0, complete: true });
  });

  it("forgets the flag even when a listener throws", () => {
    const { guest, win1 } = setup();
    guest.machine.memory.register(
      {
        name: "broken",
        regionAdd: (section) => {
          if (section.region === win1.iommu) throw new Error("no host window");
        },
      },
      guest.machine.phb(0).addressSpace,
    );
    expect(() => guest.create(16, 24)).toThrow("no host window");
    expect(win1.skippingReplay).toBe(false);
  });

  it("from the counts costs what is mapped: 128 TiB with three runs", () => {
    const { guest, win1 } = setup("counted-walk");
    guest.create(16, 47);
    guest.indirect(WIN1, HIGH, [0x3n, 0x1_0003n, 0x2_0001n, 0x3_0001n]);
    guest.put(WIN1, HIGH + (1n << 47n) - 1n, 0x9_0002n);
    const runs: string[] = [];
    const notifier = new IommuNotifier({
      name: "n",
      flags: 3,
      notify: (run) => runs.push(`${run.firstPage}+${run.pages} ${run.target} ${run.perm}`),
    });
    expect(win1.iommu.replay(notifier)).toEqual({
      strategy: "counted-walk",
      steps: 3,
      notifications: 3,
      complete: true,
    });
    expect(runs).toEqual(["0+2 0 3", "2+2 131072 1", `${2 ** 31 - 1}+1 ${0x9_0000} 2`]);
  });

  it("tells what H_GET_TCE and live notifications tell, with either strategy", () => {
    const seed = runSeed();
    const random = new Random(seed);
    try {
      for (const shift of [12, 16, 24]) {
        const guests = (["page-walk", "counted-walk"] as const).map((strategy) => setup(strategy, 1n << 22n));
        for (const { guest } of guests) expect(guest.create(shift, shift + 10)[0]).toBe(0);
        const page = 1n << BigInt(shift);
        for (let round = 0; round < times(2, 6); round++) {
          for (let step = 0; step < 60; step++) {
            const liobn = random.pick([WIN0, WIN1, WIN1]);
            const size = liobn === WIN0 ? 0x1000n : page;
            const ioba = (liobn === WIN0 ? 0n : HIGH) + BigInt(random.below(1030)) * size;
            const start = BigInt.asUintN(
              64,
              random.pick([0n, -8n * size, random.u64()]) + BigInt(random.below(4)),
            );
            const count = 1 + random.below(20);
            const step = random.pick([size, size, 0n, 1n]);
            const list = Array.from({ length: count }, (_, i) =>
              BigInt.asUintN(64, start + step * BigInt(i)),
            );
            const kind = random.below(4);
            for (const { guest } of guests) {
              if (kind === 0) guest.put(liobn, ioba, start);
              else if (kind === 1) guest.indirect(liobn, ioba, list);
              else guest.stuff(liobn, ioba, kind === 2 ? 0n : start, count);
            }
          }
          const told = guests.map(({ guest, mirror }) => {
            const late = new Mirror();
            guest.machine.memory.register(late, guest.machine.phb(0).addressSpace);
            guest.machine.memory.unregister(late);
            const maps = late.log.filter((line) => line.startsWith("map"));
            const live = [...mirror.mapped]
              .flatMap(([name, pages]) =>
                [...pages]
                  .sort(([a], [b]) => (a < b ? -1 : 1))
                  .map(([iova, what]) => `map ${name} ${iova} ${what}`),
              )
              .sort();
            expect([...maps].sort()).toEqual(live);
            return maps;
          });
          expect(told[1]).toEqual(told[0]);
          const { guest } = guests[0]!;
          const naive = Array.from({ length: 1024 }, (_, i) => {
            const tce = guest.get(WIN1, HIGH + BigInt(i) * page) as bigint;
            if ((tce & 3n) === 0n) return [];
            return [`map tce-iommu-80000001 ${BigInt(i) * page} ${(tce / page) * page} ${tce & 3n}`];
          }).flat();
          expect(told[0]!.filter((line) => line.includes("80000001"))).toEqual(naive);
        }
      }
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error });
    }
  });
});

describe("notifications of hypercalls (QEMU-NOTIFY-1)", () => {
  const relisten = () => {
    const it = setup();
    it.look();
    return it;
  };
  it.each([
    {
      name: "a PUT over a valid entry: one MAP",
      call: (g: Guest) => g.put(WIN0, 0x1000n, 0x6001n),
      told: ["map 4096 24576 1"],
    },
    {
      name: "a PUT of the same value: a MAP again",
      call: (g: Guest) => g.put(WIN0, 0x1000n, 0x5003n),
      told: ["map 4096 20480 3"],
    },
    {
      name: "an UNMAP carries the target",
      call: (g: Guest) => g.put(WIN0, 0x1000n, 0x7abcn & ~3n),
      told: ["unmap 4096 28672 0"],
    },
    {
      name: "clearing what is empty: an UNMAP",
      call: (g: Guest) => g.put(WIN0, 0x2000n, 0n),
      told: ["unmap 8192 0 0"],
    },
    { name: "a refused PUT: nothing", call: (g: Guest) => g.put(WIN0, 0x4000_0000n, 3n), told: [] },
    {
      name: "a STUFF: each page, one target",
      call: (g: Guest) => g.stuff(WIN0, 0n, 0x8003n, 2),
      told: ["map 0 32768 3", "map 4096 32768 3"],
    },
    {
      name: "a list of UNMAPs: each with the target of its own entry",
      call: (g: Guest) => g.indirect(WIN0, 0n, [0x1000n, 0x2000n, 0x2000n, 0x3004n]),
      told: ["unmap 0 4096 0", "unmap 4096 8192 0", "unmap 8192 8192 0", "unmap 12288 12288 0"],
    },
    {
      name: "a list that fails half way: what was stored",
      call: (g: Guest) => g.indirect(WIN0, 0x3fff_f000n, [0x1001n, 0x2001n]),
      told: ["map 1073737728 4096 1"],
    },
    {
      name: "a reset of the table: nothing",
      call: (g: Guest) => g.machine.phb(0).windows[0]!.reset(),
      told: [],
    },
  ])("$name", ({ call, told }) => {
    const { guest, look } = relisten();
    guest.put(WIN0, 0x1000n, 0x5003n);
    look();
    call(guest);
    expect(look()).toEqual(told.map((line) => line.replace(" ", " tce-iommu-80000000 ")));
  });

  it("need user space from the first notifier to the last, and refuse device TLBs in QEMU's words", () => {
    const { win0, guest, mirror } = relisten();
    expect(win0.needVfio).toBe(true);
    const bad = new IommuNotifier({ name: "tlb", flags: 4, notify: () => {} });
    expect(() => win0.iommu.registerNotifier(bad)).toThrow(
      "notifier tlb with tce-iommu-80000000: spart_tce does not support dev-iotlb yet",
    );
    expect(win0.iommu.notifiers).toHaveLength(1);
    guest.machine.memory.unregister(mirror);
    expect([win0.needVfio, win0.iommu.notifierFlags]).toEqual([false, 0]);
  });

  it("leave a window alone that lies behind another one, and its visible tail be heard", () => {
    const { guest, look } = relisten();
    guest.create(16, 20);
    guest.remove(WIN0);
    look();
    expect(guest.create(16, 21)).toEqual([0, WIN0, HIGH]);
    // Half of it is behind window 1: the section begins at an offset in the region.
    expect(look()).toEqual([`add tce-iommu-80000000 ${1 << 20}-${(1 << 21) - 1}`]);
    guest.put(WIN0, HIGH, 3n);
    expect(look()).toEqual([]);
    guest.put(WIN0, HIGH + (1n << 20n), 3n);
    expect(look()).toEqual([`map tce-iommu-80000000 ${1 << 20} 0 3`]);
    expect(
      new AddressSpace(guest.machine.memory, "copy", guest.machine.phb(0).addressSpace.root).view.ranges,
    ).toHaveLength(3);
  });
});
