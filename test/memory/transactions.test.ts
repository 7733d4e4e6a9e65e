import { beforeEach, describe, expect, it } from "vitest";
import { AddressSpace } from "../../src/memory/address-space.ts";
import type { FlatRange } from "../../src/memory/flat-view.ts";
import { MemoryRegion } from "../../src/memory/memory-region.ts";
import { type MemoryListener, MemorySystem } from "../../src/memory/memory-system.ts";
import { Random, runSeed } from "../helpers/random.ts";

const DEAD_DEVICE = { read: () => 0n, write: () => {} };
let system: MemorySystem;
let root: MemoryRegion;
let space: AddressSpace;
/** What listeners heard since the last look. */
let heard: string[];

beforeEach(() => {
  system = new MemorySystem();
  root = MemoryRegion.container(system, "root", 0x1000n);
  space = new AddressSpace(system, "space", root);
  heard = [];
});

const device = (name: string, size = 0x10n): MemoryRegion =>
  MemoryRegion.mmio(system, name, size, DEAD_DEVICE);

const section = (range: FlatRange): string => `${range.region.name}@${range.address.toString(16)}`;

const listener = (name: string, priority?: number): MemoryListener => ({
  name,
  ...(priority === undefined ? {} : { priority }),
  begin: () => heard.push(`${name} begin`),
  commit: () => heard.push(`${name} commit`),
  regionAdd: (range) => heard.push(`${name} add ${section(range)}`),
  regionDel: (range) => heard.push(`${name} del ${section(range)}`),
  regionNop: (range) => heard.push(`${name} nop ${section(range)}`),
});

const look = (): string[] => heard.splice(0);

describe("a memory transaction", () => {
  it("tells removals in ascending order, then additions in ascending order, and nop for what stays", () => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => device(name));
    root.addSubregion(a!, 0n);
    root.addSubregion(b!, 0x20n);
    root.addSubregion(c!, 0x40n);
    system.register(listener("l"), space);
    look();
    system.transaction(() => {
      root.removeSubregion(c!);
      root.removeSubregion(a!);
      root.addSubregion(d!, 0x60n);
      root.addSubregion(c!, 0x8n);
    });
    expect(look()).toEqual([
      "l begin",
      "l del a@0",
      "l del c@40",
      "l add c@8",
      "l nop b@20",
      "l add d@60",
      "l commit",
    ]);
  });

  it("tells a range that changed in place as removed and added", () => {
    const a = device("a");
    root.addSubregion(a, 0n);
    system.register(listener("l"), space);
    look();
    a.setSize(0x18n);
    expect(look()).toEqual(["l begin", "l del a@0", "l add a@0", "l commit"]);
  });

  it("ends with the outermost one, and shows the old view until then", () => {
    const a = device("a");
    const views: number[] = [];
    system.register({ name: "view", regionAdd: () => views.push(space.view.ranges.length) }, space);
    system.register(listener("l"), space);
    look();
    system.transaction(() => {
      system.transaction(() => root.addSubregion(a, 0n));
      root.addSubregion(device("b"), 0x20n);
      expect(look()).toEqual([]);
      expect(space.view.ranges).toHaveLength(0);
    });
    expect(look()).toEqual(["l begin", "l add a@0", "l add b@20", "l commit"]);
    expect(views).toEqual([0, 0]);
    expect(space.view.ranges).toHaveLength(2);
  });

  it("is finished even when the change throws", () => {
    system.register(listener("l"), space);
    look();
    expect(() =>
      system.transaction(() => {
        root.addSubregion(device("a"), 0n);
        throw new Error("half way");
      }),
    ).toThrow("half way");
    expect(look()).toEqual(["l begin", "l add a@0", "l commit"]);
    root.addSubregion(device("b"), 0x20n);
    expect(look()).toEqual(["l begin", "l nop a@0", "l add b@20", "l commit"]);
  });

  it("leaves the newest view when a listener itself changes the layout", () => {
    const a = device("a");
    const b = device("b");
    system.register(
      { name: "reacts", regionAdd: (r) => r.region === a && root.addSubregion(b, 0x20n) },
      space,
    );
    system.register(listener("l"), space);
    look();
    root.addSubregion(a, 0n);
    expect(space.view.ranges.map(section)).toEqual(["a@0", "b@20"]);
    // The second change is a transaction of its own, behind the first one.
    expect(look()).toEqual([
      "l begin",
      "l add a@0",
      "l commit",
      "l begin",
      "l nop a@0",
      "l add b@20",
      "l commit",
    ]);
  });

  // Which changes make listeners run at all: the rules for "update pending" (QEMU-MEMORY-4).
  it.each([
    {
      name: "adding into a detached container",
      change: () => device("x").addSubregion(device("y"), 0n),
      runs: true,
    },
    { name: "adding an enabled region", change: () => root.addSubregion(device("x"), 0n), runs: true },
    { name: "setting the size of a detached region", change: () => device("x").setSize(1n), runs: true },
    { name: "setting the same size", change: () => root.setSize(0x1000n), runs: false },
    { name: "disabling a detached region", change: () => device("x").setEnabled(false), runs: true },
    { name: "enabling what is enabled", change: () => root.setEnabled(true), runs: false },
    { name: "an empty transaction", change: () => system.transaction(() => {}), runs: false },
  ])("$name: listeners run: $runs", ({ change, runs }) => {
    system.register(listener("l"), space);
    look();
    change();
    expect(look().length > 0).toBe(runs);
  });

  it("adding a disabled region, or into a disabled container, does not make listeners run", () => {
    const container = MemoryRegion.container(system, "container");
    container.setEnabled(false);
    system.register(listener("l"), space);
    look();
    container.addSubregion(device("x"), 0n);
    root.addSubregion(container, 0n);
    expect(look()).toEqual([]);
  });

  it("tells every address space, in order of creation", () => {
    const other = new AddressSpace(system, "other", MemoryRegion.container(system, "other root"));
    other.root.addSubregion(device("o"), 0n);
    system.register(listener("2"), other);
    system.register(listener("1"), space);
    look();
    root.addSubregion(device("a"), 0n);
    expect(look()).toEqual(["2 begin", "1 begin", "1 add a@0", "2 nop o@0", "2 commit", "1 commit"]);
  });
});

describe("listeners of one address space", () => {
  it("run in ascending priority, for removals in descending; equal ones as they were registered", () => {
    const a = device("a");
    for (const [name, priority] of [
      ["b10", 10],
      ["a0", 0],
      ["c10", 10],
      ["default", undefined],
    ] as const) {
      system.register(listener(name, priority), space);
    }
    look();
    const order = ["a0", "default", "b10", "c10"];
    const all = (what: string, names: readonly string[] = order): string[] =>
      names.map((name) => `${name} ${what}`);
    root.addSubregion(a, 0n);
    expect(look()).toEqual([...all("begin"), ...all("add a@0"), ...all("commit")]);
    system.transaction(() => {
      root.addSubregion(device("b"), 0x20n);
    });
    expect(look()).toEqual([...all("begin"), ...all("nop a@0"), ...all("add b@20"), ...all("commit")]);
    root.removeSubregion(a);
    expect(look()).toEqual([
      ...all("begin"),
      ...all("del a@0", [...order].reverse()),
      ...all("nop b@20"),
      ...all("commit"),
    ]);
  });

  it("hear everything come when they are registered, and go when they are taken away", () => {
    root.addSubregion(device("b"), 0x20n);
    root.addSubregion(device("a"), 0n);
    system.register(listener("other"), space);
    look();
    const l = listener("l");
    system.register(l, space);
    expect(look()).toEqual(["l begin", "l add a@0", "l add b@20", "l commit"]);
    system.unregister(l);
    expect(look()).toEqual(["l begin", "l del a@0", "l del b@20", "l commit"]);
    root.addSubregion(device("c"), 0x40n);
    expect(look().filter((line) => line.startsWith("l "))).toEqual([]);
    system.unregister(l);
    expect(look()).toEqual([]);
  });

  it("hear everything go when the address space does; destroying it twice harms no other", () => {
    const other = new AddressSpace(system, "other", MemoryRegion.container(system, "other root"));
    root.addSubregion(device("a"), 0n);
    system.register(listener("l"), space);
    look();
    space.destroy();
    expect(look()).toEqual(["l begin", "l del a@0", "l commit"]);
    space.destroy();
    expect(system.spaces).toEqual([other]);
    other.root.addSubregion(device("o"), 0n);
    expect(other.view.ranges).toHaveLength(1);
  });

  it("that follow adds and removals know the view, whatever happens", () => {
    const seed = runSeed();
    const random = new Random(seed);
    const mirror = new Map<string, FlatRange>();
    const key = (r: FlatRange): string => `${section(r)}+${r.offsetInRegion} ${r.size}`;
    system.register(
      {
        name: "mirror",
        regionAdd: (range) => {
          if (mirror.has(key(range))) throw new Error(`added twice: ${key(range)}`);
          mirror.set(key(range), range);
        },
        regionDel: (range) => {
          if (!mirror.delete(key(range))) throw new Error(`was not there: ${key(range)}`);
        },
        regionNop: (range) => {
          if (!mirror.has(key(range))) throw new Error(`not known: ${key(range)}`);
        },
      },
      space,
    );
    const regions = Array.from({ length: 8 }, (_, i) => device(`d${i}`, BigInt(8 + random.below(40))));
    try {
      for (let step = 0; step < 2000; step++) {
        system.transaction(() => {
          for (let i = random.below(4); i >= 0; i--) {
            const region = random.pick(regions);
            if (random.below(3) === 0) region.setEnabled(!region.enabled);
            else if (region.container === null)
              root.addSubregion(region, BigInt(random.below(100)), random.below(3));
            else if (random.below(2) === 0) root.removeSubregion(region);
            else region.setSize(BigInt(random.below(50)));
          }
        });
        expect([...mirror.keys()].sort()).toEqual(space.view.ranges.map(key).sort());
      }
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error });
    }
  });
});
