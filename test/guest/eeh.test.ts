import { describe, expect, it } from "vitest";
import { attachDisk, attachNetworkCard } from "../../src/guest/drivers/attach.ts";
import { ALL_ONES } from "../../src/guest/drivers/device-port.ts";
import { EehRecovery } from "../../src/guest/drivers/eeh.ts";
import { KernelMemory } from "../../src/guest/drivers/kernel-memory.ts";
import type { DriverMistakes } from "../../src/guest/drivers/mistakes.ts";
import { cells } from "../../src/guest/guest-calls.ts";
import { LinuxGuest } from "../../src/guest/linux-guest.ts";
import { PciFunction } from "../../src/guest/pci-function.ts";
import { EehOp, PeState } from "../../src/spapr/endpoint.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { RtasToken } from "../../src/spapr/papr.ts";
import { PROFILES } from "../../src/spapr/profile.ts";
import { HostedMachine, type HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import { driverMachine, GIB, MIB } from "./driver-machine.ts";

const FREEZING = { ...PROFILES["qemu-7.2"]!, refusedDmaFreezes: true };

/** An emulated network card whose refused DMA freezes it. */
function emulated(mistakes?: DriverMistakes, profile = FREEZING) {
  const made = driverMachine({ machine: { ramSize: BigInt(GIB), phbs: [{ index: 0 }], profile } });
  const { guest, fn, memory } = made;
  return {
    ...made,
    ...attachNetworkCard(guest, fn, { memory, ...(mistakes === undefined ? {} : { mistakes }) }),
  };
}

/** The card of the host, passed through. */
function passedThrough(config: HostedMachineConfig = {}, mistakes?: DriverMistakes) {
  const hosted = new HostedMachine({ ramSize: BigInt(GIB), ...config });
  const { machine } = hosted;
  const plugged = hosted.plug(0);
  if (!plugged.ok) throw new Error(plugged.error);
  const fn = new PciFunction(0, 0, 0, "ethernet");
  const guest = new LinuxGuest(machine, {
    kernel: "linux-6.12",
    memory: { ram: [{ start: 0, size: GIB }], highest: GIB },
    functions: [fn],
  });
  guest.boot();
  const memory = new KernelMemory(machine.systemMemory, { start: 64 * MIB, end: GIB });
  const port = hosted.portOf(plugged.device);
  const attached = attachNetworkCard(guest, fn, {
    memory,
    port,
    ...(mistakes === undefined ? {} : { mistakes }),
  });
  return {
    hosted,
    machine,
    guest,
    fn,
    memory,
    port,
    card: attached.device,
    ...attached,
  };
}

const packet = new Uint8Array(200);

describe("the RTAS calls of EEH (QEMU-EEH-1)", () => {
  const { machine } = emulated();
  const [hi, lo] = cells(machine.phb(0).buid);
  const FN = 0x800;

  it.each([
    { token: RtasToken.SET_EEH_OPTION, args: [FN, hi, lo, 1], nret: 1, rets: [0] },
    { token: RtasToken.SET_EEH_OPTION, args: [FN + 4, hi, lo, 1], nret: 1, rets: [0] },
    { token: RtasToken.SET_EEH_OPTION, args: [0x1000, hi, lo, 1], nret: 1, rets: [-3] },
    { token: RtasToken.SET_EEH_OPTION, args: [0x1000, hi, lo, 2], nret: 1, rets: [0] },
    { token: RtasToken.SET_EEH_OPTION, args: [FN, hi, lo, 4], nret: 1, rets: [-3] },
    { token: RtasToken.SET_EEH_OPTION, args: [FN, hi, lo], nret: 1, rets: [-3] },
    { token: RtasToken.SET_EEH_OPTION, args: [FN, hi, lo + 1, 1], nret: 1, rets: [-3] },
    { token: RtasToken.GET_CONFIG_ADDR_INFO2, args: [FN, hi, lo, 0], nret: 2, rets: [0, 1] },
    { token: RtasToken.GET_CONFIG_ADDR_INFO2, args: [0x1000, hi, lo, 0], nret: 2, rets: [-3, 0] },
    { token: RtasToken.GET_CONFIG_ADDR_INFO2, args: [FN, hi, lo, 1], nret: 2, rets: [0, 2] },
    { token: RtasToken.GET_CONFIG_ADDR_INFO2, args: [FN, hi, lo, 2], nret: 2, rets: [-3, 0] },
    { token: RtasToken.GET_CONFIG_ADDR_INFO2, args: [FN, hi, lo, 0], nret: 1, rets: [-3] },
    { token: RtasToken.READ_SLOT_RESET_STATE2, args: [1, hi, lo], nret: 4, rets: [0, 0, 1, 1000] },
    { token: RtasToken.READ_SLOT_RESET_STATE2, args: [1, hi, lo], nret: 5, rets: [0, 0, 1, 1000, 0] },
    { token: RtasToken.READ_SLOT_RESET_STATE2, args: [1, hi, lo], nret: 3, rets: [-3, 0, 0] },
    { token: RtasToken.SET_SLOT_RESET, args: [1, hi, lo, 2], nret: 1, rets: [-3] },
    { token: RtasToken.SET_SLOT_RESET, args: [1, hi, lo, 3], nret: 1, rets: [0] },
    { token: RtasToken.READ_SLOT_RESET_STATE2, args: [1, hi, lo], nret: 4, rets: [0, 1, 1, 1000] },
    { token: RtasToken.SET_SLOT_RESET, args: [1, hi, lo, 0], nret: 1, rets: [0] },
    { token: RtasToken.READ_SLOT_RESET_STATE2, args: [1, hi, lo], nret: 4, rets: [0, 0, 1, 1000] },
    { token: RtasToken.CONFIGURE_PE, args: [1, hi, lo], nret: 1, rets: [0] },
    { token: RtasToken.CONFIGURE_PE, args: [1, hi, lo, 0], nret: 1, rets: [-3] },
    { token: RtasToken.SLOT_ERROR_DETAIL, args: [1, hi, lo, 0, 0, 0x1000, 64, 1], nret: 1, rets: [1] },
    { token: RtasToken.SLOT_ERROR_DETAIL, args: [1, hi, lo, 0, 0, 0x1000, 64, 2], nret: 1, rets: [1] },
    { token: RtasToken.SLOT_ERROR_DETAIL, args: [1, hi, lo, 0, 0, 0x1000, 64, 3], nret: 1, rets: [-3] },
    { token: RtasToken.SLOT_ERROR_DETAIL, args: [1, hi, lo], nret: 1, rets: [-3] },
  ])("answers $rets to $token with $args", ({ token, args, nret, rets }) => {
    machine.ram.write(0x9000, new Uint8Array(128));
    expect(machine.rtas(token, args, nret)).toEqual(rets);
  });

  it.each(Object.entries(RtasToken).filter(([name]) => /EEH|ADDR_INFO|SLOT|CONFIGURE/.test(name)))(
    "refuses %s where no device has EEH, as QEMU's emulated ones",
    (_name, token) => {
      const plain = new Machine({ phbs: [{ index: 0 }] });
      for (const args of [
        [FN, hi, lo, 0],
        [FN, hi, lo],
        [FN, hi, lo, 0, 0, 0, 0, 1],
      ])
        expect(plain.rtas(token, args, 1)[0]).toBe(-3);
    },
  );
});

describe("an endpoint that a refused DMA froze", () => {
  it("answers all ones, takes no writes, and does no DMA (PAPR-EEH-1)", () => {
    const { driver, device, registers, machine, guest, fn, faults } = emulated({ freesEarlyEvery: 300 });
    expect(new EehRecovery(guest, fn, { registers, driver }).enable()).toBe(true);
    driver.start();
    for (let i = 0; i < 45; i++) driver.send(packet);
    const { endpoint } = machine.phb(0);
    expect(endpoint!.state).toBe(PeState.STOPPED);
    expect(faults).toHaveLength(1);
    expect(registers.read(0x8)).toBe(ALL_ONES);
    registers.write(0x400, 0);
    expect(device.read(0x400n)).not.toBe(0n);
    const { sent } = device.counts;
    driver.send(packet);
    expect(device.counts.sent).toBe(sent);
    expect(device.receive(packet)).toBe(false);
    // Registers first, DMA later: as a guest that wants to look at the device does it.
    endpoint!.operate(EehOp.UNFREEZE_IO);
    expect(endpoint!.state).toBe(PeState.STOPPED_DMA);
    expect(registers.read(0x8)).toBe(2);
    expect(device.receive(packet)).toBe(false);
    endpoint!.operate(EehOp.UNFREEZE_DMA);
    expect(endpoint!.state).toBe(PeState.NORMAL);
    expect(faults).toHaveLength(1);
  });

  it.each([
    { name: "QEMU's emulated devices", profile: PROFILES["qemu-7.2"]!, asks: false },
    { name: "a guest that did not ask for EEH", profile: FREEZING, asks: false },
  ])("does not exist for $name", ({ profile }) => {
    const { driver, device, machine } = emulated({ freesEarlyEvery: 300 }, profile);
    driver.start();
    for (let i = 0; i < 100; i++) expect(driver.send(packet)).toBe(true);
    expect(device.counts).toMatchObject({ sent: 99, refused: 1 });
    expect(machine.phb(0).endpoint?.freezes ?? 0).toBe(0);
  });

  it("works again after a reset of the machine", () => {
    const { machine, guest, fn, registers, driver } = emulated();
    new EehRecovery(guest, fn, { registers, driver }).enable();
    const { endpoint } = machine.phb(0);
    endpoint!.operate(EehOp.INJECT_ERROR);
    expect(endpoint!.state).toBe(PeState.STOPPED);
    machine.reset();
    expect(endpoint!.state).toBe(PeState.NORMAL);
    expect(endpoint!.enabled).toBe(false);
  });
});

describe("Linux's recovery (LINUX-EEH-1 to LINUX-EEH-3)", () => {
  /** Sends packets until so many are out; recovers whenever the endpoint is frozen. */
  const storm = (made: ReturnType<typeof emulated>, seconds: () => number = () => 0) => {
    const { driver, registers, guest, fn } = made;
    const log: string[] = [];
    const eeh = new EehRecovery(guest, fn, { registers, driver, seconds, log: (line) => log.push(line) });
    expect(eeh.enable()).toBe(true);
    driver.start();
    for (let i = 0; i < 20_000 && eeh.state !== "disabled"; i++) {
      // A full ring is what a driver sees of a card that does not answer: it looks at its status.
      if (!driver.send(packet) && eeh.state === "frozen") eeh.recover();
    }
    return { eeh, log };
  };

  it("resets the endpoint, and the driver goes on", () => {
    const made = emulated({ outsideEvery: 300 });
    const { driver, registers, guest, fn, device, mapped } = made;
    const log: string[] = [];
    const eeh = new EehRecovery(guest, fn, { registers, driver, log: (line) => log.push(line) });
    eeh.enable();
    driver.start();
    for (let i = 0; i < 40; i++) driver.send(packet);
    while (driver.send(packet));
    expect(eeh.state).toBe("frozen");
    expect(eeh.recover()).toBe("on");
    expect(log).toEqual([
      "EEH: Frozen PHB#0-PE#1 detected",
      "EEH: Recovering PHB#0-PE#1",
      "EEH: This PCI device has failed 1 times in the last hour and will be permanently disabled after 5 failures.",
      "EEH: Notify device drivers to shutdown",
      "EEH: Collect temporary log",
      "EEH: Reset without hotplug activity",
      "EEH: Notify device driver to resume",
      "EEH: Recovery successful.",
    ]);
    const { sent } = device.counts;
    expect(driver.send(packet)).toBe(true);
    expect(device.counts.sent).toBe(sent + 1);
    driver.stop();
    expect(mapped()).toBe(0);
  });

  it("gives up at the sixth freeze in an hour", () => {
    const made = emulated({ freesEarlyEvery: 400 });
    const { eeh, log } = storm(made);
    expect(eeh.state).toBe("disabled");
    expect(eeh.freezes).toBe(6);
    expect(made.machine.phb(0).endpoint!.freezes).toBe(6);
    expect(log).toContain(
      "EEH: PHB#0-PE#1 has failed 6 times in the last hour and has been permanently disabled.",
    );
    expect(made.driver.send(packet)).toBe(false);
    expect(eeh.recover()).toBe("disabled");
    expect(made.mapped()).toBe(0);
  });

  it("goes on for ever with one freeze in a quarter of an hour", () => {
    let quarters = 0;
    const made = emulated({ freesEarlyEvery: 400 });
    const { eeh } = storm(made, () => quarters++ * 900);
    expect(eeh.state).not.toBe("disabled");
    expect(made.machine.phb(0).endpoint!.freezes).toBeGreaterThan(10);
  });

  it("has nothing to ask of a machine without EEH", () => {
    const { guest, fn, registers, driver } = emulated(undefined, PROFILES["qemu-7.2"]!);
    const eeh = new EehRecovery(guest, fn, { registers, driver });
    expect(eeh.enable()).toBe(false);
    expect(eeh.state).toBe("off");
  });

  it("brings a disk back, with what was on it", () => {
    const { guest, fn, memory, machine } = driverMachine({
      machine: { ramSize: BigInt(GIB), phbs: [{ index: 0 }], profile: FREEZING },
    });
    const { driver, registers } = attachDisk(guest, fn, { memory });
    const eeh = new EehRecovery(guest, fn, { registers, driver });
    eeh.enable();
    expect(driver.start()).toBe(0);
    const buffers = [{ physical: memory.allocate(4096), size: 4096 }];
    memory.write(buffers[0]!.physical, new Uint8Array(4096).fill(7));
    expect(driver.write(5, buffers)).toBe(0);
    machine.phb(0).endpoint!.operate(EehOp.INJECT_ERROR);
    expect(driver.read(5, buffers)).toBe("no-answer");
    expect(eeh.recover()).toBe("on");
    memory.write(buffers[0]!.physical, new Uint8Array(4096));
    expect(driver.read(5, buffers)).toBe(0);
    const back = new Uint8Array(4096);
    memory.read(buffers[0]!.physical, back);
    expect(back.every((byte) => byte === 7)).toBe(true);
  });
});

describe.each(["tcg", "kvm"] as const)("a card that is passed through, %s", (accel) => {
  it("is frozen by the host's bridge, and recovered through VFIO (VFIO-EEH-1)", () => {
    const { driver, registers, guest, fn, card, port, hosted } = passedThrough(
      { accel },
      { freesEarlyEvery: 400 },
    );
    const eeh = new EehRecovery(guest, fn, { registers, driver });
    expect(eeh.enable()).toBe(true);
    driver.start();
    while (driver.send(packet));
    expect(port.endpoint.state).toBe(PeState.STOPPED);
    expect(card.counts.refused).toBeGreaterThan(0);
    expect(eeh.state).toBe("frozen");
    expect(eeh.recover()).toBe("on");
    expect(port.endpoint.state).toBe(PeState.NORMAL);
    expect(driver.send(packet)).toBe(true);
    expect(hosted.host.groups[0]!.iommu.endpoint.freezes).toBe(1);
  });

  it("moves real bytes", () => {
    const { driver, card } = passedThrough({ accel });
    driver.start();
    const came: Uint8Array[] = [];
    card.onSend = (sent) => card.receive(sent);
    driver.onPacket = (bytes) => came.push(bytes);
    const out = Uint8Array.from({ length: 3000 }, (_, i) => (i * 7) & 255);
    expect(driver.send(out)).toBe(true);
    expect(driver.poll()).toBe(1);
    expect(Buffer.compare(came[0]!, out)).toBe(0);
  });
});

describe("EEH of a bridge whose container has two groups", () => {
  it("is not there, as QEMU cannot tell them apart (QEMU-EEH-2)", () => {
    const { hosted, guest, fn, registers, driver } = passedThrough();
    const second = hosted.plug(1);
    expect(second.ok).toBe(true);
    expect(new EehRecovery(guest, fn, { registers, driver }).enable()).toBe(false);
    if (second.ok) hosted.unplug(second.device);
    expect(new EehRecovery(guest, fn, { registers, driver }).enable()).toBe(true);
  });

  it("answers with the first group that is not well", () => {
    const { hosted } = passedThrough();
    hosted.plug(1);
    const { iommu } = hosted.connections[0]!.kernel!.object;
    const ask = () => iommu!.eeh(hosted.process, { op: EehOp.GET_STATE });
    expect(ask()).toBe(PeState.NORMAL);
    hosted.host.groups[0]!.iommu.endpoint.freeze();
    expect(ask()).toBe(PeState.STOPPED);
    expect(iommu!.eeh(hosted.process, { op: EehOp.ENABLE })).toBe(0);
    expect(ask()).toBe(PeState.NORMAL);
  });
});
