import { isErrno } from "../../src/base/errno.ts";
import type { GuestTable } from "../../src/kvm/guest-table.ts";
import { HostRun, type KvmGroupFile } from "../../src/kvm/ports.ts";
import { VirtualMachine } from "../../src/kvm/virtual-machine.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import { HcallRegisters } from "../../src/spapr/registers.ts";
import { HardwareTable } from "../../src/vfio/host/hardware-table.ts";
import { Host } from "../../src/vfio/host/host.ts";
import { kvmGroupFile } from "../../src/vfio/host/kvm-link.ts";
import { OpenFile } from "../../src/vfio/host/open-file.ts";
import { LINUX_6_12 } from "../../src/vfio/host/profile.ts";
import type { Random } from "../helpers/random.ts";

const LIOBN = 0x8000_0000n;
const ENTRIES = 64;
/** Entries that are put: so many that tables keep them as they are, and not as runs, which nothing is put over in place. */
const USED = 48;
const BASE = 0x10_0000_0000;
const KIB64 = 0x1_0000;
const MIB = 0x10_0000;
/** Of each of the two regions that can be registered. */
const REGION = 4 * MIB;
const HUGE_SHIFT = 20;

/** Where a slot may lie: most of them over both regions, or a part of one. */
interface Slot {
  readonly address: bigint;
  readonly size: bigint;
  readonly vaddr: bigint;
}

const ALL_MEMORY: Slot = { address: 0n, size: BigInt(2 * REGION), vaddr: BigInt(BASE) };

/** A virtual machine with a table that tables of two groups may follow, and memory in two regions. */
class World {
  readonly #pageShift: number;
  readonly #host = new Host();
  readonly #process = this.#host.startProcess();
  readonly #machine: VirtualMachine;
  readonly #hardware: readonly HardwareTable[];
  readonly #groups: readonly KvmGroupFile[];
  readonly #table: GuestTable;
  readonly #regs = new HcallRegisters();

  /** @param isFar is physical memory above the first 8 TiB? */
  constructor(pageShift: number, isFar: boolean) {
    this.#pageShift = pageShift;
    const { memory } = this.#process;
    if (isFar) memory.place(2 ** 48, 2 ** 45);
    for (let i = 0; i < 2; i++) memory.place(BASE + i * REGION, REGION, { pageShift: HUGE_SHIFT });
    this.#machine = new VirtualMachine({ process: this.#process, hostPageShift: 16 });
    this.#machine.enableHypercall(BigInt(Hcall.STUFF_TCE), 1n);
    const table = this.#machine.createTable({ liobn: LIOBN, pageShift, offset: 0n, size: BigInt(ENTRIES) });
    if (isErrno(table)) throw new Error(table);
    this.#table = table;
    const geometry = { length: ENTRIES, reachable: BigInt(ENTRIES) };
    const place = { pageShift, start: 0n, chargedPages: 0 };
    this.#hardware = this.#host.groups.map(() => new HardwareTable(place, geometry, this.#host));
    this.#groups = this.#host.groups.map((group, i) => {
      group.iommu.windows[0] = this.#hardware[i]!;
      return kvmGroupFile(new OpenFile(group, () => {}), this.#process);
    });
    this.register(0);
    this.toggleGroup(0);
  }

  forgetRoute(): void {
    this.#table.route = null;
  }

  put(index: number, tce: bigint): unknown {
    return this.#call(Hcall.PUT_TCE, [LIOBN, BigInt(index) << BigInt(this.#pageShift), tce]);
  }

  /** Maps all entries, none to the page behind the one before. */
  scatter({ address }: Slot): void {
    const pages = REGION / 2 ** this.#pageShift;
    for (let i = 0; i < USED; i++)
      this.put(i, address + BigInt(((i * 7) % pages) * 2 ** this.#pageShift) + 3n);
  }

  stuff(index: number, pages: number): unknown {
    return this.#call(Hcall.STUFF_TCE, [LIOBN, BigInt(index) << BigInt(this.#pageShift), 0n, BigInt(pages)]);
  }

  #call(number: number, args: readonly bigint[]): number {
    this.#regs.load(BigInt(number), args);
    return this.#machine.hypercall(this.#regs.words);
  }

  setSlot(slot: number, to: Slot): unknown {
    return this.#machine.slots.set({ slot, ...to });
  }

  register(at: number): unknown {
    const made = this.#process.memory.registered.create(BASE + at * REGION, REGION, LINUX_6_12);
    return typeof made === "object" ? made.start : made;
  }

  /** @param isForced whatever still points there: counts of another process may be wrong */
  unregister(at: number, isForced: boolean): unknown {
    const { registered } = this.#process.memory;
    const region = registered.exact(BASE + at * REGION, REGION);
    if (region === undefined) return undefined;
    if (isForced) region.mapped = 0;
    return registered.put(region);
  }

  toggleGroup(at: number): unknown {
    const group = this.#groups[at]!;
    if (this.#machine.deleteGroup(group) === 0) return "gone";
    this.#machine.addGroup(group);
    return this.#machine.attach(group, this.#table);
  }

  /** What containers do with a table of the host. */
  pin(at: number, index: number): unknown {
    const run = new HostRun();
    Object.assign(run, { index, pages: 1, permission: 3 });
    return this.#hardware[at]!.mapPinned(run, 0x40_0000);
  }

  clear(at: number, index: number): void {
    this.#hardware[at]!.clear(index, 1);
  }

  /** What is written afterwards goes to other leaves. */
  snapshot(): void {
    for (const { entries } of [this.#table, ...this.#hardware]) entries.snapshot();
  }

  /** All that can be seen. */
  show(): string {
    const tables = [this.#table, ...this.#hardware].map(({ entries }) => {
      const words = Array.from({ length: ENTRIES }, (_, index) => entries.get(index).toString(16));
      return `${words.join(" ")}, ${entries.validCount} valid`;
    });
    const regions = this.#process.memory.registered.regions.map(({ start, mapped }) => `${start}: ${mapped}`);
    return [...tables, ...regions].join("; ");
  }
}

/** H_PUT_TCE by a route and without one, side by side, as slots, regions and tables of the host come and go. */
export function routes(random: Random): () => string | undefined {
  let pageShift = 12;
  let isFar = false;
  let cached = new World(pageShift, false);
  let uncached = new World(pageShift, false);
  let slot = ALL_MEMORY;
  /** A change of both; answers what differs in what they answer. */
  const both = (change: (world: World) => unknown): string | undefined => {
    const [is, should] = [change(cached), change(uncached)];
    return is === should ? undefined : `${String(is)} instead of ${String(should)}`;
  };
  both((world) => world.setSlot(0, slot));
  const step = (): string | undefined => {
    const index = random.below(USED);
    const pages = 1 + random.below(4);
    const at = random.below(8) === 0 ? 1 : 0;
    switch (random.below(500)) {
      case 0:
      case 10:
      case 11:
      case 12:
        pageShift = random.pick([12, 16, 18, HUGE_SHIFT]);
        isFar = random.below(8) === 0;
        slot = ALL_MEMORY;
        cached = new World(pageShift, isFar);
        uncached = new World(pageShift, isFar);
        both((world) => world.setSlot(0, slot));
        return both((world) => world.scatter(slot));
      case 1:
      case 13:
      case 14:
      case 15:
        both((world) => world.setSlot(0, { ...slot, size: 0n }));
        slot = {
          address: BigInt(random.pick([0, 0, 8 * MIB, 2 ** 43 - MIB]) + random.pick([0, 0, 0, KIB64])),
          size: BigInt(random.pick([2 * REGION, 2 * REGION, REGION, MIB])),
          vaddr: BigInt(BASE + random.pick([0, 0, 0, KIB64, MIB])),
        };
        return both((world) => world.setSlot(0, slot));
      case 2:
        return both((world) => world.register(1));
      case 3:
        both((world) => world.stuff(0, ENTRIES));
        both((world) => world.unregister(at, false));
        both((world) => world.register(at));
        return both((world) => world.scatter(slot));
      case 4:
      case 16:
        return both((world) => world.unregister(at, true));
      case 5:
        return both((world) => world.toggleGroup(at));
      case 6:
        return both((world) => world.pin(at, index));
      case 7:
        return both((world) => world.clear(at, index));
      case 8:
        return both((world) => world.snapshot());
      case 9:
        return both((world) => world.stuff(index, pages));
      default: {
        const inRegion = REGION / 2 ** pageShift;
        const page = random.below(random.below(8) === 0 ? 2 * inRegion : inRegion) * 2 ** pageShift;
        const inPage = random.below(16) === 0 ? random.pick([4, 0x1000, KIB64]) : 0;
        const high = random.below(32) === 0 ? random.pick([1n, 0x800n, 0x8000_0000n]) << 32n : 0n;
        const target = slot.address + BigInt(page + inPage) + high;
        const tce = target | BigInt(random.pick([0, 1, 2, 3, 3, 3, 3]));
        uncached.forgetRoute();
        return both((world) => world.put(index, tce));
      }
    }
  };
  return () => {
    const difference = step();
    if (difference !== undefined || random.below(8) > 0) return difference;
    const [is, should] = [cached.show(), uncached.show()];
    return is === should ? undefined : `${is}\ninstead of ${should}`;
  };
}
