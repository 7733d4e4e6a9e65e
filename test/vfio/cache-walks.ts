import { isErrno } from "../../src/base/errno.ts";
import { hiOf, loOf, toBig } from "../../src/base/u64.ts";
import { GuestTable } from "../../src/kvm/guest-table.ts";
import { GuestTables } from "../../src/kvm/guest-tables.ts";
import { MemorySlots } from "../../src/kvm/memory-slots.ts";
import { HostRun } from "../../src/kvm/ports.ts";
import { AddressSpace } from "../../src/memory/address-space.ts";
import { DmaTarget } from "../../src/memory/dma-target.ts";
import { GuestRam } from "../../src/memory/guest-ram.ts";
import { MemoryRegion } from "../../src/memory/memory-region.ts";
import { MemorySystem } from "../../src/memory/memory-system.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { HardwareTable } from "../../src/vfio/host/hardware-table.ts";
import { Host } from "../../src/vfio/host/host.ts";
import { PhysicalMemory } from "../../src/vfio/host/physical-memory.ts";
import { LINUX_6_12 } from "../../src/vfio/host/profile.ts";
import type { RegisteredExtent, RegisteredRegion } from "../../src/vfio/host/registered-memory.ts";
import { ProcessMemory } from "../../src/vfio/process-memory.ts";
import { Random } from "../helpers/random.ts";
import { routes } from "./route-walk.ts";

/**
 * Random walks over everything that remembers what it found last. Each step
 * changes something, through any way there is, or looks something up in the
 * cached way and in the dumbest one.
 */

/** One step of a walk; answers what differs, as text. */
type Step = () => string | undefined;

const PAGE = 0x1_0000;

const differ = (what: string, cached: unknown, uncached: unknown): string | undefined =>
  cached === uncached ? undefined : `${what}: ${String(cached)} instead of ${String(uncached)}`;

/** Which range of a view answers, as regions come, go, grow and hide. */
function flatView(random: Random): Step {
  const system = new MemorySystem();
  const root = MemoryRegion.container(system, "root");
  const space = new AddressSpace(system, "space", root);
  const regions = Array.from({ length: 6 }, (_, i) =>
    i % 3 === 0
      ? MemoryRegion.mmio(system, `mmio ${i}`, BigInt(PAGE), { read: () => 0n, write: () => {} })
      : MemoryRegion.ram(system, `ram ${i}`, new GuestRam(BigInt(PAGE))),
  );
  const address = (): bigint => {
    const base = BigInt(random.below(12) * 0x800);
    return random.below(8) === 0 ? (1n << 64n) - 1n - base : base;
  };
  const cached = new DmaTarget();
  const uncached = new DmaTarget();
  const show = (found: boolean, { region, offset, length }: DmaTarget): string =>
    found ? `${region?.name} + ${offset}, ${length} bytes` : "nothing";
  return () => {
    const region = random.pick(regions);
    switch (random.below(24)) {
      case 0:
        if (region.container === null) root.addSubregion(region, address() & ~0x7ffn, random.below(3));
        else root.removeSubregion(region);
        return undefined;
      case 1:
        region.setSize(BigInt(random.below(5) * 0x800));
        return undefined;
      case 2:
        region.setEnabled(!region.enabled);
        return undefined;
    }
    const at = address() + BigInt(random.below(3)) - 1n;
    const hi = hiOf(at) | 0;
    const lo = loOf(at) | 0;
    cached.length = uncached.length = 1 + random.below(0x1800);
    const { view } = space;
    const wrapped = toBig(hi, lo);
    const range = view.ranges.find((r) => r.address <= wrapped && wrapped <= r.last);
    const found = view.locate(hi, lo, cached);
    if (found && view.found !== range) return `range found at ${wrapped.toString(16)}`;
    return differ(
      `locate ${wrapped.toString(16)}`,
      show(found, cached),
      show(range?.locate(hi, lo, uncached) ?? false, uncached),
    );
  };
}

/** Bytes of guest memory, by all ways in and out. */
function guestRam(random: Random): Step {
  const SIZE = 4 * PAGE;
  const ram = new GuestRam(BigInt(SIZE));
  const model = new Uint8Array(SIZE);
  const view = new DataView(model.buffer);
  const cells = new Uint32Array(16);
  return () => {
    const offset = random.below(SIZE / 64) * 64 + random.below(8) * 4;
    switch (random.below(5)) {
      case 0: {
        const bytes = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256));
        ram.write(offset, bytes);
        model.set(bytes, offset);
        return undefined;
      }
      case 1: {
        const value = random.below(2 ** 31);
        ram.writeCell(offset, value);
        view.setUint32(offset, value);
        return undefined;
      }
      case 2:
        return differ(`cell ${offset}`, ram.readCell(offset), view.getUint32(offset));
      case 3: {
        const count = Math.min(16, (SIZE - offset) / 4);
        ram.readCells(offset, cells, count);
        const at = random.below(count);
        return differ(`cells ${offset}`, cells[at], view.getUint32(offset + at * 4));
      }
      default: {
        const bytes = new Uint8Array(Math.min(16, SIZE - offset));
        ram.read(offset, bytes);
        const at = random.below(bytes.length);
        return differ(`bytes ${offset}`, bytes[at], model[offset + at]);
      }
    }
  };
}

/** The window of a LIOBN, as bridges come and go. */
function liobns(random: Random): Step {
  const machine = new Machine({ phbs: [], vio: [{ type: "spapr-vscsi", reg: 0x7100_0001 }] });
  return () => {
    const index = random.below(3);
    if (random.below(64) === 0) {
      const phb = machine.phbs.find((bridge) => bridge.index === index);
      if (phb === undefined) machine.plugPhb({ index });
      else machine.unplugPhb(phb);
      return undefined;
    }
    const liobn = random.pick([
      0x8000_0000 + index * 0x1_0000 + random.below(3),
      0x7100_0001,
      0xffff_ffff,
      0,
    ]);
    const hi = random.below(16) === 0 ? 1 : 0;
    const window = hi !== 0 ? undefined : [...machine.env.liobns].find((other) => other.liobn === liobn);
    return machine.env.liobns.find(hi, liobn) === window ? undefined : `window of ${liobn.toString(16)}`;
  };
}

/** Where guest memory is in the process, as slots are made, moved and removed. */
function slots(random: Random): Step {
  const all = new MemorySlots(16);
  const model = new Map<number, { address: bigint; size: bigint; vaddr: bigint }>();
  const page = BigInt(PAGE);
  return () => {
    if (random.below(16) === 0) {
      const slot = random.below(4);
      const old = model.get(slot);
      const remove = old !== undefined && random.below(2) === 0;
      const size = remove ? 0n : (old?.size ?? BigInt(1 + random.below(4)) * page);
      const high = random.below(4) === 0 ? 0xffff_0000n : 0n;
      const address = high + BigInt(random.below(12)) * page;
      const vaddr = old?.vaddr ?? 0x7f_fffe_0000n + BigInt(random.below(64)) * page;
      if (all.set({ slot, address, size, vaddr }) !== 0) return undefined;
      if (remove) model.delete(slot);
      else model.set(slot, { address, size, vaddr });
      return undefined;
    }
    const high = random.below(4) === 0 ? 0xffff_0000n : 0n;
    const at = high + BigInt(random.below(16)) * page + BigInt(random.pick([0, 1, 0x8000, PAGE - 1]));
    const slot = [...model.values()].find((s) => s.address <= at && at < s.address + s.size);
    const hi = hiOf(at);
    const lo = loOf(at);
    const found = all.find(hi, lo);
    if ((found !== undefined) !== (slot !== undefined)) return `slot of ${at.toString(16)}: ${found}`;
    if (slot === undefined || found === undefined) return undefined;
    const behind = (slot.address + slot.size - 1n - at) / 0x1000n;
    return (
      differ(
        "address",
        toBig(found.map.targetHi(hi, lo), found.map.targetLo(lo)),
        slot.vaddr + at - slot.address,
      ) ?? differ("pages behind", BigInt(found.map.pagesBehind(hi, lo, 12)), behind)
    );
  };
}

/** The in-kernel table of a bus, as tables come and go. */
function guestTables(random: Random): Step {
  const tables = new GuestTables();
  const made: GuestTable[] = [];
  return () => {
    const liobn = BigInt(random.below(4)) | (random.below(2) === 0 ? 0n : 1n << 32n);
    const there = made.find((table) => table.shape.liobn === liobn);
    if (random.below(16) === 0) {
      if (there === undefined) {
        const table = new GuestTable({ liobn, pageShift: 12, offset: 0n, size: 1n }, 16);
        made.push(table);
        tables.add(table);
      } else {
        made.splice(made.indexOf(there), 1);
        tables.remove(there);
      }
      return undefined;
    }
    return tables.find(hiOf(liobn), loOf(liobn)) === there ? undefined : `table of ${liobn}`;
  };
}

/** The region and the extent of an address, as memory is mapped, registered and let go. */
function registeredMemory(random: Random): Step {
  const process = new Host().startProcess();
  const { memory } = process;
  const { registered } = memory;
  const BASE = 0x10_0000_0000;
  const PAGES = 16;
  const vaddr = (): number => BASE + random.below(PAGES) * PAGE;
  return () => {
    switch (random.below(32)) {
      case 0:
        memory.place(vaddr(), (1 + random.below(4)) * PAGE);
        return undefined;
      case 1:
        memory.munmap(BigInt(vaddr()), BigInt(PAGE));
        return undefined;
      case 2: {
        const region = registered.create(vaddr(), (1 + random.below(4)) * PAGE, LINUX_6_12);
        if (typeof region === "object" && !isErrno(region)) region.uses = 1 + random.below(2);
        return undefined;
      }
      case 3:
        if (registered.regions.length > 0) registered.put(random.pick(registered.regions));
        return undefined;
    }
    const at = vaddr() + random.pick([0, 0x1000, PAGE - 0x1000]);
    const size = random.pick([0x1000, PAGE, 2 * PAGE]);
    const region = registered.regions.find((r) => r.start <= at && at + size <= r.end);
    if (registered.find(at, size) !== region) return `region of ${size} bytes at ${at.toString(16)}`;
    if (region === undefined) return undefined;
    const extent = region.extents.find((e) => e.start <= at && at < e.end);
    const found = registered.extentOf(hiOf(BigInt(at)), loOf(BigInt(at)));
    if (found !== extent) return `extent of ${at.toString(16)}`;
    const { physical, start } = extent!;
    return differ("physical address", physicalOf(found!, at), BigInt(physical + at - start));
  };
}

/** How many entries count for each region: a table remembers the only extent that its entries point into. */
function regionCounts(random: Random): Step {
  const ENTRIES = 2048;
  const PAGE_SHIFT = 12;
  const EACH = 4 * PAGE;
  const BASE = 0x10_0000_0000;
  const host = new Host();
  const { memory } = host.startProcess();
  const { registered } = memory;
  for (let i = 0; i < 3; i++) {
    memory.place(BASE + i * EACH, EACH);
    registered.create(BASE + i * EACH, EACH, LINUX_6_12);
  }
  const geometry = { length: ENTRIES, reachable: BigInt(ENTRIES) };
  const newTable = (): HardwareTable =>
    new HardwareTable({ pageShift: PAGE_SHIFT, start: 0n, chargedPages: 0 }, geometry, host);
  let table = newTable();
  // The user address that each counted entry was made from, and what each region counts.
  let vaddrs: (number | undefined)[] = [];
  const counts = new Map(registered.regions.map((region) => [region, 0]));
  const regionAt = (vaddr: number): RegisteredRegion | undefined =>
    registered.regions.find((region) => region.start <= vaddr && vaddr < region.end);
  const gone = (index: number): void => {
    const vaddr = vaddrs[index];
    const region = vaddr === undefined ? undefined : regionAt(vaddr);
    if (region !== undefined) counts.set(region, Math.max(0, counts.get(region)! - 1));
    vaddrs[index] = undefined;
  };
  return () => {
    const index = random.below(4) * 512 + random.below(8);
    const pages = 1 + random.below(4);
    // Mostly one region, so that tables know one extent only for some time.
    const vaddr = BASE + random.pick([0, 0, 0, 0, 0, 0, 0, 1, 2]) * EACH + random.below(EACH / 4096) * 4096;
    const permission = random.pick([0, 1, 2, 3, 3, 3]);
    switch (random.below(64)) {
      case 0:
        table.unmap(registered, 0, ENTRIES);
        for (const at of vaddrs.keys()) gone(at);
        table = newTable();
        vaddrs = [];
        break;
      case 1: {
        // Another region of the same memory, which has other extents.
        const region = regionAt(vaddr)!;
        region.mapped = 0;
        registered.put(region);
        const made = registered.create(region.start, EACH, LINUX_6_12);
        counts.delete(region);
        if (typeof made === "object") counts.set(made, 0);
        break;
      }
      case 2:
        table.clear(index, pages);
        for (let at = index; at < index + pages; at++) vaddrs[at] = undefined;
        break;
      case 3:
      case 4:
        table.unmap(registered, index, pages);
        for (let at = index; at < index + pages; at++) gone(at);
        break;
      case 5:
      case 6: {
        const run = new HostRun();
        Object.assign(run, {
          index,
          pages,
          permission,
          vaddrHi: hiOf(BigInt(vaddr)) | 0,
          vaddrLo: loOf(BigInt(vaddr)) | 0,
        });
        table.map(registered, run);
        for (let done = 0; done < run.done; done++) mapped(index + done, vaddr + done * 4096, permission);
        break;
      }
      default:
        if (
          table.mapPage(registered, index, hiOf(BigInt(vaddr)) | 0, loOf(BigInt(vaddr)) | 0, permission) === 0
        )
          mapped(index, vaddr, permission);
    }
    const wrong = [...counts].find(([region, count]) => region.mapped !== count);
    return wrong && differ(`pages of region ${wrong[0].start.toString(16)}`, wrong[0].mapped, wrong[1]);
  };

  function mapped(index: number, vaddr: number, permission: number): void {
    const region = regionAt(vaddr)!;
    counts.set(region, counts.get(region)! + 1);
    gone(index);
    // Without permission nobody counts the entry when it goes.
    vaddrs[index] = permission === 0 ? undefined : vaddr;
  }
}

function physicalOf({ toPhysical, fromPhysical }: RegisteredExtent, at: number): bigint | undefined {
  const hi = hiOf(BigInt(at));
  const lo = loOf(BigInt(at));
  const physicalHi = toPhysical.targetHi(hi, lo);
  const physicalLo = toPhysical.targetLo(lo);
  return fromPhysical.has(physicalHi, physicalLo) ? toBig(physicalHi, physicalLo) : undefined;
}

/** Where a process sees a physical address, as memory is handed out. */
function physicalMemory(random: Random): Step {
  const physical = new PhysicalMemory();
  const given: { start: number; size: number; vaddr: number }[] = [];
  return () => {
    if (given.length < 32 && random.below(256) === 0) {
      const size = (1 + random.below(600)) * PAGE;
      const vaddr = random.below(2 ** 20) * PAGE;
      given.push({ start: physical.allocate(size, vaddr, PAGE), size, vaddr });
      return undefined;
    }
    const near = given.length === 0 ? 0 : random.pick(given).start;
    const at = near + random.pick([-1, 0, 1, PAGE, 700 * PAGE, random.below(600 * PAGE)]);
    const memory = given.find(({ start, size }) => start <= at && at < start + size);
    const expected = memory === undefined ? undefined : memory.vaddr + at - memory.start;
    return differ(`address of ${at.toString(16)}`, physical.vaddrOf(at), expected);
  };
}

/** The piece of QEMU's process that a memory of the guest is, as memories come. */
function processMemory(random: Random): Step {
  const system = new MemorySystem();
  const space = new AddressSpace(system, "memory", MemoryRegion.container(system, "root"));
  const memory = new ProcessMemory(new Host().startProcess(), space);
  const pieces = new Map<GuestRam, number>();
  return () => {
    if (pieces.size === 0 || (pieces.size < 8 && random.below(64) === 0)) {
      const ram = new GuestRam(BigInt(1 + random.below(8)) * BigInt(PAGE));
      pieces.set(ram, memory.addDeviceRam(ram).vaddr);
      return undefined;
    }
    const ram = random.pick([...pieces.keys()]);
    return differ("piece", memory.pieceOf(ram).vaddr, pieces.get(ram));
  };
}

/** Every walk by name. */
export const CACHE_WALKS: Readonly<Record<string, (random: Random) => Step>> = {
  "flat ranges": flatView,
  "guest memory": guestRam,
  "windows by LIOBN": liobns,
  "memory slots": slots,
  "in-kernel tables": guestTables,
  "routes of in-kernel tables": routes,
  "registered memory": registeredMemory,
  "entries of regions": regionCounts,
  "physical memory": physicalMemory,
  "QEMU's memory": processMemory,
};

/** Walks some steps; answers the first difference, with all that repeats it. */
export function walk(name: string, seed: number, steps: number): string | undefined {
  const step = CACHE_WALKS[name]!(new Random(seed));
  for (let n = 0; n < steps; n++) {
    const difference = step();
    if (difference !== undefined) return `SEED=${seed} ${name}, step ${n}: ${difference}`;
  }
  return undefined;
}
