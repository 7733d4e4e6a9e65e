import { describe, expect, it, vi } from "vitest";
import type { Refusal, RuleId } from "../../src/spapr/observer.ts";
import type { PhbConfig } from "../../src/spapr/phb.ts";
import { Guest, HIGH, LIST_AT, WIN0, WIN1 } from "./guest.ts";

/** The texts of numbers that a call makes: nobody pays for a record that nobody hears. */
function textsMadeBy(call: () => unknown): number {
  const spy = vi.spyOn(BigInt.prototype, "toString");
  try {
    call();
    return spy.mock.calls.length;
  } finally {
    spy.mockRestore();
  }
}

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
  id: "PAPR-TCE-2",
  source: "PAPR",
  values: { ioba, ...window0 },
});
const refused = (
  id: RuleId,
  call: string,
  status: number,
  rule: string,
  values: Refusal["values"],
): Refusal => ({ id, call, status, rule, source: id.startsWith("PAPR") ? "PAPR" : "QEMU", values });
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
    refusal: refused("PAPR-TCE-1", "H_PUT_TCE", -4, NO_LIOBN, { liobn: "0x0000000000000077" }),
  },
  {
    name: "GET, no window",
    call: (g) => g.get(1n << 32n, 0n),
    refusal: refused("PAPR-TCE-1", "H_GET_TCE", -4, NO_LIOBN, { liobn: "0x0000000100000000" }),
  },
  {
    name: "INDIRECT, no window",
    call: (g) => g.indirect(0x77n, 0n, [0n]),
    refusal: refused("PAPR-TCE-1", "H_PUT_TCE_INDIRECT", -4, NO_LIOBN, { liobn: "0x0000000000000077" }),
  },
  {
    name: "STUFF, no window",
    call: (g) => g.stuff(0x77n, 0n, 0n, 1),
    refusal: refused("PAPR-TCE-1", "H_STUFF_TCE", -4, NO_LIOBN, { liobn: "0x0000000000000077" }),
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
    refusal: refused("PAPR-TCE-2", "H_PUT_TCE", -4, "the window is disabled", {
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
    refusal: refused("PAPR-INDIRECT-1", "H_PUT_TCE_INDIRECT", -4, "more than 512 entries", {
      npages: "0x0000000000000201",
    }),
  },
  {
    name: "INDIRECT, misaligned",
    call: (g) => g.indirectAt(WIN0, 0n, LIST_AT + 1n, 1),
    refusal: refused(
      "PAPR-INDIRECT-2",
      "H_PUT_TCE_INDIRECT",
      -4,
      "the list does not begin on a 4 KiB boundary",
      {
        list: "0x0000000000200001",
      },
    ),
  },
  {
    name: "INDIRECT of none",
    call: (g) => g.indirect(WIN0, 0n, []),
    refusal: refused("QEMU-TCE-6", "H_PUT_TCE_INDIRECT", -4, "no entries", { npages: "0x0000000000000000" }),
  },
  {
    name: "STUFF of none",
    call: (g) => g.stuff(WIN0, 0n, 0n, 0),
    refusal: refused("QEMU-TCE-6", "H_STUFF_TCE", -4, "no entries", { npages: "0x0000000000000000" }),
  },
  {
    name: "STUFF, too many",
    call: (g) => g.stuff(WIN0, 0n, 0n, 0x4_0001),
    refusal: refused("QEMU-STUFF-1", "H_STUFF_TCE", -4, "more pages than the window has", {
      npages: "0x0000000000040001",
    }),
  },
  {
    name: "STUFF, too many in PAPR",
    profile: "papr",
    call: (g) => g.stuff(WIN0, 0n, 0n, 513),
    refusal: refused("PAPR-STUFF-1", "H_STUFF_TCE", -57, "more than 512 entries", {
      npages: "0x0000000000000201",
    }),
  },
  {
    name: "a target that is none",
    profile: "papr",
    call: (g) => g.put(WIN0, 0n, 0x1000_0003n),
    refusal: refused("PAPR-TCE-3", "H_PUT_TCE", -4, "the entry points outside of the partition's memory", {
      tce: "0x0000000010000003",
    }),
  },
  {
    name: "a list that is none",
    profile: "papr",
    call: (g) => g.indirectAt(WIN0, 0n, 1n << 40n, 1),
    refusal: refused("PAPR-INDIRECT-3", "H_PUT_TCE_INDIRECT", -4, "the list is not in memory", {
      list: "0x0000010000000000",
    }),
  },
  {
    name: "no hypercall",
    call: (g) => g.machine.call(0x460),
    refusal: refused("QEMU-HCALL-1", "hypercall", -2, "no hypercall has this number", { opcode: "0x460" }),
  },
  {
    name: "problem state",
    call: (g) => g.machine.hcall(new Uint32Array([0, 0x20]), true),
    refusal: refused("PAPR-HCALL-1", "hypercall", -3, "the caller is in problem state", { opcode: "0x20" }),
  },
  {
    name: "no RTAS call",
    call: (g) => g.rtas(0x20ff, [], 1),
    refusal: refused("QEMU-RTAS-2", "H_RTAS", -4, "no RTAS call has this token", { token: 0x20ff }),
  },
  {
    name: "query, counts",
    call: (g) => g.query(4),
    refusal: refused("QEMU-RTAS-3", QUERY, -3, COUNTS, { nargs: 3, nret: 4 }),
  },
  {
    name: "create, counts",
    call: (g) => g.rtas(CREATE, [1, 2], 4),
    refusal: refused("QEMU-RTAS-3", CREATE, -3, COUNTS, { nargs: 2, nret: 4 }),
  },
  {
    name: "remove, counts",
    call: (g) => g.rtas(REMOVE, [1, 2], 1),
    refusal: refused("QEMU-RTAS-3", REMOVE, -3, COUNTS, { nargs: 2, nret: 1 }),
  },
  {
    name: "reset, counts",
    call: (g) => g.rtas(RESET, [1, 2, 3], 2),
    refusal: refused("QEMU-RTAS-3", RESET, -3, COUNTS, { nargs: 3, nret: 2 }),
  },
  {
    name: "bypass, counts",
    call: (g) => g.rtas(BYPASS, [1], 1),
    refusal: refused("QEMU-RTAS-3", BYPASS, -3, COUNTS, { nargs: 1, nret: 1 }),
  },
  {
    name: "quiesce, counts",
    call: (g) => g.rtas("quiesce", [1], 1),
    refusal: refused("QEMU-RTAS-3", "quiesce", -3, COUNTS, { nargs: 1, nret: 1 }),
  },
  {
    name: "no bridge",
    call: (g) => g.create(12, 20, 3),
    refusal: refused("PAPR-DDW-1", CREATE, -3, "no bridge has this BUID", { buid: "0x800000020000003" }),
  },
  {
    name: "no dynamic windows",
    phbs: NO_DDW,
    call: (g) => g.query(5),
    refusal: refused("PAPR-DDW-2", QUERY, -3, "the bridge has no dynamic windows", { buid: BUID }),
  },
  {
    name: "no dynamic windows to reset",
    phbs: NO_DDW,
    call: (g) => g.resetWindows(),
    refusal: refused("PAPR-DDW-2", RESET, -3, "the bridge has no dynamic windows", { buid: BUID }),
  },
  {
    name: "no dynamic windows to remove",
    phbs: NO_DDW,
    call: (g) => g.remove(WIN0),
    refusal: refused("PAPR-REMOVE-1", REMOVE, -3, NOT_OURS, { liobn: "0x80000000" }),
  },
  {
    name: "remove what is disabled",
    call: (g) => g.remove(WIN1),
    refusal: refused("PAPR-REMOVE-1", REMOVE, -3, NOT_OURS, { liobn: "0x80000001" }),
  },
  {
    name: "remove what is a virtual device's",
    call: (g) => g.remove(0x7100_0001n),
    refusal: refused("PAPR-REMOVE-1", REMOVE, -3, NOT_OURS, { liobn: "0x71000001" }),
  },
  {
    name: "a page size that is none",
    call: (g) => g.create(13, 30),
    refusal: refused("PAPR-CREATE-1", CREATE, -3, "the bridge does not allow this page size", {
      pageShift: 13,
      windowShift: 30,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "less than a page",
    call: (g) => g.create(16, 15),
    refusal: refused("QEMU-CREATE-1", CREATE, -3, "the window is smaller than a page", {
      pageShift: 16,
      windowShift: 15,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "no free window",
    prepare: (g) => g.create(16, 20),
    call: (g) => g.create(16, 20),
    refusal: refused("PAPR-CREATE-2", CREATE, -1, "both windows are in use", { buid: BUID }),
  },
  {
    name: "2^32 entries",
    call: (g) => g.create(12, 44),
    refusal: refused("QEMU-CREATE-4", CREATE, -1, "the window has 2^32 TCEs or more", {
      pageShift: 12,
      windowShift: 44,
      pgsz: "0x1211000",
    }),
  },
  {
    name: "more than advertised",
    profile: "papr",
    call: (g) => g.create(12, 44),
    refusal: refused("PAPR-CREATE-4", CREATE, -3, "more TCEs than the query advertised", {
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
    refusal: refused("PAPR-CREATE-3", CREATE, -1, "the place of the second window is taken", { buid: BUID }),
  },
  {
    name: "bypass of nobody",
    call: (g) => g.rtas(BYPASS, [9, 1], 1),
    refusal: refused(
      "QEMU-VIO-2",
      BYPASS,
      -3,
      "no virtual I/O device with a DMA window has this unit address",
      {
        unit: "0x9",
      },
    ),
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
    expect(textsMadeBy(() => call(guest))).toBe(0);
    expect(guest.refusals).toEqual([]);
  });

  it("is told as text made for it: the control of the test above", () => {
    const guest = new Guest();
    expect(textsMadeBy(() => guest.put(0x77n, 0n, 0n))).toBeGreaterThan(0);
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
    { name: "nothing out of the ordinary", call: (g: Guest) => g.create(12, 20)[0], status: 0, hazards: [] },
  ])("is reported, and changes nothing: $name", ({ call, status, hazards }) => {
    const guest = new Guest();
    const tables = (): unknown =>
      guest.machine
        .phb(0)
        .windows.map(({ entries, busOffset, page, table }) => [entries, busOffset, page.shift, table]);
    const before = tables();
    expect(call(guest)).toEqual(status);
    expect(guest.hazards.map((hazard) => hazard.what)).toEqual(hazards);
    if (hazards.length > 0) expect(tables()).toEqual(before);
  });

  it("leaves a bridge whose default window has no page without one", () => {
    expect(new Guest({ phbs: [{ index: 0, dmaWinSize: 0xfffn }] }).query(5)[1]).toBe(2);
  });

  it("names the window", () => {
    const guest = new Guest();
    guest.create(12, 44);
    expect(guest.hazards[0]).toMatchObject({ id: "QEMU-WINDOW-2", values: { liobn: "0x80000001" } });
    guest.machine.phb(0).windows[0]!.enable(12, 0n, 1);
    expect(guest.hazards[1]).toEqual({
      id: "QEMU-WINDOW-1",
      what: "trying to enable already enabled TCE table; QEMU warns and changes nothing",
      values: { liobn: "0x80000000" },
    });
    expect(guest.machine.phb(0).windows[0]!.entries).toBe(0x4_0000);
  });
});
