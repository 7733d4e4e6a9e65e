import { describe, expect, it } from "vitest";
import { attachDisk, attachGpu, attachNetworkCard } from "../../src/guest/drivers/attach.ts";
import { NvmeStatus } from "../../src/guest/drivers/block-protocol.ts";
import type { Buffer as Piece } from "../../src/guest/table-dma.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";
import { some, times } from "../helpers/some.ts";
import { type DriverMachineOptions, driverMachine, GIB, MIB } from "./driver-machine.ts";

/** Random bytes: words that a seed leads to. */
function bytesOf(random: Random, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let word = random.below(2 ** 32);
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
    words[i] = word;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** Whether bytes are the same; a test's own comparison takes seconds for a MiB. */
const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

/** Page sizes of windows whose entries are given out, and windows that map memory directly. */
const WINDOWS: readonly DriverMachineOptions[] = [
  { pageShift: 12 },
  { pageShift: 12, cpuPageSize: 4096 },
  { pageShift: 16 },
  { pageShift: 21 },
  { pageShift: 24 },
  { pageShift: "direct" },
];

describe.each(some(WINDOWS, 2))("a disk behind a window of %o", (options) => {
  const seed = runSeed();

  it(`reads what was written, SEED=${seed}`, () => {
    const random = new Random(seed);
    const { guest, fn, memory, faults, mapped } = driverMachine(options);
    const before = mapped();
    const { driver, device } = attachDisk(guest, fn, { memory });
    expect(driver.start()).toBe(NvmeStatus.SUCCESS);
    for (let round = 0; round < 30; round++) {
      const out = buffersOf(random, memory);
      const bytes = out.reduce((sum, { size }) => sum + size, 0);
      const data = bytesOf(random, bytes);
      scatter(memory, out, data);
      const block = random.below(device.blocks - bytes / 512);
      same(driver.write(block, out), NvmeStatus.SUCCESS);
      // Other buffers, with another offset in their first page.
      const into = buffersOf(random, memory, bytes);
      same(driver.read(block, into), NvmeStatus.SUCCESS);
      same(isSame(gather(memory, into), data), true);
    }
    expect(faults).toEqual([]);
    driver.stop();
    expect(mapped()).toBe(before);
  });

  it("moves 8 MiB with one command, whose list has several pages", () => {
    const random = new Random(seed + 1);
    const { guest, fn, memory } = driverMachine(options);
    const { driver } = attachDisk(guest, fn, { memory });
    driver.start();
    // Pages that do not follow one another, so that no two of them become one.
    const pages = Array.from({ length: 16 }, () => memory.allocate(2 * 65_536, 65_536));
    const buffers = pages.map((physical) => ({ physical, size: 65_536 }));
    const data = bytesOf(random, 16 * 65_536);
    scatter(memory, buffers, data);
    expect(driver.write(8, buffers)).toBe(NvmeStatus.SUCCESS);
    const one = [{ physical: memory.allocate(8 * MIB, 65_536), size: 8 * MIB }];
    expect(driver.read(8, one)).toBe(NvmeStatus.SUCCESS);
    expect(isSame(gather(memory, [{ physical: one[0]!.physical, size: data.length }]), data)).toBe(true);
  });
});

describe("a disk", () => {
  it.each([
    { name: "behind the end", block: 2 ** 11, size: 512, status: NvmeStatus.LBA_OUT_OF_RANGE },
    { name: "at the end", block: 2 ** 11 - 1, size: 512, status: NvmeStatus.SUCCESS },
    { name: "over the end", block: 2 ** 11 - 1, size: 1024, status: NvmeStatus.LBA_OUT_OF_RANGE },
  ])("answers $status for a block $name", ({ block, size, status }) => {
    const { guest, fn, memory } = driverMachine();
    const { driver } = attachDisk(guest, fn, { memory, blocks: 2 ** 11 });
    driver.start();
    expect(driver.read(block, [{ physical: memory.allocate(4096), size }])).toBe(status);
  });

  it("refuses a list whose pages do not begin at a page", () => {
    const { guest, fn, memory } = driverMachine();
    const { driver } = attachDisk(guest, fn, { memory });
    driver.start();
    const at = memory.allocate(5 * 4096);
    // The second piece begins in the middle of a page.
    const buffers = [
      { physical: at, size: 2048 },
      { physical: at + 4096 + 512, size: 10_240 },
    ];
    expect(driver.write(0, buffers)).toBe(NvmeStatus.INVALID_PRP_OFFSET);
  });

  it("keeps going when its queues have gone round many times", () => {
    const { guest, fn, memory } = driverMachine();
    const { driver, device } = attachDisk(guest, fn, { memory });
    driver.start();
    const buffers = [{ physical: memory.allocate(4096), size: 4096 }];
    for (let i = 0; i < 500; i++) same(driver.write(i, buffers), NvmeStatus.SUCCESS);
    expect(device.commands).toBe(502);
  });
});

describe.each(some(WINDOWS, 2))("a network card behind a window of %o", (options) => {
  const seed = runSeed();

  it(`sends and receives what it is given, SEED=${seed}`, () => {
    const random = new Random(seed);
    const { guest, fn, memory, faults, mapped } = driverMachine(options);
    const before = mapped();
    const { driver, device } = attachNetworkCard(guest, fn, { memory });
    expect(driver.start()).toBe(true);
    const sent: Uint8Array[] = [];
    const came: Uint8Array[] = [];
    // A cable that leads back.
    device.onSend = (packet) => {
      sent.push(packet);
      same(device.receive(packet), true);
    };
    driver.onPacket = (packet) => came.push(packet);
    const count = times(200, 700);
    const packets = Array.from({ length: count }, () => bytesOf(random, 1 + random.below(4000)));
    packets.forEach((packet, i) => {
      same(driver.send(packet), true);
      if (i % 20 === 19) driver.poll();
    });
    driver.poll();
    expect(isSame(joined(sent), joined(packets))).toBe(true);
    expect(isSame(joined(came), joined(packets))).toBe(true);
    expect(faults).toEqual([]);
    expect(device.counts).toEqual({ sent: count, received: count, lost: 0, refused: 0 });
    driver.stop();
    expect(mapped()).toBe(before);
  });
});

describe("a network card", () => {
  it("loses packets for which there is no descriptor, and takes the next ones", () => {
    const { guest, fn, memory } = driverMachine();
    const { driver, device } = attachNetworkCard(guest, fn, { memory });
    driver.start();
    const packet = new Uint8Array(60);
    const taken = Array.from({ length: 300 }, () => device.receive(packet)).filter((is) => is).length;
    expect(taken).toBe(255);
    expect(driver.poll()).toBe(255);
    expect(device.receive(packet)).toBe(true);
    expect(device.counts.lost).toBe(45);
  });
});

describe("a GPU with memory at 64 TiB", () => {
  const GPU_RAM = 2 ** 46;
  const seed = runSeed();

  /** As a machine with NVLink has it: the guest needs a window of 128 TiB. */
  const gpuMachine = () => {
    const made = driverMachine({
      machine: {
        ramSize: BigInt(GIB),
        phbs: [{ index: 0, pgsz: 0x1_1000n }],
        deviceRam: [{ address: BigInt(GPU_RAM), sizeBytes: BigInt(GIB) }],
      },
      otherNodes: [{ start: GPU_RAM, size: GIB }],
    });
    return { ...made, ...attachGpu(made.guest, made.fn, { memory: made.memory }) };
  };

  it("gets a window of 128 TiB, of which only what there is is mapped", () => {
    const { driver, machine, guest } = gpuMachine();
    expect(driver.start()).toBe(true);
    const [, window] = machine.phb(0).windows;
    expect(window!.sizeBytes).toBe(1n << 47n);
    expect(window!.table!.validCount).toBe(GIB / 65_536);
    expect(guest.addMemory({ start: GPU_RAM, size: GIB })).toBe(0);
    expect(window!.table!.validCount).toBe((2 * GIB) / 65_536);
  });

  it(`copies between memories, SEED=${seed}`, () => {
    const random = new Random(seed);
    const { driver, guest, memory, machine, faults } = gpuMachine();
    driver.start();
    guest.addMemory({ start: GPU_RAM, size: GIB });
    for (let round = 0; round < 40; round++) {
      const size = 1 + random.below(300_000);
      const data = bytesOf(random, size);
      const from = 64 * MIB + random.below(GIB - 128 * MIB);
      const there = GPU_RAM + random.below(GIB - size);
      const back = 64 * MIB + random.below(GIB - 128 * MIB);
      memory.write(from, data);
      same(driver.copy(from, there, size), "done");
      same(driver.copy(there, back, size), "done");
      const got = new Uint8Array(size);
      machine.systemMemory.read(BigInt(back), got, null);
      same(isSame(got, data), true);
    }
    expect(faults).toEqual([]);
  });

  it("is refused memory that is not online", () => {
    const { driver, faults } = gpuMachine();
    driver.start();
    expect(driver.copy(64 * MIB, GPU_RAM, 4096)).toBe("refused");
    expect(faults).toMatchObject([{ reason: "unmapped", write: true }]);
  });
});

/** Packets one after the other, each behind its length. */
const joined = (packets: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(
    packets.flatMap((packet) => [Uint8Array.of(packet.length >> 8, packet.length & 255), packet]),
  );

/** Random pieces of memory, as a disk takes them, of 512 bytes to a quarter of a MiB in all. */
function buffersOf(random: Random, memory: DriverMemory, bytes = 512 * (1 + random.below(512))): Piece[] {
  const offset = 512 * random.below(8);
  const buffers: Piece[] = [];
  for (let left = bytes; left > 0; ) {
    const start = buffers.length === 0 ? offset : 0;
    const pages = 1 + random.below(20);
    // With a page between it and the next one, or not.
    const at = memory.allocate((pages + random.below(2)) * 4096);
    const size = Math.min(left, pages * 4096 - start);
    buffers.push({ physical: at + start, size });
    left -= size;
  }
  return buffers;
}

type DriverMemory = ReturnType<typeof driverMachine>["memory"];

function scatter(memory: DriverMemory, buffers: readonly Piece[], data: Uint8Array): void {
  let at = 0;
  for (const { physical, size } of buffers) {
    memory.write(physical, data.subarray(at, at + size));
    at += size;
  }
}

function gather(memory: DriverMemory, buffers: readonly Piece[]): Uint8Array {
  const data = new Uint8Array(buffers.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const { physical, size } of buffers) {
    memory.read(physical, data.subarray(at, at + size));
    at += size;
  }
  return data;
}
