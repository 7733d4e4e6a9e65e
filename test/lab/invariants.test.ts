import { expect, it } from "vitest";
import { DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import type { FindingKind } from "../../src/check/findings/kinds.ts";
import { TraceCheck } from "../../src/check/trace-check.ts";
import { readStory } from "../../src/cli/story-files.ts";
import { DeviceDma } from "../../src/guest/device-dma.ts";
import { attachNetworkCard } from "../../src/guest/drivers/attach.ts";
import { DmaLog } from "../../src/guest/drivers/dma-log.ts";
import { KernelMemory } from "../../src/guest/drivers/kernel-memory.ts";
import type { DriverMistakes } from "../../src/guest/drivers/mistakes.ts";
import { cells } from "../../src/guest/guest-calls.ts";
import { IommuTable } from "../../src/guest/iommu-table.ts";
import { type BootKind, LinuxGuest, type LinuxGuestConfig } from "../../src/guest/linux-guest.ts";
import { PciFunction } from "../../src/guest/pci-function.ts";
import { formatIncoherence } from "../../src/lab/lab-machine.ts";
import { runStory } from "../../src/lab/story/run-story.ts";
import { mutated } from "../../src/lab/story/story.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { MachineConfig } from "../../src/spapr/machine-config.ts";
import { RtasToken } from "../../src/spapr/papr.ts";
import { PciDevice } from "../../src/spapr/pci-device.ts";
import type { PhbConfig } from "../../src/spapr/phb.ts";
import { PROFILES } from "../../src/spapr/profile.ts";
import { formatTraceEvent } from "../../src/spapr/trace-events.ts";
import type { Incoherence } from "../../src/vfio/coherence.ts";
import type { HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import { readDocument } from "../helpers/markdown.ts";
import { some } from "../helpers/some.ts";
import { HostedGuest, RW, WIN0 } from "../vfio/hosted-guest.ts";

/** Something that `check` or the checker of coherence says. */
interface Said {
  readonly by: "check" | "coherence";
  readonly kind: FindingKind | Incoherence["kind"];
  readonly message: string;
}

/** How an invariant is violated, and what catches it. */
interface Violation extends Said {
  /** A part of it. */
  readonly message: string;
  /** Does the same with the violation and without, and answers what is said. */
  readonly run: (violates: boolean) => readonly Said[] | Promise<readonly Said[]>;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** The default window of a bridge, which is there before the first event. */
const DEFAULT_WINDOW = { liobn: WIN0, busOffset: 0n, bytes: 2n ** 30n, pageShift: 12 };
/** The event of its table. */
const NEW_TABLE = formatTraceEvent({
  name: "spapr_iommu_new_table",
  liobn: BigInt(WIN0),
  table: 0x1000n,
  fd: -1,
});

/** What `check` says of the lines of a trace or of a log. */
function checked(
  lines: readonly string[],
  { ram, profile }: { readonly ram?: number; readonly profile?: string } = {},
): readonly Said[] {
  const options = { ...DEFAULT_CHECK_OPTIONS, ram: ram === undefined ? undefined : BigInt(ram) };
  const check = new TraceCheck("trace", options, { profile, windows: [DEFAULT_WINDOW] });
  check.push(new TextEncoder().encode(`${lines.join("\n")}\n`));
  return check.end().findings.map(({ kind, message }) => ({ by: "check", kind, message }));
}

/** Linux with a device on a machine of 1 GiB that is traced from its start. */
class TracedGuest {
  readonly trace: string[] = [NEW_TABLE];
  /** The kernel's log. */
  readonly log: string[] = [];
  readonly machine: Machine;
  readonly guest: LinuxGuest;
  readonly fn = new PciFunction(0, 1, 0, "ethernet");
  readonly dma: DeviceDma;
  readonly device: PciDevice;
  readonly #kernel: LinuxGuestConfig;

  constructor({
    phb = {},
    machine = {},
    highest = GIB,
    say = () => {},
  }: {
    readonly phb?: Partial<PhbConfig>;
    readonly machine?: MachineConfig;
    readonly highest?: number;
    readonly say?: (line: string) => void;
  } = {}) {
    this.machine = new Machine({ ramSize: BigInt(GIB), phbs: [{ index: 0, ...phb }], ...machine });
    this.machine.observer.trace = (event) => this.trace.push(formatTraceEvent(event));
    this.#kernel = {
      kernel: "6.12",
      memory: { ram: [{ start: 0, size: GIB }], highest },
      functions: [this.fn],
      cpuPageSize: 4096,
      log: (line) => {
        this.log.push(`[    1.000000] ${line}`);
        say(line);
      },
    };
    this.guest = this.start("firmware");
    this.dma = new DeviceDma(this.guest, this.fn);
    this.device = new PciDevice(this.machine.phb(0), "device");
    this.device.setBusMaster(true);
  }

  /** A kernel boots. */
  start(boot: BootKind): LinuxGuest {
    const guest = new LinuxGuest(this.machine, { ...this.#kernel, boot });
    guest.boot();
    return guest;
  }

  /** Maps a page for the device, or does not. */
  map(physical: number): bigint | undefined {
    return this.dma.map({ physical, size: 4096 }, "bidirectional");
  }

  use(address: bigint): void {
    this.device.write(address, new Uint8Array(8));
  }

  /** `ibm,create-pe-dma-window`: the LIOBN. */
  create(pageShift: number, windowShift: number): number {
    const args = [0, ...cells(this.machine.phb(0).buid), pageShift, windowShift];
    return this.machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4)[1]!;
  }

  remove(liobn: number): void {
    this.machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [liobn], 1);
  }
}

/** A driver of a network card at work, with one mistake or without; what Linux's trace shows. */
function driven(mistakes: DriverMistakes): readonly Said[] {
  const { guest, machine, fn } = new TracedGuest();
  const log = new DmaLog();
  machine.memory.onDmaFault = (fault) => log.refused(fault.who, fault);
  const memory = new KernelMemory(machine.systemMemory, { start: 64 * MIB, end: GIB });
  const { driver, device } = attachNetworkCard(guest, fn, { memory, log, mistakes });
  driver.start();
  for (let i = 0; i < 100; i++) driver.send(new Uint8Array(1000));
  for (let i = 0; i < 100; i++) {
    device.receive(new Uint8Array(1000));
    driver.poll();
  }
  driver.stop();
  return checked(log.text.trimEnd().split("\n"));
}

/** A guest on a host, traced, with a device that is passed through. */
function hosted(config: HostedMachineConfig = {}) {
  const guest = new HostedGuest(config);
  const trace = [NEW_TABLE];
  guest.hosted.machine.observer.trace = (event) => trace.push(formatTraceEvent(event));
  return { guest, trace };
}

/** What the checker of coherence says. */
function compared(guest: HostedGuest): readonly Said[] {
  const found = guest.check();
  return found === undefined
    ? []
    : [{ by: "coherence", kind: found.kind, message: formatIncoherence(found) }];
}

/** Maps a page of guest memory in the host's table, of which nobody else hears. */
function mapBehind(guest: HostedGuest, slot: number, entry: number): void {
  const { memory } = guest.hosted.process;
  const { start } = memory.registered.regions[0]!;
  const vaddr = start + 0x50_0000;
  const table = guest.hosted.host.groups[0]!.iommu.windows[slot]!;
  expect(table.mapPage(memory.registered, entry, Math.floor(vaddr / 2 ** 32), vaddr | 0, 3)).toBe(0);
}

/**
 * Gives up the guest's memory and registers half of it: whether a region was really given up can be seen by that only, as
 * the kernel answers 0 in any case. The lines are those of QEMU's trace.
 */
function registerAgain(guest: HostedGuest): string[] {
  const { process, connections } = guest.hosted;
  const { iommu } = connections[0]!.kernel!.object;
  const { start, end } = process.memory.registered.regions[0]!;
  const line = (call: string, size: number, answer: string | number): string =>
    `vfio_prereg_${call} va=0x${start.toString(16)} size=0x${size.toString(16)} ret=${answer === "EINVAL" ? -22 : answer}`;
  const whole = { vaddr: BigInt(start), size: BigInt(end - start) };
  const half = { vaddr: BigInt(start), size: whole.size / 2n };
  return [
    line("unregister", Number(whole.size), iommu!.unregisterMemory(process, whole)),
    line("register", Number(half.size), iommu!.registerMemory(process, half)),
  ];
}

/** What `check` says of the trace of a story, as it is or with its mutation. */
async function story(name: string, isMutated: boolean): Promise<readonly Said[]> {
  const told = await readStory(name);
  return checked(runStory(isMutated ? mutated(told) : told).trace);
}

/** By the rules of docs/behaviour.md. */
const VIOLATIONS: Readonly<Record<string, Violation>> = {
  "STACK-INV-1": {
    by: "check",
    kind: "io-fault",
    message: "which nothing mapped before in this recording",
    run: (violates) => driven(violates ? { outsideEvery: 20 } : {}),
  },
  "STACK-INV-2": {
    by: "check",
    kind: "io-fault",
    message: "its direction TO_DEVICE does not allow the device to write",
    run: (violates) => driven(violates ? { wrongDirectionEvery: 20 } : {}),
  },
  "STACK-INV-3": {
    by: "check",
    kind: "dma-after-unmap",
    message: "DMA to a page that was unmapped by event",
    run: (violates) => {
      const traced = new TracedGuest();
      const address = traced.map(64 * MIB)!;
      if (!violates) traced.use(address);
      traced.dma.unmap(address, 4096);
      if (violates) traced.use(address);
      return checked(traced.trace);
    },
  },
  "STACK-INV-4": {
    by: "check",
    kind: "replaced-live",
    message: "is replaced by 0x40c0003 while it is live",
    run: (violates) => {
      const traced = new TracedGuest({ phb: { dmaWinSize: 0x100_0000n } });
      const { dma, fn, trace } = traced;
      // Hints go round the table once in 192 maps.
      for (let i = 0; i < 300; i++) {
        const address = traced.map(64 * MIB + i * 4096)!;
        if (violates) fn.table!.give(Number(address / 4096n), 1);
        else dma.unmap(address, 4096);
      }
      return checked(trace);
    },
  },
  "STACK-INV-5": {
    by: "check",
    kind: "replaced-live",
    message: "is replaced by 0x4100003 while it is live",
    run: (violates) => {
      const traced = new TracedGuest();
      const other = new PciFunction(0, 2, 0, "ethernet");
      traced.guest.addFunction(other);
      // Two that count what is in use for themselves.
      if (violates) other.table = new IommuTable(other.table!.window, other.table!.length);
      traced.map(64 * MIB);
      new DeviceDma(traced.guest, other).map({ physical: 65 * MIB, size: 4096 }, "bidirectional");
      return checked(traced.trace);
    },
  },
  "STACK-INV-6": {
    by: "coherence",
    kind: "wrong",
    message: "-> 0x0000000000400000 rw, found 0x0000000000000000 + 0x1000 -> 0x0000000000500000 rw",
    run: (violates) => {
      const { guest } = hosted({ accel: "kvm" });
      guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      if (violates) mapBehind(guest, 0, 0);
      return compared(guest);
    },
  },
  "STACK-INV-7": {
    by: "coherence",
    kind: "stale",
    message: "expected nothing, found 0x0800000000050000",
    run: (violates) => {
      const { guest } = hosted();
      guest.plug();
      guest.create(16, 24);
      if (violates) mapBehind(guest, 1, 5);
      return compared(guest);
    },
  },
  "STACK-INV-8": {
    by: "coherence",
    kind: "missing",
    message: "-> 0x0000000000400000 rw, found nothing",
    run: (violates) => {
      const { guest } = hosted({ accel: "kvm", lazyReplay: violates });
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      guest.plug();
      return compared(guest);
    },
  },
  "STACK-INV-9": {
    by: "check",
    kind: "leak",
    message: "still there when the window was removed",
    run: (violates) => {
      const { guest, trace } = hosted();
      const { liobn, start } = guest.create(16, 24);
      guest.put(liobn, start, 0x40_0000n | RW);
      if (!violates) guest.put(liobn, start, 0n);
      guest.remove(liobn);
      return checked(trace);
    },
  },
  "STACK-INV-10": {
    by: "coherence",
    kind: "missing",
    message: "expected 0x0800000000000000 + 0x10000 -> 0x0000000000400000 rw, found nothing",
    run: (violates) => {
      const { guest } = hosted({ accel: "kvm" });
      guest.plug();
      const { liobn, start } = guest.create(16, 24);
      const { process, connections } = guest.hosted;
      // KVM was not told, and goes on writing to a table that no device has.
      if (violates) connections[0]!.kernel!.object.iommu!.removeWindow(process, { start });
      else guest.remove(liobn);
      guest.put(liobn, start, 0x40_0000n | RW);
      return compared(guest);
    },
  },
  "STACK-INV-11": {
    by: "check",
    kind: "map-failed",
    message: "the host refused to register memory 128 MiB at user address 0x100000000000: errno 22",
    run: (violates) => {
      const { guest, trace } = hosted({ accel: "kvm" });
      guest.plug();
      const { liobn, start } = guest.create(16, 24);
      // An entry of a list without permission is counted, and not uncounted with the window.
      guest.indirect(liobn, start, [violates ? 0x40_0000n : 0x40_0003n, 0x41_0003n]);
      guest.remove(liobn);
      return checked([...trace, ...registerAgain(guest)]);
    },
  },
  "STACK-INV-12": {
    by: "check",
    kind: "map-failed",
    message: "the host refused to register memory 128 MiB at user address 0x100000000000: errno 22",
    run: (violates) => {
      const { guest, trace } = hosted();
      guest.plug();
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      if (!violates) guest.put(WIN0, 0n, 0n);
      return checked([...trace, ...registerAgain(guest)]);
    },
  },
  "STACK-INV-13": {
    by: "coherence",
    kind: "missing",
    message: "-> 0x000000000f000000 rw, found nothing",
    run: (violates) => {
      const { guest } = hosted();
      guest.plug();
      if (violates) registerAgain(guest);
      guest.put(WIN0, 0n, 0xf00_0000n | RW);
      return compared(guest);
    },
  },
  "STACK-INV-14": {
    by: "check",
    kind: "direct-map-hole",
    message: "memory at 0x400000000",
    run: async (violates) => {
      const told = await readStory("direct-map-hole");
      // Pages of 16 GiB: memory is a multiple of them, or not.
      const ramBytes = (violates ? 20 : 32) * GIB;
      return checked(
        runStory({ ...told, machine: { ...told.machine, ramBytes, maxRamBytes: ramBytes } }).trace,
        { ram: ramBytes },
      );
    },
  },
  "STACK-INV-15": {
    by: "check",
    kind: "direct-map-hole",
    message: "memory at 0x40000000 (64 pages)",
    run: (violates) => {
      const traced = new TracedGuest({
        highest: violates ? GIB : 2 * GIB,
        machine: { deviceRam: [{ address: BigInt(GIB), sizeBytes: BigInt(GIB) }] },
      });
      traced.guest.setMask(traced.fn, 64);
      expect(traced.guest.addMemory({ start: GIB, size: GIB })).toBe(0);
      return checked(traced.trace, { ram: 2 * GIB });
    },
  },
  "STACK-INV-16": {
    by: "check",
    kind: "dma-fault",
    message: "DMA to a page that is not mapped, and was not since the window",
    run: (violates) => {
      const traced = new TracedGuest({
        highest: 2 * GIB,
        machine: { deviceRam: [{ address: BigInt(GIB), sizeBytes: BigInt(GIB) }] },
      });
      const { guest, fn } = traced;
      guest.setMask(fn, 64);
      const plugged = fn.dmaOffset + BigInt(GIB);
      if (violates) traced.use(plugged);
      guest.addMemory({ start: GIB, size: GIB });
      traced.use(plugged);
      return checked(traced.trace);
    },
  },
  "STACK-INV-17": {
    by: "check",
    kind: "replaced-live",
    message: "is replaced by an entry of a list while it is live",
    run: (violates) => story("hotplug-hybrid", !violates),
  },
  "STACK-INV-18": {
    by: "check",
    kind: "beyond-ram",
    message: "but memory ends at 0x10000000",
    run: (violates) => {
      const { guest, trace } = hosted();
      guest.put(WIN0, 0x1000n, (violates ? 0x1000_0000n : 0x0fff_f000n) | RW);
      return checked(trace, { ram: 0x1000_0000 });
    },
  },
  "STACK-INV-19": {
    by: "check",
    kind: "refused-call",
    message: "H_STUFF_TCE was refused with -4: the address is outside of the window",
    run: (violates) => {
      const { guest, trace } = hosted();
      guest.stuff(WIN0, 0x3fff_e000n, 0n, violates ? 3 : 2);
      return checked(trace);
    },
  },
  "STACK-INV-20": {
    by: "check",
    kind: "mismatch",
    message: 'npages=513 ret=0" (ret 0), but by all that the trace told before it is ret -57',
    run: (violates) => {
      const { guest, trace } = hosted();
      // QEMU takes it. Who asks for the architecture's rules hears of it.
      guest.stuff(WIN0, 0n, 0n, violates ? 513 : 512);
      return checked(trace, { profile: "papr" });
    },
  },
  "STACK-INV-21": {
    by: "check",
    kind: "dma-fault",
    message: "DMA to a page that is not mapped, and was not since the window",
    run: (violates) => {
      const traced = new TracedGuest({ machine: { profile: "papr" } });
      // Linux prints that the hypervisor refuses this page, and gives the driver its address.
      const address = traced.map(violates ? 4 * GIB : 64 * MIB);
      traced.use(address!);
      return checked(traced.trace, { profile: "papr" });
    },
  },
  "STACK-INV-22": {
    by: "check",
    kind: "map-failed",
    message: "no run of 1 free IOMMU pages (iommu_alloc failed)",
    run: (violates) => {
      const traced = new TracedGuest();
      const { table } = traced.fn;
      if (violates) table!.reserve(0, table!.length);
      expect(traced.map(64 * MIB) === undefined).toBe(violates);
      return checked(traced.log);
    },
  },
  "STACK-INV-23": {
    by: "check",
    kind: "refused-call",
    message: "ibm,create-pe-dma-window for 2^30 bytes in pages of 2^24 bytes returns -1",
    run: (violates) => {
      let isAway = false;
      const traced = new TracedGuest({
        say: () => {
          // Linux has asked how many windows there may be, and somebody else makes one now.
          if (isAway) traced.create(16, 24);
          isAway = false;
        },
      });
      isAway = violates;
      traced.guest.setMask(traced.fn, 64);
      return checked(traced.log);
    },
  },
  "STACK-INV-24": {
    by: "check",
    kind: "window-overlap",
    message: "shares bus addresses with that of LIOBN 0x80000001",
    run: (violates) => story("kexec-lost-window", !violates),
  },
  "STACK-INV-25": {
    by: "coherence",
    kind: "stale",
    message: "expected nothing, found 0x0000000000000000",
    run: (violates) => {
      const { guest } = hosted();
      guest.plug();
      guest.create(16, 24);
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      guest.hosted.machine.reset();
      if (violates) mapBehind(guest, 0, 0);
      return compared(guest);
    },
  },
  "STACK-INV-26": {
    by: "check",
    kind: "mismatch",
    message: "(ret -4), but by all that the trace told before it is ret 0",
    run: (violates) => {
      const profile = { ...PROFILES["qemu-7.2"]!, restoreDefaultWindow: !violates };
      const traced = new TracedGuest({ machine: { profile } });
      const own = traced.create(16, 24);
      traced.remove(WIN0);
      traced.remove(own);
      traced.map(64 * MIB);
      return checked(traced.trace);
    },
  },
  "STACK-INV-27": {
    by: "check",
    kind: "dma-after-unmap",
    message: "DMA to a page that was unmapped by event",
    run: (violates) => {
      const traced = new TracedGuest({ phb: { dmaWinSize: 0x100_0000n } });
      const inFlight = traced.map(64 * MIB)!;
      // The next kernel knows that the one before it crashed, or does not.
      traced.start(violates ? "kexec" : "kdump");
      traced.use(inFlight);
      return checked(traced.trace);
    },
  },
  "STACK-INV-28": {
    by: "check",
    kind: "map-failed",
    message: "Failed to create a window, ret = -1 (ENOMEM)",
    run: (violates) => {
      const healthy = new HostedGuest();
      healthy.plug();
      const { lockedPages, pageSize } = healthy.hosted.process.memory;
      let fails = violates;
      const guest = new HostedGuest({
        lockLimit: BigInt(lockedPages * pageSize),
        faults: (point) => (fails && point === "allocate" ? "ENOMEM" : undefined),
      });
      if (violates) expect(guest.hosted.plug(0).ok).toBe(false);
      fails = false;
      const result = guest.hosted.plug(0);
      return checked([
        NEW_TABLE,
        ...(result.ok ? [] : [`qemu-system-ppc64: -device vfio-pci: vfio: ${result.error}`]),
      ]);
    },
  },
  "STACK-INV-29": {
    by: "coherence",
    kind: "missing",
    message: "device 1: missing",
    run: (violates) => {
      const { guest } = hosted();
      guest.plug(0);
      guest.plug(1);
      guest.put(WIN0, 0n, 0x40_0000n | RW);
      if (violates) guest.hosted.host.groups[1]!.iommu.windows[0] = null;
      return compared(guest);
    },
  },
  "STACK-INV-30": {
    by: "check",
    kind: "dma-fault",
    message: "DMA to a page that is not mapped, and was not since the window",
    run: (violates) => {
      const traced = new TracedGuest({ phb: { ddw: false } });
      const { guest, fn } = traced;
      guest.setMask(fn, 64);
      if (violates) fn.bypass = true;
      traced.use(traced.map(64 * MIB)!);
      return checked(traced.trace);
    },
  },
};

it("docs/behaviour.md has each invariant that is violated here, no other, and what catches it", () => {
  const rules = readDocument("behaviour.md").matchAll(
    /^#### (STACK-INV-\d+)\n\n.+\n\nDocumented, not recorded\.\n\nA violation that is caught: (.+)$/gm,
  );
  const caught = Object.entries(VIOLATIONS).map(([id, { by, kind }]) => [
    id,
    by === "check" ? `\`check\` says \`${kind}\`.` : `the checker of coherence says \`${kind}\`.`,
  ]);
  expect(Array.from(rules, ([, id, text]) => [id, text])).toEqual(caught);
  expect(caught).toHaveLength(readDocument("behaviour.md").match(/^#### STACK-INV-/gm)!.length);
  expect(caught).toHaveLength(30);
});

it.each(Object.entries(VIOLATIONS))("%s is caught when it is violated", async (_id, violation) => {
  const { by, kind, message, run } = violation;
  expect(await run(true)).toContainEqual({ by, kind, message: expect.stringContaining(message) });
});

it.each(some(Object.entries(VIOLATIONS), 3))(
  "%s is kept otherwise, and nothing is said",
  async (_id, { run }) => {
    expect(await run(false)).toEqual([]);
  },
);
