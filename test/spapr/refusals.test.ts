import { describe, expect, it, vi } from "vitest";
import * as u64 from "../../src/base/u64.ts";
import type { Refusal } from "../../src/spapr/observer.ts";
import type { PhbConfig } from "../../src/spapr/phb.ts";
import { Guest, HIGH, LIST_AT, WIN0, WIN1 } from "./guest.ts";

// Counts the texts that are made, to see that nobody pays for a record that nobody hears.
vi.mock("../../src/base/u64.ts", async (original) => {
  const real = await original<typeof u64>();
  return { ...real, hex: vi.fn(real.hex), hex64: vi.fn(real.hex64) };
});

interface Row {
  readonly name: string;
  readonly profile?: string;
  readonly phbs?: readonly PhbConfig[];
  readonly prepare?: (guest: Guest) => unknown;
  readonly call: (guest: Guest) => unknown;
  readonly refusal: Refusal;
}

const window0 = {
  liobn: "0x80000000",
  first: "0x0000000000000000",
  entries: 0x4_0000,
  pageShift: 12,
};
const outside = (call: string, ioba: string): Refusal => ({
  call,
  status: -4,
  rule: "the address is outside of the window",
  source: "PAPR",
  values: { ioba, ...window0 },
});
const papr = (call: string, status: number, rule: string, values: Refusal["values"]): Refusal => ({
  call,
  status,
  rule,
  source: "PAPR",
  values,
});
const qemu = (call: string, status: number, rule: string, values: Refusal["values"]): Refusal => ({
  call,
  status,
  rule,
  source: "QEMU",
  values,
});
const NO_LIOBN = "no DMA window has this LIOBN";
const COUNTS = "the numbers of argument and return cells are wrong";
const CREATE = "ibm,create-pe-dma-window";
const QUERY = "ibm,query-pe-dma-window";
const REMOVE = "ibm,remove-pe-dma-window";
const RESET = "ibm,reset-pe-dma-window";
const BYPASS = "ibm,set-tce-bypass";
const NO_DDW = [{ index: 0, ddw: false }];
const BUID = "0x800000020000000";
const NOT_OURS = "no enabled window of a bridge with dynamic windows has this LIOBN";

const ROWS: readonly Row[] = [
  {
    name: "PUT, no window",
    call: (g) => g.put(0x77n, 0n, 0n),
    refusal: papr("H_PUT_TCE", -4, NO_LIOBN, { liobn: "0x0000000000000077" }),
  },
  {
    name: "GET, no window",
    call: (g) => g.get(1n << 32n, 0n),
    refusal: papr("H_GET_TCE", -4, NO_LIOBN, { liobn: "0x0000000100000000" }),
  },
  {
    name: "INDIRECT, no window",
    call: (g) => g.indirect(0x77n, 0n, [0n]),
    refusal: papr("H_PUT_TCE_INDIRECT", -4, NO_LIOBN, { liobn: "0x0000000000000077" }),
  },
  {
    name: "STUFF, no window",
    call: (g) => g.stuff(0x77n, 0n, 0n, 1),
    refusal: papr("H_STUFF_TCE", -4, NO_LIOBN, { liobn: "0x0000000000000077" }),
  },
  {
    name: "PUT, outside",
    call: (g) => g.put(WIN0, 0x4000_0001n, 0n),
    refusal: outside("H_PUT_TCE", "0x0000000040000001"),
  },
  {
    name: "GET, outside",
    call: (g) => g.get(WIN0, 0x4000_0001n),
    refusal: outside("H_GET_TCE", "0x0000000040000001"),
  },
  {
    name: "INDIRECT, outside",
    call: (g) => g.indirect(WIN0, 0x3fff_f000n, [0n, 0n]),
    refusal: outside("H_PUT_TCE_INDIRECT", "0x000000003ffff000"),
  },
  {
    name: "STUFF, outside",
    call: (g) => g.stuff(WIN0, 0x3fff_f000n, 0n, 2),
    refusal: outside("H_STUFF_TCE", "0x000000003ffff000"),
  },
  {
    name: "PUT, disabled",
    call: (g) => g.put(WIN1, 5n, 0n),
    refusal: papr("H_PUT_TCE", -4, "the window is disabled", {
      ioba: "0x0000000000000005",
      liobn: "0x80000001",
      first: "0x0000000000000000",
      entries: 0,
      pageShift: 0,
    }),
  },
  {
    name: "INDIRECT, too many",
    call: (g) => g.indirectAt(WIN0, 0n, LIST_AT, 513),
    refusal: papr("H_PUT_TCE_INDIRECT", -4, "more than 512 entries", { npages: "0x0000000000000201" }),
  },
  {
    name: "INDIRECT, misaligned",
    call: (g) => g.indirectAt(WIN0, 0n, LIST_AT + 1n, 1),
    refusal: papr("H_PUT_TCE_INDIRECT", -4, "the list does not begin on a 4 KiB boundary", {
      list: "0x0000000000200001",
    }),
  },
  {
    name: "INDIRECT of none",
    call: (g) => g.indirect(WIN0, 0n, []),
    refusal: qemu("H_PUT_TCE_INDIRECT", -4, "no entries", { npages: "0x0000000000000000" }),
  },
  {
    name: "STUFF of none",
    call: (g) => g.stuff(WIN0, 0n, 0n, 0),
    refusal: qemu("H_STUFF_TCE", -4, "no entries", { npages: "0x0000000000000000" }),
  },
  {
    name: "STUFF, too many",
    call: (g) => g.stuff(WIN0, 0n, 0n, 0x4_0001),
    refusal: qemu("H_STUFF_TCE", -4, "more pages than the window has", { npages: "0x0000000000040001" }),
  },
  {
    name: "STUFF, too many in PAPR",
    profile: "papr",
    call: (g) => g.stuff(WIN0, 0n, 0n, 513),
    refusal: papr("H_STUFF_TCE", -57, "more than 512 entries", { npages: "0x0000000000000201" }),
  },
  {
    name: "a target that is none",
    profile: "papr",
    call: (g) => g.put(WIN0, 0n, 0x1000_0003n),
    refusal: papr("H_PUT_TCE", -4, "the entry points outside of the partition's memory", {
      tce: "0x0000000010000003",
    }),
  },
  {
    name: "a list that is none",
    profile: "papr",
    call: (g) => g.indirectAt(WIN0, 0n, 1n << 40n, 1),
    refusal: papr("H_PUT_TCE_INDIRECT", -4, "the list is not in memory", { list: "0x0000010000000000" }),
  },
  {
    name: "no hypercall",
    call: (g) => g.machine.call(0x460),
    refusal: qemu("hypercall", -2, "no hypercall has this number", { opcode: "0x460" }),
  },
  {
    name: "problem state",
    call: (g) => g.machine.hcall(new Uint32Array([0, 0x20]), true),
    refusal: papr("hypercall", -3, "the caller is in problem state", { opcode: "0x20" }),
  },
  {
    name: "no RTAS call",
    call: (g) => g.rtas(0x20ff, [], 1),
    refusal: qemu("H_RTAS", -4, "no RTAS call has this token", { token: 0x20ff }),
  },
  { name: "query, counts", call: (g) => g.query(4), refusal: qemu(QUERY, -3, COUNTS, { nargs: 3, nret: 4 }) },
  {
    name: "create, counts",
    call: (g) => g.rtas(CREATE, [1, 2], 4),
    refusal: qemu(CREATE, -3, COUNTS, { nargs: 2, nret: 4 }),
  },
  {
    name: "remove, counts",
    call: (g) => g.rtas(REMOVE, [1, 2], 1),
    refusal: qemu(REMOVE, -3, COUNTS, { nargs: 2, nret: 1 }),
  },
  {
    name: "reset, counts",
    call: (g) => g.rtas(RESET, [1, 2, 3], 2),
    refusal: qemu(RESET, -3, COUNTS, { nargs: 3, nret: 2 }),
  },
  {
    name: "bypass, counts",
    call: (g) => g.rtas(BYPASS, [1], 1),
    refusal: qemu(BYPASS, -3, COUNTS, { nargs: 1, nret: 1 }),
  },
  {
    name: "quiesce, counts",
    call: (g) => g.rtas("quiesce", [1], 1),
    refusal: qemu("quiesce", -3, COUNTS, { nargs: 1, nret: 1 }),
  },
  {
    name: "no bridge",
    call: (g) => g.create(12, 20, 3),
    refusal: papr(CREATE, -3, "no bridge has this BUID", { buid: "0x800000020000003" }),
  },
  {
    name: "no dynamic windows",
    phbs: NO_DDW,
    call: (g) => g.query(5),
    refusal: papr(QUERY, -3, "the bridge has no dynamic windows", { buid: BUID }),
  },
  {
    name: "no dynamic windows to reset",
    phbs: NO_DDW,
    call: (g) => g.resetWindows(),
    refusal: papr(RESET, -3, "the bridge has no dynamic windows", { buid: BUID }),
  },
  {
    name: "no dynamic windows to remove",
    phbs: NO_DDW,
    call: (g) => g.remove(WIN0),
    refusal: papr(REMOVE, -3, NOT_OURS, { liobn: "0x80000000" }),
  },
  {
    name: "remove what is disabled",
    call: (g) => g.remove(WIN1),
    refusal: papr(REMOVE, -3, NOT_OURS, { liobn: "0x80000001" }),
  },
  {
    name: "remove what is a virtual device's",
    call: (g) => g.remove(0x7100_0001n),
    refusal: papr(REMOVE, -3, NOT_OURS, { liobn: "0x71000001" }),
  },
  {
    name: "a page size that is none",
    call: (g) => g.create(13, 30),
    refusal: papr(CREATE, -3, "the bridge does not allow this page size", {
      pageShift: 13,
      windowShift: 30,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "less than a page",
    call: (g) => g.create(16, 15),
    refusal: qemu(CREATE, -3, "the window is smaller than a page", {
      pageShift: 16,
      windowShift: 15,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "no free window",
    prepare: (g) => g.create(16, 20),
    call: (g) => g.create(16, 20),
    refusal: papr(CREATE, -1, "both windows are in use", { buid: BUID }),
  },
  {
    name: "2^32 entries",
    call: (g) => g.create(12, 44),
    refusal: qemu(CREATE, -1, "the window has 2^32 TCEs or more", {
      pageShift: 12,
      windowShift: 44,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "more than advertised",
    profile: "papr",
    call: (g) => g.create(12, 44),
    refusal: papr(CREATE, -3, "more TCEs than the query advertised", {
      pageShift: 12,
      windowShift: 44,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "no free place",
    profile: "papr",
    phbs: [{ index: 0, dmaWinAddr: HIGH }],
    call: (g) => g.create(12, 20),
    refusal: papr(CREATE, -1, "the place of the second window is taken", { buid: BUID }),
  },
  {
    name: "bypass of nobody",
    call: (g) => g.rtas(BYPASS, [9, 1], 1),
    refusal: qemu(BYPASS, -3, "no virtual I/O device with a DMA window has this unit address", {
      unit: "0x9",
    }),
  },
];

describe("a refusal", () => {
  it.each(ROWS)(
    "is explained: $name",
    ({ profile = "qemu-7.2", phbs = [{ index: 0 }], prepare, call, refusal }) => {
      const guest = new Guest({ profile, phbs, vio: [{ type: "spapr-vscsi" }] });
      prepare?.(guest);
      call(guest);
      expect(guest.refusals).toEqual([refusal]);
    },
  );

  it.each(ROWS)("costs no record when nobody listens: $name", (row) => {
    const { profile = "qemu-7.2", phbs = [{ index: 0 }], prepare, call } = row;
    const guest = new Guest({ profile, phbs, vio: [{ type: "spapr-vscsi" }] });
    prepare?.(guest);
    Object.assign(guest.machine.observer, { refusal: null, hazard: null, trace: null });
    vi.mocked(u64.hex).mockClear();
    vi.mocked(u64.hex64).mockClear();
    call(guest);
    expect(u64.hex).not.toHaveBeenCalled();
    expect(u64.hex64).not.toHaveBeenCalled();
    expect(guest.refusals).toEqual([]);
  });

  it("is told as text made for it: the control of the test above", () => {
    const guest = new Guest();
    vi.mocked(u64.hex64).mockClear();
    guest.put(0x77n, 0n, 0n);
    expect(u64.hex64).toHaveBeenCalledTimes(1);
  });

  it("is none for calls that succeed", () => {
    const guest = new Guest();
    guest.put(WIN0, 0n, 3n);
    guest.query(6);
    guest.create(16, 30);
    guest.remove(WIN1);
    guest.resetWindows();
    expect(guest.refusals).toEqual([]);
  });
});

describe("a hazard, where the real system has no defined answer,", () => {
  const EMPTY = "a window of no entries stays disabled; the real system has no defined answer";
  const SHIFT = "a page shift of 64 or more is undefined in QEMU (it counts modulo 64 on x86-64)";
  it.each([
    { name: "2^32 entries", call: (g: Guest) => g.create(12, 44), status: [-1], hazards: [EMPTY] },
    {
      name: "a create after that",
      call: (g: Guest) => [g.create(12, 44), g.create(12, 20)],
      status: [[-1], [0, WIN1, HIGH]],
      hazards: [EMPTY],
    },
    { name: "a page shift of 76", call: (g: Guest) => g.create(76, 80), status: [-3], hazards: [SHIFT] },
    {
      name: "a page shift of 2^32 - 1",
      call: (g: Guest) => g.create(2 ** 32 - 1, 2 ** 32 - 1),
      status: [-3],
      hazards: [SHIFT],
    },
    {
      name: "a window shift of 2^32 - 1",
      call: (g: Guest) => g.create(12, 2 ** 32 - 1),
      status: [-1],
      hazards: [EMPTY],
    },
    {
      name: "a default window of no page",
      phb: { index: 0, dmaWinSize: 0xfffn },
      call: (g: Guest) => [g.query(5)[1], g.resetWindows(), g.query(5)[1]],
      status: [2, 0, 2],
      hazards: [EMPTY],
    },
    { name: "nothing out of the ordinary", call: (g: Guest) => g.create(12, 20)[0], status: 0, hazards: [] },
  ])("is reported: $name", ({ phb = { index: 0 }, call, status, hazards }) => {
    const guest = new Guest({ phbs: [phb] });
    expect(call(guest)).toEqual(status);
    expect(guest.hazards.map((hazard) => hazard.what)).toEqual(hazards);
  });

  it("names the window", () => {
    const guest = new Guest();
    guest.create(12, 44);
    expect(guest.hazards[0]!.values).toEqual({ liobn: "0x80000001" });
    guest.machine.phb(0).windows[0]!.enable(12, 0n, 1);
    expect(guest.hazards[1]).toEqual({
      what: "trying to enable already enabled TCE table; QEMU warns and changes nothing",
      values: { liobn: "0x80000000" },
    });
    expect(guest.machine.phb(0).windows[0]!.entries).toBe(0x4_0000);
  });
});
