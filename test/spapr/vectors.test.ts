/** Calls and what QEMU 7.2 with its defaults was seen to answer (docs/behaviour.md, Hypercalls and RTAS). */
import { describe, expect, it } from "vitest";
import { hex } from "../../src/base/u64.ts";
import { Guest, HIGH, LIST_AT, WIN0, WIN1 } from "./guest.ts";

const GIB = 0x4000_0000n;

describe("the RTAS test vectors", () => {
  // One sequence, on one machine.
  const guest = new Guest({ vio: [{ type: "spapr-vscsi" }] });
  const rows: readonly (readonly [name: string, call: () => unknown, answer: unknown])[] = [
    ["query nret 5", () => guest.query(5), [0, 1, 0x8000_0000 | 0, 0x107, 0]],
    ["query nret 6", () => guest.query(6), [0, 1, 0x20, 0, 0x107, 0]],
    ["query nret 4", () => guest.query(4), [-3, null, null, null]],
    ["create 16,30", () => guest.create(16, 30), [0, WIN1, HIGH]],
    ["query with none free", () => guest.query(5), [0, 0, 0x8000_0000 | 0, 0x107, 0]],
    ["create with none free", () => guest.create(16, 30), [-1]],
    ["create with a bad page size, none free", () => guest.create(13, 30), [-3]],
    ["remove the default window", () => guest.remove(WIN0), 0],
    ["create 24,34 on top of the other", () => guest.create(24, 34), [0, WIN0, HIGH]],
    ["remove it", () => guest.remove(WIN0), 0],
    ["remove the last one", () => guest.remove(WIN1), 0],
    ["the default window is back", () => guest.query(5).slice(0, 2), [0, 1]],
    ["and is where it was", () => guest.put(WIN0, GIB - 1n, 0n), 0],
    ["reset", () => guest.resetWindows(), 0],
    ["remove the default window again", () => guest.remove(WIN0), 0],
    ["nothing restored", () => guest.query(5).slice(0, 2), [0, 2]],
    ["create with no window: at 0", () => guest.create(16, 31), [0, WIN0, 0n]],
    ["create the second one", () => guest.create(16, 31), [0, WIN1, HIGH]],
    ["remove an unknown one", () => guest.remove(WIN0 + 5n), -3],
    ["create smaller than a page", () => guest.create(12, 11), [-3]],
    ["remove the second one", () => guest.remove(WIN1), 0],
    ["create one page", () => guest.create(12, 12), [0, WIN1, HIGH]],
    ["remove it", () => guest.remove(WIN1), 0],
    ["create 2^31 entries of 64 KiB", () => guest.create(16, 47), [0, WIN1, HIGH]],
    ["remove it", () => guest.remove(WIN1), 0],
    ["create 2^31 entries of 4 KiB", () => guest.create(12, 43), [0, WIN1, HIGH]],
    ["remove it", () => guest.remove(WIN1), 0],
    ["create 2^32 entries", () => guest.create(12, 44), [-1]],
    ["bypass of a vscsi unit", () => guest.rtas("ibm,set-tce-bypass", [0x7100_0001, 1], 1).rets, [0]],
    ["bypass of the nvram", () => guest.rtas("ibm,set-tce-bypass", [0x7100_0000, 1], 1).rets, [-3]],
    ["bypass of nobody", () => guest.rtas("ibm,set-tce-bypass", [0x7100_0009, 1], 1).rets, [-3]],
    ["an unknown token", () => guest.rtas(0x20ff, [], 1), { hret: -4, rets: [-3] }],
    ["no return cells: the status is stored", () => guest.rtas("quiesce", [], 0), { hret: 0, rets: [0] }],
    [
      "wrong nargs: only the status is stored, behind the given nargs",
      () => guest.rtas("ibm,create-pe-dma-window", [0, 0, 0, 0], 4),
      { hret: 0, rets: [-3, null, null, null] },
    ],
    [
      "a pointer with its top nibble set",
      () => guest.rtas("quiesce", [], 1, 0, 0xc000_0000_0000_a000n),
      { hret: 0, rets: [0] },
    ],
  ];
  rows.forEach(([name, call, answer], i) => {
    it(`${i + 1}. ${name}`, () => {
      expect(call()).toEqual(answer);
    });
  });
});

describe("the hypercall test vectors on the default window", () => {
  const guest = new Guest();
  const list = (count: number): bigint[] => Array.from({ length: count }, (_, i) => (BigInt(i) << 12n) | 3n);
  const rows: readonly (readonly [name: string, call: () => unknown, answer: unknown])[] = [
    ["PUT 0x1234, 0x5003", () => guest.put(WIN0, 0x1234n, 0x5003n), 0],
    ["stores entry 1", () => guest.get(WIN0, 0x1fffn), 0x5003n],
    ["PUT behind the window", () => guest.put(WIN0, GIB, 3n), -4],
    ["INDIRECT of 4 two pages before the end", () => guest.indirect(WIN0, GIB - 0x2000n, list(4)), -4],
    ["stores the first of them", () => guest.get(WIN0, GIB - 0x2000n), 3n],
    ["and the second", () => guest.get(WIN0, GIB - 1n), 0x1003n],
    ["INDIRECT of 512", () => guest.indirect(WIN0, 0n, list(512)), 0],
    ["INDIRECT of 513", () => guest.indirect(WIN0, 0n, list(513)), -4],
    ["STUFF of all", () => guest.stuff(WIN0, 0n, 0n, 0x4_0000), 0],
    ["clears them", () => guest.get(WIN0, 0x1000n), 0n],
    ["STUFF of all from page 1", () => guest.stuff(WIN0, 0x1000n, 7n, 0x4_0000), -4],
    [
      "stores up to the end",
      () => [0n, 0x1000n, GIB - 1n].map((ioba) => guest.get(WIN0, ioba)),
      [0n, 7n, 7n],
    ],
    ["STUFF of more than all", () => guest.stuff(WIN0, 0n, 9n, 0x4_0001), -4],
    ["stores nothing", () => guest.get(WIN0, 0n), 0n],
    ["INDIRECT from an unassigned address", () => guest.indirectAt(WIN0, 0x1000n, 1n << 40n, 2), 0],
    ["stores zeros", () => [0x1000n, 0x2000n, 0x3000n].map((ioba) => guest.get(WIN0, ioba)), [0n, 0n, 7n]],
  ];
  rows.forEach(([name, call, answer], i) => {
    it(`${i + 1}. ${name}`, () => {
      expect(call()).toEqual(answer);
    });
  });

  it("leave the trace that QEMU leaves", () => {
    const line = (event: string, rest: string): string => `spapr_iommu_pci_${event} liobn=0x80000000 ${rest}`;
    expect(guest.log.filter((text) => !text.includes("pci_get"))).toEqual([
      line("put", "ioba=0x1000 tce=0x5003 ret=0"),
      line("put", "ioba=0x40000000 tce=0x3 ret=-4"),
      line("indirect", "ioba=0x3fffe000 tcelist=0x200000 iobaN=0x1 tceN=0x2003 ret=-4"),
      line("indirect", "ioba=0x0 tcelist=0x200000 iobaN=0x1ff tceN=0x1ff003 ret=0"),
      line("stuff", "ioba=0x40000000 tcevalue=0x0 npages=262144 ret=0"),
      line("stuff", "ioba=0x40000000 tcevalue=0x7 npages=262144 ret=-4"),
      line("indirect", "ioba=0x1000 tcelist=0x10000000000 iobaN=0x1 tceN=0x0 ret=0"),
    ]);
  });
});

describe("the summary table of hypercalls", () => {
  const LARGE = 0xffff_ffff_ffff_ffffn;
  it.each([
    { name: "unknown LIOBN", call: (g: Guest) => g.put(WIN0 + 2n, 0n, 3n), answer: -4 },
    { name: "LIOBN above 32 bits", call: (g: Guest) => g.put((1n << 32n) | WIN0, 0n, 3n), answer: -4 },
    { name: "LIOBN sign-extended", call: (g: Guest) => g.put(0xffff_ffff_8000_0000n, 0n, 3n), answer: -4 },
    { name: "disabled, PUT", call: (g: Guest) => g.put(WIN1, 0n, 3n), answer: -4 },
    { name: "disabled, GET", call: (g: Guest) => g.get(WIN1, 0n), answer: -4 },
    { name: "disabled, INDIRECT", call: (g: Guest) => g.indirect(WIN1, 0n, [3n]), answer: -4 },
    { name: "disabled, STUFF of 0", call: (g: Guest) => g.stuff(WIN1, 0n, 3n, 0), answer: -4 },
    { name: "disabled, STUFF of 1", call: (g: Guest) => g.stuff(WIN1, 0n, 3n, 1), answer: -4 },
    { name: "behind the end", call: (g: Guest) => g.get(WIN0, GIB), answer: -4 },
    { name: "the last byte", call: (g: Guest) => g.get(WIN0, GIB - 1n), answer: 0n },
    { name: "top of the space", call: (g: Guest) => g.get(WIN0, LARGE), answer: -4 },
    {
      name: "before the start",
      call: (g: Guest) => [g.create(12, 20), g.get(WIN1, HIGH - 1n)],
      answer: [[0, WIN1, HIGH], -4],
    },
    {
      name: "INDIRECT, misaligned list",
      call: (g: Guest) => g.indirectAt(WIN0, 0n, LIST_AT + 8n, 1),
      answer: -4,
    },
    { name: "INDIRECT of 0", call: (g: Guest) => g.indirect(WIN0, 0n, []), answer: -4 },
    { name: "INDIRECT of 2^32", call: (g: Guest) => g.indirectAt(WIN0, 0n, LIST_AT, 1n << 32n), answer: -4 },
    { name: "STUFF of 0", call: (g: Guest) => g.stuff(WIN0, 0n, 3n, 0), answer: -4 },
    { name: "STUFF of -1", call: (g: Guest) => g.stuff(WIN0, 0n, 3n, LARGE), answer: -4 },
    { name: "STUFF of 2^32 + 1", call: (g: Guest) => g.stuff(WIN0, 0n, 3n, (1n << 32n) + 1n), answer: -4 },
    { name: "a page outside of memory", call: (g: Guest) => g.put(WIN0, 0n, 0x7fff_ffff_f003n), answer: 0 },
    {
      name: "VIO in bypass",
      call: (g: Guest) => [
        g.rtas("ibm,set-tce-bypass", [0x7100_0001, 1], 1).rets,
        g.put(0x7100_0001n, 0xfff_f000n, 0xabc3n),
        g.get(0x7100_0001n, 0xfff_ffffn),
      ],
      answer: [[0], 0, 0xabc3n],
    },
    { name: "an unknown opcode", call: (g: Guest) => g.machine.call(0x24).status, answer: -2 },
    { name: "an odd opcode", call: (g: Guest) => g.machine.call(0x21).status, answer: -2 },
    { name: "an opcode above all", call: (g: Guest) => g.machine.call(0x460).status, answer: -2 },
    {
      name: "an opcode above 32 bits",
      call: (g: Guest) => g.machine.call((1n << 32n) | 0x20n).status,
      answer: -2,
    },
    {
      name: "problem state",
      call: (g: Guest) => g.machine.hcall(new Uint32Array(20), true),
      answer: -3,
    },
  ])("$name", ({ call, answer }) => {
    const guest = new Guest({ vio: [{ type: "spapr-vscsi" }] });
    expect(call(guest)).toEqual(answer);
  });

  it.each([0x1cn, 0x20n, 0x138n, 0x13cn])(
    "hypercall %s changes no argument register but r4 of a GET",
    (opcode) => {
      const guest = new Guest();
      guest.put(WIN0, 0x1000n, 0x1_0000_0000_1003n);
      const args = [WIN0, 0x1234n, LIST_AT, 1n, 5n, 6n, 7n, 8n, 9n];
      const { registers } = guest.machine.call(opcode, ...args);
      const after = Array.from({ length: 9 }, (_, i) => registers.get(4 + i));
      expect(after.map(hex)).toEqual(
        [opcode === 0x1cn ? 0x1_0000_0000_1003n : WIN0, ...args.slice(1)].map(hex),
      );
      const failed = guest.machine.call(opcode, WIN0, GIB, LIST_AT, 1n).registers;
      expect(failed.get(4)).toBe(WIN0);
    },
  );
});
