import { it } from "vitest";
import type { DmaWindow } from "../../src/spapr/dma-window.ts";
import type { ContainerKind } from "../../src/vfio/connect-context.ts";
import type { Connection } from "../../src/vfio/connection.ts";
import type { FaultPoint } from "../../src/vfio/host/faults.ts";
import type { HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import type { PassedThroughDevice } from "../../src/vfio/passed-through-device.ts";
import { Random } from "../helpers/random.ts";
import { HostedGuest } from "./hosted-guest.ts";

/**
 * Random guests on random hosts: what each device reaches is what the dumbest
 * model says, at every step, with failures on the way.
 *
 * The model is a Map for each window, from entry to TCE, changed by what the
 * guest asked for; the window in front is asked first. A page may be missing
 * only if a failure was reported when it went missing; no page is ever stale
 * or wrong.
 */

const RAM_SIZE = 0x1000_0000n;
const DEVICE_RAM = { address: 0x1_0000_0000n, sizeBytes: 0x200_0000n };
/** Operations of the kernel that are made to fail. */
const POINTS: readonly FaultPoint[] = ["map", "exchange", "create", "allocate", "register"];

interface Row {
  readonly name: string;
  readonly config: HostedMachineConfig;
}

function rows(): Row[] {
  const small = { dmaWinSize: 0x100_0000n };
  const layouts: readonly (readonly [string, HostedMachineConfig])[] = [
    ["one group, one bridge", { groups: 1, phbs: [{ index: 0, ...small }] }],
    ["two groups, one bridge", { groups: 2, phbs: [{ index: 0, ...small }] }],
    [
      "two groups, two bridges, device memory",
      {
        groups: 2,
        phbs: [
          { index: 0, ...small },
          { index: 1, ...small },
        ],
        deviceRam: [DEVICE_RAM],
      },
    ],
  ];
  const containers: readonly ContainerKind[] = ["spapr-v2", "spapr-v1", "type1v2"];
  const rows: Row[] = [];
  for (const accel of ["tcg", "kvm"] as const) {
    for (const container of containers) {
      for (const [name, layout] of layouts) {
        rows.push({
          name: `${accel}, ${container}, ${name}`,
          config: { accel, container, ramSize: RAM_SIZE, ...layout },
        });
      }
    }
  }
  return rows;
}

class Walk {
  readonly guest: HostedGuest;
  readonly random: Random;
  /** What the guest put, by window and entry. */
  readonly #entries = new Map<DmaWindow, { table: unknown; tces: Map<number, bigint> }>();
  /** Numbers of pages that a container lacks since a failure was reported. */
  #lost = new Map<Connection, Set<bigint>>();
  /** Windows that a container could not serve, which was reported: the containers that lack them. */
  #unserved = new Map<DmaWindow, Connection[]>();
  /** Passages until a failure, by point. */
  readonly #armed = new Map<FaultPoint, number>();
  #last = "start";

  constructor({ config }: Row, seed: number) {
    this.random = new Random(seed);
    const faults = (point: FaultPoint): "ENOMEM" | undefined => {
      const left = this.#armed.get(point);
      if (left === undefined) return undefined;
      if (left > 0) this.#armed.set(point, left - 1);
      else this.#armed.delete(point);
      return left > 0 ? undefined : "ENOMEM";
    };
    this.guest = new HostedGuest({ ...config, faults });
    this.#followWindows();
  }

  step(number: number): void {
    const { random, guest } = this;
    if (random.below(20) === 0) this.#armed.set(random.pick(POINTS), random.below(3));
    this.#last = `${number}: ${this.#operate()}`;
    const reported = guest.failures.length > 0 || guest.hazards.length > 0;
    guest.hosted.messages.length = 0;
    guest.hazards.length = 0;
    this.#followService(reported);
    if (reported || number % 50 === 0) this.#compareAll(reported);
    else this.#compareSome();
    const found = guest.check(this.#last);
    if (found === undefined) return;
    // Only what was lost may be missing.
    const lost = [...this.#lost.values()].some((pages) => pages.size > 0) || this.#unserved.size > 0;
    if (found.kind !== "missing" || !lost) this.#fail(JSON.stringify(found, show));
  }

  /** The first difference ends a walk: all that follows would differ, too. */
  #fail(what: string): never {
    throw new Error(`SEED=${this.random.seed}, ${this.#last}: ${what}`);
  }

  #operate(): string {
    const { random, guest } = this;
    const { hosted } = guest;
    // Without a window there is nothing to put.
    const dice = this.#entries.size === 0 ? 80 + random.below(20) : random.below(100);
    if (dice < 40) return this.#put();
    if (dice < 65) return this.#indirect();
    if (dice < 80) return this.#stuff();
    if (dice < 92) return this.#plugOrUnplug();
    const phb = random.pick(hosted.machine.phbs);
    let text: string;
    if (dice < 95) {
      const pageShift = random.pick([12, 16, 21, 24]);
      text = `create ${phb.index} ${pageShift}: ${guest.create(pageShift, pageShift + random.below(10), phb.index).status}`;
    } else if (dice < 98) {
      const { liobn } = random.pick(phb.windows);
      text = `remove ${liobn.toString(16)}: ${guest.remove(liobn)}`;
    } else if (dice < 99) {
      text = `reset windows ${phb.index}: ${guest.resetWindows(phb.index)}`;
    } else {
      hosted.machine.reset();
      text = "reset";
    }
    this.#followWindows();
    return text;
  }

  #plugOrUnplug(): string {
    const { random, guest } = this;
    const { devices } = guest.hosted;
    if (devices.length > 0 && random.below(3) === 0) {
      const device = random.pick(devices);
      guest.hosted.unplug(device);
      return `unplug ${device.name}`;
    }
    const free = guest.hosted.host.groups.findIndex((_, group) => !devices.some((d) => d.group === group));
    if (free < 0) return "nothing to plug";
    const before = guest.hosted.connections.length;
    const result = guest.hosted.plug(free, random.pick(guest.hosted.machine.phbs).index);
    if (!result.ok) {
      if (result.error === "") this.#fail("refused without a reason");
      if (guest.hosted.connections.length !== before) this.#fail("a connection of a refused plug");
    }
    return `plug ${free}: ${result.ok ? result.device.phb.index : result.error}`;
  }

  #put(): string {
    const window = this.#window();
    const index = this.#index(window, 1);
    const tce = this.#tce(window);
    const status = this.guest.put(window.liobn, addressOf(window, index), tce);
    this.#stored(window, index, [tce], status);
    return `put ${window.liobn.toString(16)} ${index} ${tce.toString(16)}: ${status}`;
  }

  #indirect(): string {
    const { random } = this;
    const window = this.#window();
    const count = 1 + random.below(Math.min(20, window.entries));
    const index = this.#index(window, count);
    const first = this.#tce(window);
    const step = BigInt(random.below(2)) << BigInt(window.pageShift);
    const list = Array.from({ length: count }, (_, i) =>
      random.below(10) === 0 ? this.#tce(window) : first + BigInt(i) * step,
    );
    const status = this.guest.indirect(window.liobn, addressOf(window, index), list);
    this.#stored(window, index, list, status);
    return `indirect ${window.liobn.toString(16)} ${index} ${list.map((tce) => tce.toString(16)).join()}: ${status}`;
  }

  #stuff(): string {
    const { random } = this;
    const window = this.#window();
    const count = 1 + random.below(Math.min(30, window.entries));
    const index = this.#index(window, count);
    const tce = random.below(4) === 0 ? this.#tce(window) : 0n;
    const status = this.guest.stuff(window.liobn, addressOf(window, index), tce, count);
    this.#stored(window, index, new Array<bigint>(count).fill(tce), status);
    return `stuff ${window.liobn.toString(16)} ${index} ${tce.toString(16)} ${count}: ${status}`;
  }

  #window(): DmaWindow {
    return this.random.pick([...this.#entries.keys()]);
  }

  /** Near the beginning or the end of the window, inside of it. */
  #index(window: DmaWindow, count: number): number {
    const first = this.random.below(Math.min(24, window.entries - count + 1));
    return this.random.below(4) === 0 ? window.entries - count - first : first;
  }

  #tce(window: DmaWindow): bigint {
    const { random } = this;
    const page = 1n << BigInt(window.pageShift);
    const permission = BigInt(random.pick([0, 1, 2, 3, 3, 3]));
    const kind = random.below(20);
    if (kind === 0) return DEVICE_RAM.address + BigInt(random.below(2)) * page + permission;
    if (kind === 1) return 0x40_0000_0000n + BigInt(random.below(4)) * page + permission;
    if (kind === 2) return BigInt(random.below(2 ** 28)) * 4n + permission;
    if (kind === 3) return 0n;
    return BigInt(random.below(Number(RAM_SIZE / page))) * page + permission;
  }

  /** The guest asked for entries to be stored. After an error it looks what is there. */
  #stored(window: DmaWindow, index: number, tces: readonly bigint[], status: number): void {
    const known = this.#entries.get(window)!.tces;
    tces.forEach((tce, i) => {
      const now = status === 0 ? tce : this.guest.get(window.liobn, addressOf(window, index + i));
      if (typeof now !== "bigint") this.#fail(`H_GET_TCE of entry ${index + i}: ${now}`);
      known.set(index + i, now);
    });
    const some = index + this.random.below(tces.length);
    const held = this.guest.get(window.liobn, addressOf(window, some));
    if (held !== known.get(some)) this.#fail(`entry ${some} is ${held}, put was ${known.get(some)}`);
  }

  /** Windows that came or went: a new one is empty. */
  #followWindows(): void {
    for (const phb of this.guest.hosted.machine.phbs) {
      for (const window of phb.windows) {
        if (!window.enabled) this.#entries.delete(window);
        else if (this.#entries.get(window)?.table !== window.table)
          this.#entries.set(window, { table: window.table, tces: new Map() });
      }
    }
  }

  /** A window may lack its mirror in a container from a step on at which a failure was reported. */
  #followService(reported: boolean): void {
    const before = this.#unserved;
    this.#unserved = new Map();
    const { connections } = this.guest.hosted;
    this.#lost = new Map(
      connections.map((connection) => [connection, this.#lost.get(connection) ?? new Set()]),
    );
    for (const connection of connections) {
      const served = connection.listener.guestIommus.map(({ section }) => section);
      for (const section of connection.phb.addressSpace.view.ranges) {
        const window = connection.phb.windows.find(({ iommu }) => iommu === section.region.iommu);
        if (window === undefined || served.some((other) => other.equals(section))) continue;
        const known = before.get(window)?.includes(connection) ?? false;
        if (!reported && !known) this.#fail(`${window.liobn.toString(16)} is not served`);
        this.#unserved.set(window, [...(this.#unserved.get(window) ?? []), connection]);
      }
    }
  }

  /** Where the guest means a device to get. */
  #expected({ phb }: PassedThroughDevice, iova: bigint, write: boolean): bigint | undefined {
    for (const window of [...phb.windows].reverse()) {
      if (!covers(window, iova)) continue;
      const offset = iova - window.busOffset;
      const page = 1n << BigInt(window.pageShift);
      const tce = this.#entries.get(window)!.tces.get(Number(offset / page)) ?? 0n;
      if ((tce & 3n) === 0n || (write && (tce & 2n) === 0n)) return undefined;
      const target = (tce / page) * page;
      return this.#isMemory(target) && this.#isMemory(target + page - 1n)
        ? target + (offset % page)
        : undefined;
    }
    return undefined;
  }

  #isMemory(address: bigint): boolean {
    if (address < RAM_SIZE) return true;
    const { deviceRam = [] } = this.guest.hosted.config;
    return deviceRam.some((piece) => address >= piece.address && address < piece.address + piece.sizeBytes);
  }

  #compareSome(): void {
    const { random } = this;
    const { devices } = this.guest.hosted;
    if (devices.length === 0) return;
    for (let i = 0; i < 8; i++) {
      const device = random.pick(devices);
      const window = random.pick(device.phb.windows);
      if (!window.enabled) continue;
      this.#compare(device, window, this.#index(window, 1), false);
    }
  }

  #compareAll(reported: boolean): void {
    for (const device of this.guest.hosted.devices) {
      for (const window of device.phb.windows) {
        for (const index of this.#entries.get(window)?.tces.keys() ?? []) {
          this.#compare(device, window, index, reported);
        }
      }
    }
  }

  #compare(device: PassedThroughDevice, window: DmaWindow, index: number, mayLose: boolean): void {
    // What is lost shows when it is read: every mapped page can be.
    const write = !mayLose && this.random.below(2) === 1;
    const iova = addressOf(window, index) + BigInt(this.random.below(2 ** window.pageShift));
    // The window in front decides.
    const front = [...device.phb.windows].reverse().find((other) => covers(other, iova))!;
    const page = iova >> BigInt(front.pageShift);
    const expected = this.#expected(device, iova, write);
    const actual = this.guest.hosted.reach(device, iova, write);
    const lost = this.#lost.get(device.connection)!;
    if (actual === expected) {
      if (expected !== undefined) lost.delete(page);
      return;
    }
    if (actual === undefined && mayLose) lost.add(page);
    if (actual === undefined && lost.has(page)) return;
    // The bridge takes addresses behind the end of a table for addresses at its front: no answer counts there.
    if (this.#unserved.get(front)?.includes(device.connection)) return;
    const where = `${device.name} at ${iova.toString(16)} ${write ? "write" : "read"}`;
    this.#fail(`${where} -> ${actual?.toString(16)}, expected ${expected?.toString(16)}`);
  }
}

const addressOf = (window: DmaWindow, index: number): bigint =>
  window.busOffset + (BigInt(index) << BigInt(window.pageShift));

const covers = (window: DmaWindow, iova: bigint): boolean =>
  window.enabled && iova >= window.busOffset && iova - window.busOffset < window.sizeBytes;

const show = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString(16) : value;

/** Walks of so many operations on every kind of host. */
export function walkHosts(seed: number, operations: number): void {
  for (const row of rows()) {
    it(`${row.name}: a device reaches what the model says, SEED=${seed}`, () => {
      const walk = new Walk(row, seed);
      for (let number = 0; number < operations; number++) walk.step(number);
    });
  }
}
