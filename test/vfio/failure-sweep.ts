import { describe, expect, it } from "vitest";
import type { ContainerKind } from "../../src/vfio/connect-context.ts";
import type { FaultPoint } from "../../src/vfio/host/faults.ts";
import { LINUX_6_12 } from "../../src/vfio/host/profile.ts";
import { HostedMachine, type HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import { same } from "../helpers/same.ts";
import { some } from "../helpers/some.ts";
import { HIGH, HostedGuest, RW, WIN0, WIN1 } from "./hosted-guest.ts";

/**
 * Failure sweeps: each operation of the host's kernel is made to fail at its
 * first, second, ... passage within each chain, until the chain runs through.
 * What is left must be explained (an error, a message or a hazard) and
 * coherent: nothing stale, nothing wrong, and missing only what was reported.
 * Without the fault, a reset and a new plug make all well again.
 */

const POINTS: readonly FaultPoint[] = ["map", "exchange", "create", "allocate", "register"];
/** Each point fails once, where retries help, or from some passage on, where they do not. */
const FAILURES = POINTS.flatMap((point) => [[point, false] as const, [point, true] as const]);
/** With the account of locked memory balanced: the kernel's own leak has a test of its own. */
export const KERNEL = { ...LINUX_6_12, failedTableStaysCharged: false };
/** No chain passes a point more often. */
const MOST_PASSAGES = 200;

interface Chain {
  readonly name: string;
  /** What is there before the fault is armed. */
  readonly prepare: (guest: HostedGuest) => void;
  /** What fails on the way. */
  readonly run: (guest: HostedGuest) => void;
}

/** Puts entries that lie apart, so that each is a request of its own, and a list. */
function populate(guest: HostedGuest): void {
  for (let i = 0; i < 4; i++) guest.put(WIN0, BigInt(i * 0x2_0000), BigInt(0x40_0000 - i * 0x1_0000) | RW);
  guest.indirect(
    WIN0,
    0x10_0000n,
    Array.from({ length: 8 }, (_, i) => BigInt(0x80_0000 + i * 0x1000) | RW),
  );
}

/** Plugs and tells the result as a message, as a user would see it. */
function tryPlug(guest: HostedGuest, group: number): void {
  const before = guest.state();
  const result = guest.hosted.plug(group, 0);
  if (result.ok) return;
  expect(result.error).not.toBe("");
  guest.hosted.report(result.error);
  expect(guest.state(), "a plug that failed leaves all as it was").toBe(before);
}

function unplugAll(guest: HostedGuest): void {
  for (const device of [...guest.hosted.devices]) guest.hosted.unplug(device);
}

const CHAINS: readonly Chain[] = [
  { name: "connect", prepare: () => {}, run: (guest) => tryPlug(guest, 0) },
  { name: "hotplug into a populated window", prepare: populate, run: (guest) => tryPlug(guest, 0) },
  {
    name: "a second group",
    prepare: (guest) => {
      populate(guest);
      guest.plug(0);
    },
    run: (guest) => tryPlug(guest, 1),
  },
  {
    name: "window create and use",
    prepare: (guest) => {
      guest.plug(0);
      populate(guest);
    },
    run: (guest) => {
      const { liobn, start } = guest.create(16, 24);
      guest.put(liobn, start, 0x50_0000n | RW);
      guest.indirect(liobn, start + 0x1_0000n, [0x60_0003n, 0x61_0003n, 0x30_0001n, 0x70_0003n]);
    },
  },
  {
    name: "window remove",
    prepare: (guest) => {
      guest.plug(0);
      populate(guest);
      const { liobn, start } = guest.create(16, 24);
      guest.put(liobn, start, 0x50_0000n | RW);
    },
    run: (guest) => guest.remove(WIN1),
  },
  {
    name: "remove the default window, then the other one, which restores it",
    prepare: (guest) => {
      guest.plug(0);
      guest.create(16, 24);
    },
    run: (guest) => {
      guest.remove(WIN0);
      guest.remove(WIN1);
    },
  },
  {
    name: "replace live entries",
    prepare: (guest) => {
      populate(guest);
      guest.plug(0);
      guest.plug(1);
    },
    run: (guest) => {
      guest.put(WIN0, 0n, 0x90_0000n | RW);
      guest.indirect(WIN0, 0x10_0000n, [0xa0_0003n, 0xa2_0003n, 0xa4_0001n, 0xa6_0003n]);
      guest.stuff(WIN0, 0x2_0000n, 0n, 1);
    },
  },
  {
    name: "unplug of one of two groups",
    prepare: (guest) => {
      populate(guest);
      guest.plug(0);
      guest.plug(1);
    },
    run: (guest) => guest.hosted.unplug(guest.hosted.devices[0]!),
  },
  {
    name: "unplug of the last group",
    prepare: (guest) => {
      populate(guest);
      guest.plug(0);
    },
    run: unplugAll,
  },
  {
    name: "machine reset",
    prepare: (guest) => {
      guest.plug(0);
      populate(guest);
      guest.create(16, 24);
    },
    run: (guest) => guest.hosted.machine.reset(),
  },
];

/** Explained and coherent: what a failure may leave behind. */
function expectExplained(guest: HostedGuest, what: string): void {
  const found = guest.check(what);
  if (found === undefined) return;
  same(found.kind, "missing", () => `${what}: ${found.expected} is ${found.actual}`);
  expect(guest.failures.length + guest.hazards.length, `${what}: nothing was reported`).toBeGreaterThan(0);
}

/** The trouble is over: after a reset and new plugs all works, and nothing stays behind. */
function expectRecovery(guest: HostedGuest, what: string): void {
  unplugAll(guest);
  same(guest.check(what), undefined, () => what);
  guest.hosted.machine.reset();
  const { container } = guest.hosted.config;
  populate(guest);
  const device = guest.plug(0);
  if (container !== "spapr-v1") {
    const { liobn, start } = guest.create(16, 24);
    guest.put(liobn, start, 0x50_0000n | RW);
    same(guest.hosted.reach(device, HIGH + 1n, true), 0x50_0001n, () => what);
  }
  same(guest.hosted.reach(device, 0x10_1234n, true), 0x80_1234n, () => what);
  same(guest.check(what), undefined, () => what);
  unplugAll(guest);
  guest.hosted.machine.reset();
  expectNothingLeft(guest, what);
}

/** All is unplugged: no window, no group in a container, no region, no locked page but for the guest's own tables. */
function expectNothingLeft({ hosted }: HostedGuest, what: string): void {
  const { process, host, machine, config } = hosted;
  for (const { iommu, container } of host.groups) {
    same(container, null, () => what);
    expect(iommu.windows, what).toEqual([null, null]);
  }
  expect([...machine.env.liobns].map(({ needVfio }) => needVfio)).toEqual([false, false]);
  const fresh = new HostedMachine(config).process.memory.lockedPages;
  const [region, ...others] = process.memory.registered.regions;
  expect(others).toEqual([]);
  // Where KVM's handlers clear an entry that they could not change, its page counts as mapped for ever
  // (invariant 11): the kernel keeps the region then, and its account.
  if (region !== undefined) {
    same(config.accel, "kvm", () => what);
    expect(region.mapped, what).toBeGreaterThan(0);
  }
  const pages = region === undefined ? 0 : (region.end - region.start) / process.memory.pageSize;
  same(process.memory.lockedPages, fresh + pages, () => what);
}

/** What each container passes. */
const PASSED: Readonly<Record<ContainerKind, readonly FaultPoint[]>> = {
  "spapr-v2": ["map", "exchange", "create", "allocate", "register"],
  // Its only window is made with the first MAP, and nothing is registered.
  "spapr-v1": ["map", "exchange", "allocate"],
  type1v2: ["map"],
};
/** Bytes that may still be locked: none, little, the guest's memory but no table, a window of version 1 but one page. */
const LOCK_LIMITS = [0, 0x1_0000, 0x4_0000, 0x1000_0000, 0x1001_0000, 0x7fff_0000];

const ACCELS = ["tcg", "kvm"] as const;
type Accel = (typeof ACCELS)[number];
const CONTAINERS: readonly ContainerKind[] = ["spapr-v2", "spapr-v1", "type1v2"];

/** @param takes which failures are swept: those that happen once, or that last, and a number by which they can be taken in turn */
export function sweepFailures(takes: (accel: Accel, lasting: boolean, number: number) => boolean): void {
  for (const accel of ACCELS) {
    for (const container of CONTAINERS) {
      describe(`${accel}, ${container}`, () => {
        const base: HostedMachineConfig = {
          accel,
          container,
          kernel: KERNEL,
          phbs: [{ index: 0, dmaWinSize: 0x100_0000n }],
        };
        const failing = new Set<FaultPoint>();
        for (const [number, chain] of CHAINS.entries()) {
          const swept = FAILURES.filter(([point, lasting]) =>
            takes(accel, lasting, number + POINTS.indexOf(point)),
          );
          for (const [point, lasting] of swept) {
            it(`${chain.name}: ${point} fails ${lasting ? "from then on" : "once"}`, () => {
              let passages = 0;
              for (let fails = true; fails; passages++) {
                expect(passages).toBeLessThan(MOST_PASSAGES);
                fails = sweepOnce(base, chain, point, passages, lasting);
                if (fails) failing.add(point);
              }
            });
          }
        }

        it("every point that the container has was made to fail", () => {
          expect([...failing]).toEqual(expect.arrayContaining([...PASSED[container]]));
          expect(failing.size).toBe(PASSED[container].length);
        });

        it.each(some(LOCK_LIMITS, 2))("%d locked bytes", (limit) => {
          for (const chain of CHAINS) {
            const guest = new HostedGuest({ ...base, lockLimit: 2n ** 62n });
            chain.prepare(guest);
            const { process } = guest.hosted;
            const held = BigInt(process.memory.lockedPages * process.memory.pageSize);
            process.lockLimit = held + BigInt(limit);
            chain.run(guest);
            expectExplained(guest, chain.name);
            process.lockLimit = 2n ** 62n;
            expectRecovery(guest, chain.name);
          }
        });
      });
    }
  }
}

/** Runs a chain with a failure at one passage; false if the chain does not pass there. */
function sweepOnce(
  base: HostedMachineConfig,
  chain: Chain,
  point: FaultPoint,
  passage: number,
  lasting: boolean,
): boolean {
  let left = Infinity;
  let failed = false;
  const faults = (at: FaultPoint): "ENOMEM" | undefined => {
    if (at !== point || --left >= 0 || (left < -1 && !lasting)) return undefined;
    failed = true;
    return "ENOMEM";
  };
  const guest = new HostedGuest({ ...base, faults });
  chain.prepare(guest);
  const what = `${chain.name}, ${point} ${passage}`;
  expectExplained(guest, `${what}, prepared`);
  left = passage;
  chain.run(guest);
  left = Infinity;
  expectExplained(guest, what);
  expectRecovery(guest, what);
  return failed;
}
