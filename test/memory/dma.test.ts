import { beforeEach, describe, expect, it } from "vitest";
import { hiOf, loOf, toBig } from "../../src/base/u64.ts";
import { AddressSpace, TxResult } from "../../src/memory/address-space.ts";
import { type DmaFault, formatFault } from "../../src/memory/dma-fault.ts";
import { DmaTarget } from "../../src/memory/dma-target.ts";
import { GuestRam } from "../../src/memory/guest-ram.ts";
import { IommuRegion } from "../../src/memory/iommu-region.ts";
import { MemoryRegion } from "../../src/memory/memory-region.ts";
import { MemorySystem } from "../../src/memory/memory-system.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";
import { times } from "../helpers/some.ts";

const { OK, DECODE_ERROR } = TxResult;
/** Where the device's registers lie in system memory, and how long memory is. */
const MMIO_AT = 0x10_0000n;
const RAM_BYTES = 0x8_0000n;

/** An IOMMU whose entries are a map from page number to TCE: the dumbest there is. */
interface Window {
  readonly shift: number;
  readonly at: bigint;
  readonly size: bigint;
  readonly entries: Map<bigint, bigint>;
}

let system: MemorySystem;
let memory: AddressSpace;
let ram: GuestRam;
let bus: AddressSpace;
let faults: DmaFault[];
/** Accesses to the device's registers, and translations, in order. */
let log: string[];
const registers = new Map<bigint, number>();

beforeEach(() => {
  system = new MemorySystem();
  faults = [];
  log = [];
  registers.clear();
  system.onDmaFault = (fault) => faults.push(fault);
  const root = MemoryRegion.container(system, "system");
  memory = new AddressSpace(system, "memory", root);
  ram = new GuestRam(RAM_BYTES);
  root.addSubregion(MemoryRegion.ram(system, "ram", ram), 0n);
  root.addSubregion(device("device", 4), MMIO_AT);
  bus = new AddressSpace(system, "bus", MemoryRegion.container(system, "bus root"));
});

/** Registers that keep what is written, byte by byte, and log each access. */
function device(name: string, maxAccessBytes: number): MemoryRegion {
  return MemoryRegion.mmio(system, name, 0x1000n, {
    maxAccessBytes,
    read(offset, bytes) {
      log.push(`read ${offset} ${bytes}`);
      let value = 0n;
      for (let i = 0; i < bytes; i++) value = (value << 8n) | BigInt(registers.get(offset + BigInt(i)) ?? 0);
      return value;
    },
    write(offset, bytes, value) {
      log.push(`write ${offset} ${bytes} ${value.toString(16)}`);
      for (let i = 0; i < bytes; i++) {
        registers.set(offset + BigInt(i), Number((value >> BigInt(8 * (bytes - 1 - i))) & 0xffn));
      }
    },
  });
}

function addWindow(window: Window, priority = 0): IommuRegion {
  const mask = (1n << BigInt(window.shift)) - 1n;
  const region = new IommuRegion(system, `window ${window.shift}`, window.size, {
    target: memory,
    translate(hi, lo, into) {
      const offset = toBig(hi, lo);
      log.push(`xlate ${offset.toString(16)}`);
      const tce = window.entries.get(offset >> BigInt(window.shift)) ?? 0n;
      into.targetHi = hiOf(tce & ~mask);
      into.targetLo = loOf(tce & ~mask);
      into.maskHi = hiOf(mask);
      into.maskLo = loOf(mask);
      into.perm = Number(tce & 3n) as 0 | 1 | 2 | 3;
    },
  });
  bus.root.addSubregion(region, window.at, priority);
  return region;
}

const tces = (...list: readonly [page: bigint, tce: bigint][]): Map<bigint, bigint> => new Map(list);

const read = (iova: bigint, length: number): { result: number; data: number[] } => {
  const into = new Uint8Array(length).fill(0xee);
  const result = bus.read(iova, into, "dev");
  return { result, data: [...into] };
};

describe("DMA through an IOMMU", () => {
  // Pages 0 r, 1 w, 2 rw, 3 none; then the end of the window.
  const permissions = (): void => {
    addWindow({
      shift: 12,
      at: 0n,
      size: 0x4000n,
      entries: tces([0n, 0x1001n], [1n, 0x2002n], [2n, 0x3003n], [3n, 0x4000n]),
    });
    for (const page of [1, 2, 3, 4]) ram.write(page * 0x1000, new Uint8Array(0x1000).fill(page));
  };
  it.each([
    { name: "read of r-", write: false, iova: 0x0n, reason: undefined },
    { name: "read of -w", write: false, iova: 0x1000n, reason: "write-only" },
    { name: "read of rw", write: false, iova: 0x2000n, reason: undefined },
    { name: "read of --", write: false, iova: 0x3000n, reason: "unmapped" },
    { name: "read outside", write: false, iova: 0x4000n, reason: "outside" },
    { name: "write to r-", write: true, iova: 0x0n, reason: "read-only" },
    { name: "write to -w", write: true, iova: 0x1000n, reason: undefined },
    { name: "write to rw", write: true, iova: 0x2000n, reason: undefined },
    { name: "write to --", write: true, iova: 0x3000n, reason: "unmapped" },
    { name: "write outside", write: true, iova: 0x4000n, reason: "outside" },
  ])("checks the permission of the direction: $name", ({ write, iova, reason }) => {
    permissions();
    const page = Number(iova >> 12n) + 1;
    if (write) {
      expect(bus.write(iova, Uint8Array.of(0x77), "dev")).toBe(reason === undefined ? OK : DECODE_ERROR);
      expect(ram.readCell(page * 0x1000) >>> 24).toBe(reason === undefined ? 0x77 : page === 5 ? 0 : page);
    } else {
      expect(read(iova, 1)).toEqual(
        reason === undefined ? { result: OK, data: [page] } : { result: DECODE_ERROR, data: [0] },
      );
    }
    expect(faults.map((fault) => fault.reason)).toEqual(reason === undefined ? [] : [reason]);
  });

  it("does the permitted part of a transfer, and zeroes or drops the rest", () => {
    permissions();
    const { result, data } = read(0xffcn, 0x1008);
    expect(result).toBe(DECODE_ERROR);
    expect([data.slice(0, 4), data.slice(4, -4), data.slice(-4)]).toEqual([
      [1, 1, 1, 1],
      new Array(0x1000).fill(0),
      [3, 3, 3, 3],
    ]);
    expect(faults).toEqual([
      {
        who: "dev",
        addressSpace: "bus",
        write: false,
        iova: 0x1000n,
        bytes: 0x1000,
        reason: "write-only",
        region: "window 12",
        address: 0x1000n,
      },
    ]);
    expect(formatFault(faults[0]!)).toBe(
      "dev: read of 4096 bytes at 0x0000000000001000: write-only in window 12 (0x0000000000001000)",
    );
  });

  // Behaviour 6.7: each refused chunk is looked up anew.
  it.each([
    { name: "7 unmapped bytes at 0x2001", iova: 0x2001n, length: 7, xlate: ["2001", "2002", "2004"] },
    {
      name: "32 bytes at 0x1ff0, page 1 mapped",
      iova: 0x1ff0n,
      length: 32,
      xlate: ["1ff0", "2000", "2004", "2008", "200c"],
    },
    { name: "8 bytes at 0x2000", iova: 0x2000n, length: 8, xlate: ["2000", "2004"] },
    { name: "3 bytes at 0x2000", iova: 0x2000n, length: 3, xlate: ["2000", "2002"] },
    { name: "across the end of the window", iova: 0x3ffen, length: 6, xlate: ["3ffe"] },
    { name: "outside: no translation at all", iova: 0x5000n, length: 64, xlate: [] },
  ])("is refused in chunks of up to 4 aligned bytes: $name", ({ iova, length, xlate }) => {
    addWindow({ shift: 12, at: 0n, size: 0x4000n, entries: tces([1n, 0x5_0003n]) });
    expect(read(iova, length).result).toBe(DECODE_ERROR);
    expect(log).toEqual(xlate.map((offset) => `xlate ${offset}`));
  });

  it("tells one fault for each reason and place, not for each chunk", () => {
    // Page 0 leads outside of memory, page 1 is empty, page 2 is fine, then the window ends.
    addWindow({ shift: 12, at: 0x8000n, size: 0x3000n, entries: tces([0n, 0x70_0003n], [2n, 0x3003n]) });
    bus.write(0x8ff0n, new Uint8Array(0x2020), "dev");
    expect(faults.map(formatFault)).toEqual([
      "dev: write of 16 bytes at 0x0000000000008ff0: no-memory (0x0000000000700ff0)",
      "dev: write of 4096 bytes at 0x0000000000009000: unmapped in window 12 (0x0000000000001000)",
      "dev: write of 16 bytes at 0x000000000000b000: outside (0x000000000000b000)",
    ]);
  });

  it("makes no records for a processor's own access, or when nobody listens", () => {
    expect(memory.read(0x4000_0000n, new Uint8Array(4), null)).toBe(DECODE_ERROR);
    expect(faults).toEqual([]);
    system.onDmaFault = null;
    expect(bus.read(0n, new Uint8Array(4))).toBe(DECODE_ERROR);
  });

  it("reaches registers through a TCE, big-endian and in accesses the device takes", () => {
    addWindow({ shift: 12, at: 0n, size: 0x1000n, entries: tces([0n, MMIO_AT | 3n]) });
    const data = Uint8Array.from({ length: 11 }, (_, i) => i + 1);
    expect(bus.write(3n, data, "dev")).toBe(OK);
    expect(log.filter((line) => line.startsWith("write"))).toEqual([
      "write 3 1 1",
      "write 4 4 2030405",
      "write 8 4 6070809",
      "write 12 2 a0b",
    ]);
    expect(read(3n, 11)).toEqual({ result: OK, data: [...data] });
    expect(faults).toEqual([]);
  });

  it.each([
    { max: 1, accesses: ["read 0 1", "read 1 1", "read 2 1", "read 3 1"] },
    { max: 2, accesses: ["read 0 2", "read 2 2"] },
    { max: 8, accesses: ["read 0 4"] },
  ])("honours a device's largest access of $max bytes", ({ max, accesses }) => {
    bus.root.addSubregion(device("other", max), 0n);
    read(0n, 4);
    expect(log).toEqual(accesses);
  });

  it("reads 8 bytes at once where the device takes them", () => {
    bus.root.addSubregion(device("other", 8), 0n);
    bus.write(0n, Uint8Array.of(0xff, 2, 3, 4, 5, 6, 7, 8));
    expect(read(0n, 8).data).toEqual([0xff, 2, 3, 4, 5, 6, 7, 8]);
    expect(log).toEqual(["write 0 8 ff02030405060708", "read 0 8"]);
  });

  it("goes on to the end of a page whose rest another window hides: QEMU clips at memory only", () => {
    addWindow({ shift: 16, at: 0n, size: 0x1_0000n, entries: tces([0n, 0x3n]) });
    addWindow({ shift: 12, at: 0x2000n, size: 0x1000n, entries: tces() }, 1);
    expect(read(0x1ffcn, 8).result).toBe(OK);
    expect(read(0x2000n, 4).result).toBe(DECODE_ERROR);
  });

  it("ends, as nothing, where an IOMMU leads back to itself", () => {
    const loop: AddressSpace = new AddressSpace(system, "loop", MemoryRegion.container(system, "loop root"));
    loop.root.addSubregion(
      new IommuRegion(system, "mirror", 0x1000n, {
        get target() {
          return loop;
        },
        translate(_hi, _lo, into) {
          into.perm = 3;
          into.maskLo = 0xfff;
        },
      }),
      0n,
    );
    expect(loop.read(0n, new Uint8Array(4))).toBe(DECODE_ERROR);
    expect(faults.map((fault) => fault.reason)).toEqual(["no-memory"]);
  });

  it.each([
    { name: "all of it", at: 0n, length: 2 ** 33, clipped: 2 ** 33 },
    { name: "more than there is", at: 0x1000n, length: 2 ** 34, clipped: 2 ** 33 },
    { name: "the last byte", at: (1n << 33n) + 0xfffn, length: 2 ** 34, clipped: 1 },
  ])("is clipped at the end of memory, also beyond 4 GiB: $name", ({ at, length, clipped }) => {
    const root = MemoryRegion.container(system, "root");
    root.addSubregion(MemoryRegion.ram(system, "big", new GuestRam((1n << 33n) + 0x1000n)), 0n);
    const target = new DmaTarget();
    const space = new AddressSpace(system, "big", root);
    expect(space.translate(hiOf(at), loOf(at), length, false, target)).toBe(true);
    expect(target.length).toBe(clipped);
  });
});

describe("any DMA", () => {
  /** One byte, in the dumbest way: undefined where it is refused, else its address in memory. */
  function modelByte(windows: readonly Window[], iova: bigint, write: boolean): bigint | undefined {
    const window = windows.find((w) => iova >= w.at && iova < w.at + w.size);
    if (window === undefined) return undefined;
    const offset = iova - window.at;
    const tce = window.entries.get(offset >> BigInt(window.shift)) ?? 0n;
    if ((tce & (write ? 2n : 1n)) === 0n) return undefined;
    const pageBytes = 1n << BigInt(window.shift);
    const address = (tce / pageBytes) * pageBytes + (offset % pageBytes);
    const isThere = address < RAM_BYTES || (address >= MMIO_AT && address < MMIO_AT + 0x1000n);
    return isThere ? address : undefined;
  }

  it("transfers each byte as one that asks for it alone", () => {
    const seed = runSeed();
    const random = new Random(seed);
    try {
      for (let round = 0; round < times(6, 60); round++) {
        bus = new AddressSpace(system, "bus", MemoryRegion.container(system, "bus root"));
        registers.clear();
        const model = new Map<bigint, number>();
        // Zero what earlier rounds left behind.
        ram.write(0, new Uint8Array(Number(RAM_BYTES)));
        // Windows at an odd base, across 2^32 and below the top of the space; they do not meet.
        const bases = [random.pick([0n, 0x1000n, 0x1234n]), (1n << 32n) - 0x800n, (1n << 64n) - 0x8_0000n];
        const windows = bases.map((at): Window => {
          const shift = random.pick([4, 7, 12, 12, 16]);
          const pages = 1 + random.below(8);
          const window = {
            shift,
            at,
            size: BigInt(pages) << BigInt(shift),
            entries: new Map<bigint, bigint>(),
          };
          for (let page = 0n; page < pages; page++) {
            const place = random.pick([0n, 0n, MMIO_AT - 0x1000n, RAM_BYTES - 0x800n, 1n << 40n]);
            const target = place + BigInt(random.below(0x3000));
            // Ignored bits between the permission and the page address stay set here and there.
            window.entries.set(page, (target & ~3n) | BigInt(random.below(4)));
          }
          addWindow(window);
          return window;
        });
        for (let step = 0; step < 60; step++) {
          const { at, size } = random.pick(windows);
          const iova = BigInt.asUintN(64, at + BigInt(random.below(Number(size) + 64)) - 32n);
          const length = 1 + random.below(random.pick([4, 30, 600, 5000]));
          const write = random.below(2) === 0;
          const bytes = Uint8Array.from({ length }, (_, i) => (write ? (i * 7 + step) & 0xff : 0xee));
          const places = Array.from({ length }, (_, i) =>
            modelByte(windows, BigInt.asUintN(64, iova + BigInt(i)), write),
          );
          faults = [];
          const result = write ? bus.write(iova, bytes, "dev") : bus.read(iova, bytes, "dev");
          const refused = places.filter((place) => place === undefined).length;
          same(result, refused > 0 ? DECODE_ERROR : OK);
          const faulted = faults.reduce((sum, fault) => sum + fault.bytes, 0);
          same(faulted, refused);
          if (write) {
            places.forEach((place, i) => {
              if (place !== undefined) model.set(place, bytes[i]!);
            });
          } else {
            const expected = places.map((place) => (place === undefined ? 0 : (model.get(place) ?? 0)));
            same(Buffer.compare(bytes, Uint8Array.from(expected)), 0);
          }
        }
        for (const [address, value] of model) {
          const byte = new Uint8Array(1);
          memory.read(address, byte, null);
          if (byte[0] !== value) throw new Error(`byte at ${address}: ${byte[0]} instead of ${value}`);
        }
      }
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error });
    }
  });
});
