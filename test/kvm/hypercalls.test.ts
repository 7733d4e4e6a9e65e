import { describe, expect, it } from "vitest";
import { isErrno } from "../../src/base/errno.ts";
import type { KvmHazard } from "../../src/kvm/hypercalls.ts";
import { VirtualMachine } from "../../src/kvm/virtual-machine.ts";
import { H_TOO_HARD } from "../../src/spapr/accelerator.ts";
import { Hcall, HStatus } from "../../src/spapr/papr.ts";
import { HcallRegisters } from "../../src/spapr/registers.ts";
import type { FaultHook } from "../../src/vfio/host/faults.ts";
import { kvmGroupFile } from "../../src/vfio/host/kvm-link.ts";
import { OpenFile } from "../../src/vfio/host/open-file.ts";
import { VfioContainer } from "../../src/vfio/host/vfio-container.ts";
import type { VfioGroup } from "../../src/vfio/host/vfio-group.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";
import { BASE, countersAreTrue, SIZE, seenBy, setup } from "../vfio/host/setup.ts";

const LIOBN = 0x8000_0000n;
const IO_PAGE = 0x1000;
const PAGES = 64;
const LIST = 0x1_0000n;

/** A guest with 1 MiB of memory of which the first half is registered, its table attached to the default window. */
function guest(options: { faults?: FaultHook } = {}) {
  const s = setup(options);
  s.iommu.registerMemory(s.process, { vaddr: BigInt(BASE), size: BigInt(SIZE / 2) });
  s.iommu.map(s.process, { vaddr: BigInt(BASE), iova: 0n, size: 0n, flags: 3 });
  const hazards: KvmHazard[] = [];
  const machine = new VirtualMachine({
    process: s.process,
    hostPageShift: 16,
    onHazard: (hazard) => hazards.push(hazard),
  });
  expect(machine.slots.set({ slot: 0, address: 0n, size: BigInt(SIZE), vaddr: BigInt(BASE) })).toBe(0);
  const table = machine.createTable({ liobn: LIOBN, pageShift: 12, offset: 0n, size: BigInt(PAGES) });
  if (isErrno(table)) throw new Error(table);
  const file = new OpenFile(s.group, () => {});
  const group = kvmGroupFile(file, s.process);
  expect(machine.addGroup(group)).toBe(0);
  expect(machine.attach(group, table)).toBe(0);
  const registers = new HcallRegisters();
  const call = (number: number, ...args: bigint[]): number => {
    registers.load(BigInt(number), [LIOBN, ...args]);
    return machine.hypercall(registers.words);
  };
  expect(machine.enableHypercall(BigInt(Hcall.PUT_TCE_INDIRECT), 1n)).toBe(0);
  expect(machine.enableHypercall(BigInt(Hcall.STUFF_TCE), 1n)).toBe(0);
  return {
    s,
    machine,
    table,
    hazards,
    group,
    put: (ioba: bigint, tce: bigint) => call(Hcall.PUT_TCE, ioba, tce),
    get: (ioba: bigint) => (call(Hcall.GET_TCE, ioba) === 0 ? registers.get(4) : null),
    indirect: (ioba: bigint, list: bigint, pages: bigint) => call(Hcall.PUT_TCE_INDIRECT, ioba, list, pages),
    stuff: (ioba: bigint, tce: bigint, pages: bigint) => call(Hcall.STUFF_TCE, ioba, tce, pages),
    writeList: (values: readonly bigint[]) => {
      const bytes = new Uint8Array(values.length * 8);
      values.forEach((value, i) => {
        new DataView(bytes.buffer).setBigUint64(i * 8, value);
      });
      s.process.memory.write(BASE + Number(LIST), bytes);
    },
  };
}

/** What a TCE with permission bits has to be: on a page, in memory, registered. */
const isGood = (tce: bigint): boolean => (tce & 0xffcn) === 0n && tce < BigInt(SIZE / 2);

describe("hypercalls on an attached table", () => {
  it("leave both tables as a map of the accepted calls would", () => {
    const seed = runSeed();
    for (let round = 0; round < 30; round++) {
      const random = new Random(seed + round);
      const g = guest();
      const model = new Map<number, bigint>();
      const tceOf = (): bigint => {
        const page = BigInt(random.below(SIZE / IO_PAGE + 16) * IO_PAGE);
        return random.below(8) === 0 ? 0n : page + BigInt(random.below(4) + (random.below(20) === 0 ? 4 : 0));
      };
      for (let step = 0; step < 150; step++) {
        const first = random.below(PAGES);
        const count = random.below(Math.min(6, PAGES - first) + 1);
        const ioba = BigInt(first * IO_PAGE);
        const why = (): string => `SEED=${seed} round ${round} step ${step}`;
        const kind = random.below(3);
        if (kind === 0) {
          const tce = tceOf();
          const good = (tce & 3n) === 0n || isGood(tce);
          same(g.put(ioba, tce), good ? HStatus.SUCCESS : H_TOO_HARD, why);
          if (good) model.set(first, tce);
        } else if (kind === 1) {
          // Entries without permission bits would leak a count in the region (as in the kernel): not here.
          const list = Array.from({ length: count }, () => tceOf() | 1n);
          g.writeList(list);
          const good = list.every(isGood);
          same(g.indirect(ioba, LIST, BigInt(count)), good ? HStatus.SUCCESS : H_TOO_HARD, why);
          if (good)
            list.forEach((tce, i) => {
              model.set(first + i, tce);
            });
        } else {
          const tce = tceOf() & ~3n;
          same(g.stuff(ioba, tce, BigInt(count)), HStatus.SUCCESS, why);
          for (let i = 0; i < count; i++) model.set(first + i, tce);
        }
      }
      for (let page = 0; page < PAGES; page++) {
        const tce = model.get(page) ?? 0n;
        const ioba = BigInt(page * IO_PAGE);
        const where = (): string => `SEED=${seed} round ${round} page ${page}`;
        same(g.get(ioba), tce, where);
        const target = Number(tce & ~0xfffn);
        // The list itself lies in guest memory and has changed it; compare where memory is untouched.
        if (target === Number(LIST)) continue;
        same(seenBy(g.s, ioba), (tce & 3n) === 0n ? null : BASE + target, where);
      }
      expect(countersAreTrue(g.s, PAGES)).toBe(true);
    }
  });

  it("clear the entry that the host's table refuses, and leave the guest's as it was", () => {
    const g = guest({ faults: (point, count) => (point === "exchange" && count === 1 ? "EIO" : undefined) });
    expect(g.put(0n, 0x3003n)).toBe(HStatus.SUCCESS);
    expect(g.put(0n, 0x4003n)).toBe(H_TOO_HARD);
    expect(g.get(0n)).toBe(0x3003n);
    expect(seenBy(g.s, 0n)).toBeNull();
    // The kernel clears without a count: the region can never go again (KVM-PUT-2).
    expect(g.s.process.memory.registered.regions[0]!.mapped).toBe(1);
  });

  it("count a list's entry without permission as a mapping that no unmapping undoes", () => {
    const g = guest();
    g.writeList([0x2000n]);
    expect(g.indirect(0n, LIST, 1n)).toBe(HStatus.SUCCESS);
    expect(g.put(0n, 0n)).toBe(HStatus.SUCCESS);
    expect(g.s.process.memory.registered.regions[0]!.mapped).toBe(1);
  });

  it("give an entry to all tables before the next one: a failure shows how far each came", () => {
    // Table 1, table 2, table 1, and the fourth exchange fails: the second entry in table 2.
    const g = guest({ faults: (point, count) => (point === "exchange" && count === 3 ? "EIO" : undefined) });
    const other = VfioContainer.open(g.s.host).object;
    const second = g.s.host.groups[1]!;
    const file = second.open();
    if (isErrno(file)) throw new Error(file);
    expect([second.setContainer(other), other.setIommu(7n)]).toEqual([0, 0]);
    expect(other.iommu!.registerMemory(g.s.process, { vaddr: BigInt(BASE), size: BigInt(SIZE / 2) })).toBe(0);
    expect(other.iommu!.unmap(g.s.process, { iova: 0n, size: 0n })).toBe(0);
    const group = kvmGroupFile(file, g.s.process);
    expect([g.machine.addGroup(group), g.machine.attach(group, g.table)]).toEqual([0, 0]);

    g.writeList([0x2003n, 0x3003n, 0x4003n]);
    expect(g.indirect(0n, LIST, 3n)).toBe(H_TOO_HARD);
    const entries = ({ iommu }: VfioGroup) =>
      [0, 1, 2].map((page) => iommu.translate(BigInt(page * IO_PAGE), 1) !== null);
    expect(entries(g.s.group)).toEqual([true, true, false]);
    expect(entries(second)).toEqual([true, false, false]);
    expect([g.get(0n), g.get(0x1000n)]).toEqual([0x2003n, 0n]);
  });

  it("refuse to run behind the last page of entries, and tell", () => {
    const g = guest();
    expect(g.stuff(0n, 0n, 8192n)).toBe(HStatus.SUCCESS);
    expect(g.stuff(0x1000n, 0n, 8192n)).toBe(HStatus.PARAMETER);
    expect(g.stuff(0x1000n, 0n, (1n << 64n) - 1n)).toBe(HStatus.PARAMETER);
    expect(g.hazards.map((hazard) => hazard.pages)).toEqual([8192, 2 ** 64]);
  });

  it("stay with a table that was attached twice and left once", () => {
    const g = guest();
    expect(g.machine.attach(g.group, g.table)).toBe(0);
    expect(g.machine.deleteGroup(g.group)).toBe(0);
    expect(g.put(0n, 0x3003n)).toBe(HStatus.SUCCESS);
    expect(seenBy(g.s, 0n)).toBe(BASE + 0x3000);
    g.machine.releaseTable(g.table);
    expect(g.put(0n, 0n)).toBe(H_TOO_HARD);
  });
});

describe("the route of H_PUT_TCE", () => {
  it("is known when a page was mapped, and is another one when the memory is in another slot", () => {
    const g = guest();
    expect(g.table.route).toBe(null);
    g.put(0n, 0x3003n);
    const { route } = g.table;
    expect(route).not.toBe(null);
    g.put(0n, 0n);
    g.put(0n, 0x4003n);
    expect(g.table.route).toBe(route);
    const slot = { slot: 0, address: 0x100_0000n, size: BigInt(SIZE), vaddr: BigInt(BASE) };
    expect(g.machine.slots.set(slot)).toBe(0);
    g.put(0n, 0x100_3003n);
    expect(g.table.route).not.toBe(route);
    expect(g.table.route).not.toBe(null);
  });

  it("is not there where each mapping may fail", () => {
    const g = guest({ faults: () => undefined });
    g.put(0n, 0x3003n);
    expect([seenBy(g.s, 0n), g.table.route]).toEqual([BASE + 0x3000, null]);
  });

  it("is not there where a page of the guest is several of the host", () => {
    const g = guest();
    const table = g.machine.createTable({ liobn: 1n, pageShift: 16, offset: 0n, size: 4n });
    if (isErrno(table)) throw new Error(table);
    expect(g.machine.attach(g.group, table)).toBe(0);
    const registers = new HcallRegisters();
    registers.load(Hcall.PUT_TCE, [1n, 0n, 0x2_0003n]);
    expect([g.machine.hypercall(registers.words), seenBy(g.s, 0x1000n), table.route]).toEqual([
      0,
      BASE + 0x2_1000,
      null,
    ]);
  });
});

describe("memory slots", () => {
  const K64 = 0x1_0000n;
  it.each([
    { name: "a second one", slot: 1, address: 16n * K64, size: K64, vaddr: K64, answer: 0 },
    { name: "overlap", slot: 1, address: 15n * K64, size: 2n * K64, vaddr: K64, answer: "EEXIST" },
    { name: "an odd size", slot: 1, address: 16n * K64, size: 0x1000n, vaddr: K64, answer: "EINVAL" },
    { name: "removal of none", slot: 1, address: 0n, size: 0n, vaddr: 0n, answer: "EINVAL" },
    { name: "removal", slot: 0, address: 0n, size: 0n, vaddr: 0n, answer: 0 },
    { name: "a move", slot: 0, address: 32n * K64, size: BigInt(SIZE), vaddr: BigInt(BASE), answer: 0 },
    { name: "another size", slot: 0, address: 0n, size: K64, vaddr: BigInt(BASE), answer: "EINVAL" },
    {
      name: "the end of the space",
      slot: 1,
      address: (1n << 64n) - K64,
      size: K64,
      vaddr: K64,
      answer: "EINVAL",
    },
  ])("$name: $answer", ({ answer, ...request }) => {
    expect(guest().machine.slots.set(request)).toBe(answer);
  });
});
