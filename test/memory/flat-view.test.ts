import { describe, expect, it } from "vitest";
import { AddressSpace } from "../../src/memory/address-space.ts";
import type { FlatView } from "../../src/memory/flat-view.ts";
import { GuestRam } from "../../src/memory/guest-ram.ts";
import type { IommuHooks } from "../../src/memory/iommu-hooks.ts";
import { IommuRegion } from "../../src/memory/iommu-region.ts";
import { MemoryRegion, WHOLE_SPACE } from "../../src/memory/memory-region.ts";
import { MemorySystem } from "../../src/memory/memory-system.ts";
import { Random, runSeed } from "../helpers/random.ts";

const SPACE = 64n;
const DEAD_DEVICE = { read: () => 0n, write: () => {} };

/** `region+offset@address size`, one line for each range. */
const show = (view: FlatView): string[] =>
  view.ranges.map(
    (range) =>
      `${range.region.name}+${range.offsetInRegion}@${range.address} ${range.size}${range.readonly ? " ro" : ""}`,
  );

/**
 * Which region answers at `address`, found by asking for one address: the dumbest
 * reading of the rules. The address counts from the start of the region's container.
 */
function answerAt(region: MemoryRegion, address: bigint, readonly = false): string | undefined {
  const offset = address - region.address;
  if (!region.enabled || offset < 0n || offset >= region.size) return undefined;
  const isReadonly = readonly || region.readonly;
  const { backing } = region;
  if (backing.kind === "alias") {
    return answerAt(backing.target, offset + backing.offset + backing.target.address, isReadonly);
  }
  for (const child of region.subregions) {
    const answer = answerAt(child, offset, isReadonly);
    if (answer !== undefined) return answer;
  }
  return backing.kind === "container" ? undefined : `${region.name}+${offset}${isReadonly ? " ro" : ""}`;
}

const answerOf = (view: FlatView, address: bigint): string | undefined => {
  const range = view.find(address);
  if (range === undefined) return undefined;
  const offset = address - range.address + range.offsetInRegion;
  return `${range.region.name}+${offset}${range.readonly ? " ro" : ""}`;
};

/** A system with regions of every kind, none of them in the tree yet. */
class Garden {
  readonly system = new MemorySystem();
  readonly root = MemoryRegion.container(this.system, "root", SPACE);
  readonly space = new AddressSpace(this.system, "space", this.root);
  readonly regions: MemoryRegion[] = [this.root];
  #made = 0;
  readonly #hooks: IommuHooks = { target: this.space, translate: () => {} };

  make(random: Random): MemoryRegion {
    const { system } = this;
    const name = `r${this.#made++}`;
    const size = BigInt(random.below(40));
    const region = random.pick([
      () => MemoryRegion.container(system, name, size),
      () => MemoryRegion.container(system, name, size),
      () => MemoryRegion.ram(system, name, new GuestRam(size + 1n)),
      () => MemoryRegion.mmio(system, name, size, DEAD_DEVICE),
      () => new IommuRegion(system, name, size, this.#hooks),
      () =>
        new MemoryRegion(system, name, size, { kind: "ram", ram: new GuestRam(64n), device: false }, true),
      // Aliases lead to older regions that are no aliases, and so never back to themselves.
      () => this.#alias(random, name, size),
    ])();
    this.regions.push(region);
    return region;
  }

  #alias(random: Random, name: string, size: bigint): MemoryRegion {
    const targets = this.regions.filter((region) => region.subregions.length === 0 && region !== this.root);
    const target =
      targets.length > 0 ? random.pick(targets) : MemoryRegion.container(this.system, "none", 1n);
    return MemoryRegion.alias(this.system, name, target, BigInt(random.below(20)), size);
  }
}

/** Would adding `child` below `parent` make a region contain, or lead to, itself? */
const leadsTo = (from: MemoryRegion, to: MemoryRegion): boolean =>
  from === to ||
  (from.backing.kind === "alias" && leadsTo(from.backing.target, to)) ||
  from.subregions.some((child) => leadsTo(child, to));

function change(garden: Garden, random: Random): void {
  const region = random.pick(garden.regions);
  switch (random.below(8)) {
    case 0:
      region.setEnabled(!region.enabled);
      return;
    case 1:
      if (region !== garden.root) region.setSize(BigInt(random.below(70)));
      return;
    case 2:
      region.container?.removeSubregion(region);
      return;
    default: {
      const isFree = region.container === null && region !== garden.root;
      const child = isFree && random.below(2) === 0 ? region : garden.make(random);
      const parent = random.pick(garden.regions);
      if (parent.backing.kind !== "alias" && !leadsTo(child, parent)) {
        parent.addSubregion(child, BigInt(random.below(60)), random.below(5) - 2);
      }
    }
  }
}

describe("the flat view of a tree of regions", () => {
  it(`says for every address what a look-up of that one address says, merged as far as can be, SEED=${runSeed()}`, () => {
    const random = new Random(runSeed());
    const wrong: string[] = [];
    for (let tree = 0; tree < 80; tree++) {
      const garden = new Garden();
      for (let step = 0; step < 25; step++) {
        change(garden, random);
        const { view } = garden.space;
        const at = `tree ${tree} step ${step}`;
        for (let address = 0n; address < SPACE + 4n; address++) {
          const [found, expected] = [answerOf(view, address), answerAt(garden.root, address)];
          if (found !== expected) wrong.push(`${at}: ${found} at ${address}, ${expected} by itself`);
        }
        let end = 0n;
        let before: (typeof view.ranges)[number] | undefined;
        for (const range of view.ranges) {
          if (range.address < end || range.size === 0n) wrong.push(`${at}: ${show(view)}`);
          const joins =
            before?.region === range.region &&
            before.readonly === range.readonly &&
            end === range.address &&
            before.offsetInRegion + before.size === range.offsetInRegion;
          if (joins) wrong.push(`${at}: not merged: ${show(view)}`);
          end = range.address + range.size;
          before = range;
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("puts the higher priority in front, and of equal ones the one added last", () => {
    const system = new MemorySystem();
    const root = MemoryRegion.container(system, "root", 16n);
    const space = new AddressSpace(system, "space", root);
    const device = (name: string): MemoryRegion => MemoryRegion.mmio(system, name, 4n, DEAD_DEVICE);
    root.addSubregion(device("old"), 0n);
    root.addSubregion(device("new"), 2n);
    root.addSubregion(device("below"), 4n, -1);
    root.addSubregion(device("above"), 7n, 1);
    root.addSubregion(device("late"), 8n);
    expect(show(space.view)).toEqual(["old+0@0 2", "new+0@2 4", "below+2@6 1", "above+0@7 4", "late+3@11 1"]);
  });

  it("shows two overlapping DMA windows at 2^59 as QEMU's info mtree -f does", () => {
    const system = new MemorySystem();
    const root = MemoryRegion.container(system, "root");
    const space = new AddressSpace(system, "space", root);
    const gib = 1n << 30n;
    for (const [name, size] of [
      ["tce-iommu-80000000", 16n * gib],
      ["tce-iommu-80000001", gib],
    ] as const) {
      const container = MemoryRegion.container(system, "tce-root");
      root.addSubregion(container, 0n);
      container.addSubregion(
        new IommuRegion(system, name, size, { target: space, translate: () => {} }),
        1n << 59n,
      );
    }
    expect(show(space.view)).toEqual([
      `tce-iommu-80000001+0@${1n << 59n} ${gib}`,
      `tce-iommu-80000000+${gib}@${(1n << 59n) + gib} ${15n * gib}`,
    ]);
  });

  it("reaches to the very top of the 64-bit space", () => {
    const system = new MemorySystem();
    const root = MemoryRegion.container(system, "root");
    const space = new AddressSpace(system, "space", root);
    root.addSubregion(MemoryRegion.mmio(system, "all", WHOLE_SPACE, DEAD_DEVICE), 0n, -1);
    root.addSubregion(MemoryRegion.mmio(system, "top", 8n, DEAD_DEVICE), WHOLE_SPACE - 4n);
    expect(show(space.view)).toEqual([`all+0@0 ${WHOLE_SPACE - 4n}`, `top+0@${WHOLE_SPACE - 4n} 4`]);
    expect(answerOf(space.view, WHOLE_SPACE - 1n)).toBe("top+3");
    expect(answerOf(space.view, WHOLE_SPACE - 5n)).toBe(`all+${WHOLE_SPACE - 5n}`);
  });

  it.each([
    { name: "negative", size: -1n },
    { name: "above 2^64", size: WHOLE_SPACE + 1n },
  ])("refuses a $name size and names it", ({ size }) => {
    const system = new MemorySystem();
    const message = `region r: size ${size} is not 0 to 2^64`;
    expect(() => MemoryRegion.container(system, "r", size)).toThrow(message);
    expect(() => MemoryRegion.container(system, "r", 1n).setSize(size)).toThrow(message);
  });

  it("refuses to put a region into two containers, or to take it out of one it is not in", () => {
    const system = new MemorySystem();
    const [a, b, c] = ["a", "b", "c"].map((name) => MemoryRegion.container(system, name));
    a!.addSubregion(c!, 0n);
    expect(() => b!.addSubregion(c!, 0n)).toThrow("region c is in a already");
    expect(() => b!.removeSubregion(c!)).toThrow("region c is not in b");
    expect(b!.subregions).toEqual([]);
  });
});
