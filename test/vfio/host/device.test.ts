import { describe, expect, it } from "vitest";
import { LINUX_6_12 } from "../../../src/vfio/host/profile.ts";
import { MAP_READ, MAP_WRITE } from "../../../src/vfio/host/requests.ts";
import { BASE, PAGE, seenBy, setup } from "./setup.ts";

const at = (page: number, pages: number) => ({
  vaddr: BigInt(BASE + page * PAGE),
  size: BigInt(pages * PAGE),
});
const HIGH = 1n << 59n;

describe("what a device sees", () => {
  /** 64 KiB pages at 1 << 59, the first of them mapped; 8192 entries in the table whatever the window. */
  const withWindow = (levels: number) => {
    const s = setup();
    s.iommu.registerMemory(s.process, at(0, 4));
    expect(s.iommu.createWindow(s.process, { pageShift: 16, size: 1n << 28n, levels })).toBe(HIGH);
    expect(s.iommu.map(s.process, { ...at(0, 1), iova: HIGH, flags: MAP_READ | MAP_WRITE })).toBe(0);
    return s;
  };
  const end = 8192n << 16n;

  it.each([
    { name: "the first page", levels: 1, iova: HIGH, seen: BASE },
    { name: "an address inside of it", levels: 1, iova: HIGH + 0x1238n, seen: BASE + 0x1238 },
    { name: "the next one", levels: 1, iova: HIGH + 0x1_0000n, seen: null },
    { name: "past the end of one level: its start again", levels: 1, iova: HIGH + end, seen: BASE },
    { name: "past the end of the first of two levels: nothing", levels: 2, iova: HIGH + end, seen: null },
    { name: "past the end of both: their start again", levels: 2, iova: HIGH + (end << 13n), seen: BASE },
    { name: "the other window", levels: 1, iova: 0n, seen: null },
    { name: "above both windows", levels: 1, iova: (1n << 60n) + HIGH, seen: null },
  ])("$name", ({ levels, iova, seen }) => {
    expect(seenBy(withWindow(levels), iova)).toBe(seen);
  });

  it("gets zeros for a refused page of a read, and loses that part of a write", () => {
    const s = setup();
    const [device] = s.host.devices;
    s.iommu.registerMemory(s.process, at(0, 4));
    s.iommu.map(s.process, { vaddr: BigInt(BASE), iova: 0n, size: 0x1000n, flags: MAP_READ | MAP_WRITE });
    s.iommu.map(s.process, { vaddr: BigInt(BASE + PAGE), iova: 0x2000n, size: 0x1000n, flags: MAP_WRITE });
    // Eight bytes before the hole, eight in it.
    expect(device!.dma(0xff8n, 16n, false)).toBe(0);
    expect(device!.dma(0x2000n, 16n, true)).toBe(0);
    const bytes = new Uint8Array(16);
    s.process.memory.read(BASE + PAGE, bytes);
    const words = new BigUint64Array(bytes.buffer);
    expect([...words]).toEqual([BigInt(BASE + 0xff8), 0n]);
    // An entry for writing can be read, too; one for reading not written.
    expect(seenBy(s, 0x2000n)).toBe(BASE + 0xff8);
  });
});

describe("version 1", () => {
  it.each([
    { name: "Linux", pins: true, answer: "EFAULT" },
    { name: "a kernel that pins for what the device may do", pins: false, answer: 0 },
  ])("$name maps read-only memory for reading: $answer", ({ pins, answer }) => {
    const s = setup({ profile: { ...LINUX_6_12, v1PinsForWriting: pins } }, 1);
    expect(s.process.memory.mprotect(BigInt(BASE), BigInt(PAGE), 1n)).toBe(0);
    expect(s.iommu.enable(s.process)).toBe(0);
    expect(s.iommu.map(s.process, { ...at(0, 1), iova: 0n, flags: MAP_READ })).toBe(answer);
    expect(s.iommu.map(s.process, { ...at(0, 1), iova: 0n, flags: MAP_WRITE })).toBe("EFAULT");
  });

  it("clears what it had mapped before a page that cannot be pinned, and keeps the rest", () => {
    const s = setup({}, 1);
    s.iommu.enable(s.process);
    expect(s.iommu.map(s.process, { ...at(0, 4), iova: 0n, flags: MAP_READ })).toBe(0);
    s.process.memory.munmap(BigInt(BASE + 5 * PAGE), BigInt(PAGE));
    expect(s.iommu.map(s.process, { ...at(4, 4), iova: 0n, flags: MAP_READ })).toBe("EFAULT");
    expect([0n, 0x1_0000n, 0x2_0000n].map((iova) => seenBy(s, iova))).toEqual([
      null,
      BASE + PAGE,
      BASE + 2 * PAGE,
    ]);
  });
});
