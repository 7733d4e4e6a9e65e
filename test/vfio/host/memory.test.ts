import { describe, expect, it } from "vitest";
import { HostMemory } from "../../../src/vfio/host/host-memory.ts";
import { PhysicalMemory } from "../../../src/vfio/host/physical-memory.ts";
import { LINUX_6_12 } from "../../../src/vfio/host/profile.ts";
import { RegisteredRegion } from "../../../src/vfio/host/registered-memory.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { same } from "../../helpers/same.ts";

const PAGE = 0x1_0000;
const HUGE = 2 ** 24;
const at = 0x1000_0000;
const memoryOf = () => new HostMemory({ pageShift: 16, memoryBytes: 2 ** 32 }, new PhysicalMemory());

const word = (memory: HostMemory, vaddr: number): bigint | null => {
  const bytes = new Uint8Array(8);
  if (memory.read(vaddr, bytes) < 8) return null;
  return new DataView(bytes.buffer).getBigUint64(0, true);
};
const store = (memory: HostMemory, vaddr: number, value: bigint): boolean => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return memory.write(vaddr, bytes) === 8;
};

describe("HostMemory", () => {
  it("maps, protects and unmaps as an array of pages would", () => {
    const seed = runSeed();
    const random = new Random(seed);
    const memory = memoryOf();
    const pages: ({ prot: number; value: bigint } | null)[] = new Array(16).fill(null);
    for (let step = 0; step < 400; step++) {
      const first = random.below(16);
      const count = 1 + random.below(16 - first);
      const prot = random.pick([1, 3]);
      const range = [BigInt(at + first * PAGE), BigInt(count * PAGE - random.below(2))] as const;
      const kind = random.below(4);
      if (kind === 0) {
        same(memory.mmap(...range, BigInt(prot)), 0);
        for (let i = first; i < first + count; i++) pages[i] = { prot, value: 0n };
      } else if (kind === 1) {
        same(memory.munmap(...range), 0);
        pages.fill(null, first, first + count);
      } else if (kind === 2) {
        let holes = false;
        for (let i = first; i < first + count && !holes; i++) {
          if (pages[i] === null) holes = true;
          else pages[i]!.prot = prot;
        }
        expect(memory.mprotect(...range, BigInt(prot))).toBe(holes ? "ENOMEM" : 0);
      } else {
        const page = pages[first];
        const done = store(memory, at + first * PAGE, BigInt(step));
        expect(done).toBe(page?.prot === 3);
        if (done) page!.value = BigInt(step);
      }
      for (let i = 0; i < 16; i++) {
        const expected = pages[i]?.value ?? null;
        same(word(memory, at + i * PAGE), expected, () => `SEED=${seed} step ${step} page ${i}`);
      }
    }
  });

  it("keeps pinned memory for the device when the process maps something else", () => {
    const memory = memoryOf();
    memory.place(at, PAGE);
    store(memory, at, 1n);
    const [pinned] = memory.pin(at, PAGE);
    memory.mmap(BigInt(at), BigInt(PAGE), 3n);
    store(memory, at, 2n);
    const bytes = new Uint8Array(1);
    memory.physical.read(pinned!.physical, bytes);
    expect([bytes[0], word(memory, at)]).toEqual([1, 2n]);
  });

  it("shares across fork what is shared, and copies the rest", () => {
    const memory = memoryOf();
    memory.place(at, PAGE);
    memory.place(at + PAGE, PAGE, { shared: true });
    memory.fillWithAddresses(at, 2 * PAGE);
    const child = memory.fork();
    store(child, at, 1n);
    store(child, at + PAGE, 2n);
    expect([word(child, at), word(child, at + 8)]).toEqual([1n, BigInt(at + 8)]);
    expect([word(memory, at), word(memory, at + PAGE)]).toEqual([BigInt(at), 2n]);
  });

  it.each([
    {
      name: "an odd address",
      call: (m: HostMemory) => m.mmap(BigInt(at + 1), BigInt(PAGE), 3n),
      answer: "EINVAL",
    },
    { name: "nothing", call: (m: HostMemory) => m.mmap(BigInt(at), 0n, 3n), answer: "EINVAL" },
    { name: "more than there is", call: (m: HostMemory) => m.mmap(0n, 1n << 33n, 3n), answer: "ENOMEM" },
    {
      name: "past user space",
      call: (m: HostMemory) => m.mmap(1n << 52n, BigInt(PAGE), 3n),
      answer: "ENOMEM",
    },
    {
      name: "half of a huge page",
      call: (m: HostMemory) => m.munmap(BigInt(HUGE), BigInt(PAGE)),
      answer: "EINVAL",
    },
    { name: "a huge page", call: (m: HostMemory) => m.munmap(BigInt(HUGE), BigInt(HUGE)), answer: 0 },
    {
      name: "unknown rights",
      call: (m: HostMemory) => m.mprotect(BigInt(HUGE), BigInt(HUGE), 16n),
      answer: "EINVAL",
    },
  ])("$name: $answer", ({ call, answer }) => {
    const memory = memoryOf();
    memory.place(HUGE, 2 * HUGE, { pageShift: 24 });
    expect(call(memory)).toBe(answer);
  });
});

describe("the page size of a region", () => {
  const shiftOf = (start: number, size: number, firstHugePageDecides: boolean): unknown => {
    const memory = memoryOf();
    memory.place(HUGE, HUGE, { pageShift: 24 });
    memory.place(2 * HUGE, HUGE);
    const region = memory.registered.create(start, size, { ...LINUX_6_12, firstHugePageDecides });
    return region instanceof RegisteredRegion ? region.pageShift : region;
  };
  it.each([
    { name: "huge", start: HUGE, size: HUGE, linux: 24, fixed: 24 },
    { name: "half huge", start: HUGE, size: HUGE / 2, linux: 23, fixed: 23 },
    { name: "an odd address in a huge page", start: HUGE + PAGE, size: 2 * PAGE, linux: 16, fixed: 16 },
    { name: "ordinary", start: 2 * HUGE, size: HUGE, linux: 16, fixed: 16 },
    { name: "huge, then ordinary", start: HUGE + HUGE / 2, size: HUGE, linux: 23, fixed: 16 },
  ])("$name: $linux", ({ start, size, linux, fixed }) => {
    expect(shiftOf(start, size, true)).toBe(linux);
    expect(shiftOf(start, size, false)).toBe(fixed);
  });
});
