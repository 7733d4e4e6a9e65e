/**
 * The Linux guest: what its network driver maps and unmaps, packets through a card, and the boot of a very large machine.
 *
 * @module
 */

import { attachNetworkCard, DeviceDma, KernelMemory, LinuxGuest, Machine, PciFunction } from "../engine.mjs";
import { packetFloor } from "../floors.mjs";
import { check, cpuNs } from "../harness.mjs";

const GIB = 2 ** 30;
const TIB = 2 ** 40;
const KERNEL = "linux-6.12";

/** A guest of 1 GiB with one function whose masks have 32 bits, so that all goes through the default window. */
function newGuest() {
  const machine = new Machine({ ramSize: BigInt(GIB), phbs: [{ index: 0 }] });
  const fn = new PciFunction(0, 1, 0, "ethernet");
  const guest = new LinuxGuest(machine, {
    kernel: KERNEL,
    memory: { ram: [{ start: 0, size: GIB }], highest: GIB },
    functions: [fn],
  });
  guest.boot();
  check(guest.setMask(fn, 32), "mask");
  return { machine, guest, fn };
}

// ------------------------------------------------------------------ maps and unmaps

const RING = 256;
const PACKET = 1514;
const BUFFERS = 0x400_0000;
const PAIRS = 1_000_000;

/**
 * Packets as the driver maps them: each is unmapped when its slot of the ring comes again.
 *
 * @param from packets before this one were mapped in rounds before
 * @returns maps that were refused
 */
function mapPackets(dma, hi, lo, from) {
  let refused = 0;
  for (let i = from; i < from + PAIRS; i++) {
    const slot = i & (RING - 1);
    if (i >= RING) dma.unmapPage(hi[slot], lo[slot], PACKET);
    if (!dma.mapPage(BUFFERS + slot * 4096, PACKET, "to-device")) refused++;
    hi[slot] = dma.hi;
    lo[slot] = dma.lo;
  }
  return refused;
}

const pairs = {
  name: "guest-net-pairs",
  unit: "pairs/s",
  better: "higher",
  target: "at least 2.5 million (10^8 in 40 s), at most 3 times C",
  baseline: "guest-net-pairs",
  floor: packetFloor(PAIRS, RING),
  // The promise is about 100 rounds: V8 takes some of them to make its best code.
  warmups: 12,
  setup: () => {
    const { machine, guest, fn } = newGuest();
    const dma = new DeviceDma(guest, fn);
    const { table } = machine.phb(0).windows[0];
    return { dma, table, hi: new Uint32Array(RING), lo: new Uint32Array(RING), packets: 0 };
  },
  run: (state) => {
    const { dma, table, hi, lo, packets: from } = state;
    let refused = 0;
    const ns = cpuNs(() => {
      refused = mapPackets(dma, hi, lo, from);
    });
    state.packets += PAIRS;
    check(refused === 0 && table.validCount === RING, "packets that are under way");
    return (PAIRS * 1e9) / ns;
  },
};

// ------------------------------------------------------------------ packets

const PACKETS = 20_000;

const packets = {
  name: "guest-net-packets",
  unit: "us",
  better: "lower",
  target: "",
  setup: () => {
    const { machine, guest, fn } = newGuest();
    const memory = new KernelMemory(machine.systemMemory, { start: 64 * 2 ** 20, end: GIB });
    const attached = attachNetworkCard(guest, fn, { memory });
    check(attached.driver.start(), "card");
    return { ...attached, packet: Uint8Array.from({ length: PACKET }, (_, i) => i & 255) };
  },
  run: ({ driver, device, packet }) => {
    const before = device.counts.sent;
    const ns = cpuNs(() => {
      for (let i = 0; i < PACKETS; i++) driver.send(packet);
    });
    check(device.counts.sent - before === PACKETS && device.counts.refused === 0, "packets");
    return ns / PACKETS / 1e3;
  },
};

// ------------------------------------------------------------------ a boot

const BRIDGES = 31;
const DEVICES = 10_000;
const FUNCTIONS = 8;
const SLOTS = 32;

/** 10,000 devices behind 31 bridges, on as many buses as they need. */
function manyFunctions() {
  return Array.from({ length: DEVICES }, (_, i) => {
    const number = Math.floor(i / BRIDGES);
    const bus = Math.floor(number / (SLOTS * FUNCTIONS));
    const slot = Math.floor(number / FUNCTIONS) % SLOTS;
    return new PciFunction(i % BRIDGES, slot, number % FUNCTIONS, "scsi", bus);
  });
}

/** Boots it: all windows are set up and cleared, each driver sets masks of 64 bits, each bridge maps 4 TiB. */
function bootMany() {
  const machine = new Machine({
    ramSize: BigInt(4 * TIB),
    phbs: Array.from({ length: BRIDGES }, (_, index) => ({ index })),
  });
  const guest = new LinuxGuest(machine, {
    kernel: KERNEL,
    memory: { ram: [{ start: 0, size: 4 * TIB }], highest: 4 * TIB },
    functions: manyFunctions(),
  });
  guest.boot();
  for (const fn of guest.functions) guest.setMask(fn, 64) && guest.setCoherentMask(fn, 64);
  check(
    guest.functions.every(({ isDirect }) => isDirect),
    "direct windows",
  );
  const mapped = machine.phbs.map(({ windows }) => windows[1].table.validCount);
  check(
    mapped.every((count) => count === (4 * TIB) / 2 ** 24),
    "memory that is mapped",
  );
}

const boot = {
  name: "guest-boot-10000",
  unit: "ms",
  better: "lower",
  target: "below 10,000",
  rounds: 3,
  warmups: 0,
  run: () => cpuNs(bootMany) / 1e6,
};

const bootMemory = {
  name: "guest-boot-10000-memory",
  unit: "MiB",
  better: "lower",
  target: "below 2,048, the process in all",
  rounds: 1,
  warmups: 0,
  run: () => {
    bootMany();
    return process.resourceUsage().maxRSS / 1024;
  },
};

/** Each row is measured in a process of its own (run.mjs). */
export const isolated = true;

export const benchmarks = [pairs, packets, boot, bootMemory];
