import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { IommuNotifier, NotifierFlag } from "../../src/memory/iommu-notifier.ts";
import type { MappingRun } from "../../src/memory/mapping-run.ts";
import type { DmaWindow } from "../../src/spapr/dma-window.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { Hcall, RtasToken } from "../../src/spapr/papr.ts";
import { loadTables, saveTables } from "../../src/spapr/saved-table.ts";

const LIOBN = 0x8000_0000;

const show = (run: MappingRun): string =>
  `${run.firstPage}+${run.pages} -> ${run.target.toString(16)} ${run.perm}`;

function setup() {
  const machine = new Machine();
  const window = machine.phb(0).windows[0]!;
  const heard: string[] = [];
  const notifier = (name: string, notify: (run: MappingRun) => void): IommuNotifier =>
    new IommuNotifier({ name, flags: NotifierFlag.IOTLB_EVENTS, notify });
  return {
    machine,
    window,
    heard,
    notifier,
    put: (page: number, value: number | bigint) =>
      machine.call(Hcall.PUT_TCE, LIOBN, page * 4096, value).status,
    get: (page: number) => machine.call(Hcall.GET_TCE, LIOBN, page * 4096).registers.get(4),
    stuff: (page: number, value: number, count: number) =>
      machine.call(Hcall.STUFF_TCE, LIOBN, page * 4096, value, count).status,
    list(page: number, at: number, values: readonly number[]) {
      const bytes = new DataView(new ArrayBuffer(values.length * 8));
      values.forEach((value, i) => {
        bytes.setBigUint64(i * 8, BigInt(value));
      });
      machine.ram.write(at, new Uint8Array(bytes.buffer));
      return machine.call(Hcall.PUT_TCE_INDIRECT, LIOBN, page * 4096, at, values.length).status;
    },
    remove: () => machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [LIOBN], 1)[0],
    /** Registers a notifier that writes down what it hears. */
    listen(name: string, window: DmaWindow) {
      const added = notifier(name, (run) => heard.push(`${name} ${show(run)}`));
      window.iommu.registerNotifier(added);
      return added;
    },
    /** Registers a notifier that does something when it is called first. */
    act(window: DmaWindow, action: (run: MappingRun) => void) {
      let once = true;
      const added = notifier("actor", (run) => {
        if (!once) return;
        once = false;
        action(run);
      });
      window.iommu.registerNotifier(added);
      return added;
    },
  };
}

describe("a callback", () => {
  it("that makes a hypercall: an older notifier hears of the inner change, then of the outer one", () => {
    const { window, heard, put, listen, act } = setup();
    listen("old", window);
    act(window, () => put(7, 0x700003));
    put(1, 0x100003);
    expect(heard).toEqual(["old 7+1 -> 700000 3", "old 1+1 -> 100000 3"]);
  });

  it("that changes the same page: an older notifier hears of the inner change alone", () => {
    const { window, heard, put, get, listen, act } = setup();
    listen("old", window);
    act(window, () => put(1, 0x700003));
    put(1, 0x100003);
    expect(heard).toEqual(["old 1+1 -> 700000 3"]);
    expect(get(1)).toBe(0x700003n);
  });

  it("that changes the middle of a run: an older notifier hears of the rest in two parts", () => {
    const { window, heard, put, listen, act, list } = setup();
    listen("old", window);
    act(window, () => put(11, 0));
    list(10, 0x20_0000, [0x100003, 0x101003, 0x102003, 0x103003]);
    expect(heard).toEqual(["old 11+1 -> 0 0", "old 10+1 -> 100000 3", "old 12+2 -> 102000 3"]);
  });

  it("that makes a list call in a list call: neither harms the other", () => {
    const { window, get, act, list } = setup();
    let inner: number | undefined;
    act(window, () => {
      inner = list(100, 0x30_0000, [0xaaa003, 0xbbb003, 0xccc003, 0xddd003]);
    });
    expect(list(0, 0x20_0000, [0x10003, 0x50003, 0x90003, 0xd0003])).toBe(0);
    expect(inner).toBe(0);
    expect([0, 1, 2, 3].map(get)).toEqual([0x10003n, 0x50003n, 0x90003n, 0xd0003n]);
    expect([100, 101, 102, 103].map(get)).toEqual([0xaaa003n, 0xbbb003n, 0xccc003n, 0xddd003n]);
  });

  it("that unregisters another notifier: that one is not called any more, from then on", () => {
    const { window, heard, put, listen, notifier } = setup();
    const old = listen("old", window);
    window.iommu.registerNotifier(
      notifier("new", () => {
        heard.push("new");
        window.iommu.unregisterNotifier(old);
      }),
    );
    put(1, 0x100003);
    put(2, 0x100003);
    expect(heard).toEqual(["new", "new"]);
    expect(window.iommu.notifiers).toHaveLength(1);
    expect(window.needVfio).toBe(true);
  });

  it("that unregisters itself: the others go on", () => {
    const { window, heard, put, listen, notifier } = setup();
    listen("old", window);
    const self = notifier("self", () => {
      heard.push("self");
      window.iommu.unregisterNotifier(self);
    });
    window.iommu.registerNotifier(self);
    put(1, 0x100003);
    put(2, 0x200003);
    expect(heard).toEqual(["self", "old 1+1 -> 100000 3", "old 2+1 -> 200000 3"]);
  });

  it.each([
    { what: "a put", pages: [1], call: (s: ReturnType<typeof setup>) => s.put(1, 0x55003) },
    {
      what: "a fill",
      pages: [0, 1, 599],
      call: (s: ReturnType<typeof setup>) => s.stuff(0, 0x55003, 600),
    },
    {
      what: "a list",
      pages: [1, 3],
      call: (s: ReturnType<typeof setup>) => s.list(1, 0x20_0000, [0x55003, 0, 0x55003]),
    },
  ])(
    "that throws in $what: all is stored, the others hear all, and the caller the first error",
    ({ pages, call }) => {
      const s = setup();
      const { window } = s;
      s.listen("old", window);
      let errors = 0;
      window.iommu.registerNotifier(
        s.notifier("bad", () => {
          throw new Error(`error ${++errors}`);
        }),
      );
      const newest = s.listen("newest", window);
      expect(() => call(s)).toThrow("error 1");
      for (const page of pages) expect(s.get(page)).toBe(0x55003n);
      const told = (name: string): string[] =>
        s.heard.filter((text) => text.startsWith(name)).map((text) => text.slice(name.length));
      expect(told("old ")).toEqual(told("newest "));
      expect(told("old ").length).toBe(errors);
      expect(window.iommu.isRegistered(newest)).toBe(true);
    },
  );

  it("that removes the window in a put: the put is done, the window is gone", () => {
    const { window, put, act, remove } = setup();
    let removed: number | undefined;
    act(window, () => {
      removed = remove();
    });
    expect(put(1, 0x100003)).toBe(0);
    expect(removed).toBe(0);
    expect(window.enabled).toBe(false);
    expect(window.table).toBeNull();
  });

  it("that removes the window in a fill of one run: the fill was done", () => {
    const { window, act, remove, stuff } = setup();
    act(window, () => remove());
    expect(stuff(0, 0x55003, 600)).toBe(0);
    expect(window.enabled).toBe(false);
  });

  it("that removes the window in a list: the list ends there with H_PARAMETER", () => {
    const { window, act, remove, list } = setup();
    act(window, () => remove());
    expect(list(0, 0x20_0000, [0x10003, 0x50003, 0x90003, 0xd0003])).toBe(-4);
    expect(window.enabled).toBe(false);
  });

  it("that resets the machine in a put: the table is empty", () => {
    const { machine, window, put, get, act, heard, listen } = setup();
    listen("old", window);
    act(window, () => machine.reset());
    expect(put(1, 0x100003)).toBe(0);
    expect(get(1)).toBe(0n);
    expect(window.table!.validCount).toBe(0);
    expect(heard).toEqual([]);
  });

  it("that puts in a replay: pages ahead of the walk are told by it, too", () => {
    const { window, put, notifier } = setup();
    for (let i = 0; i < 2000; i++) put(i * 3, ((i * 7919) % 200000) * 4096 + 3);
    let told = 0;
    const asked = notifier("asked", (run) => {
      told += run.pages;
      // Page 3i+1 is put when page 3i is told, which makes the walk come to it, and not to another one.
      if (run.firstPage % 3 === 0) put(run.firstPage + 1, 0x5003);
    });
    expect(window.iommu.replay(asked).complete).toBe(true);
    expect(told).toBe(4000);
    expect(window.table!.validCount).toBe(4000);
  });

  it("that clears the table in a replay: nothing else is told", () => {
    const { window, put, stuff, notifier } = setup();
    for (let i = 0; i < 2000; i++) put(i * 3, ((i * 7919) % 200000) * 4096 + 3);
    let told = 0;
    const asked = notifier("asked", () => {
      told++;
      stuff(0, 0, 262144);
    });
    expect(window.iommu.replay(asked).complete).toBe(true);
    expect(told).toBe(1);
    expect(window.table!.validCount).toBe(0);
  });

  it("that registers and replays a notifier: it hears all that is mapped, then what changes", () => {
    const { window, put, heard, notifier, act } = setup();
    put(5, 0x5003);
    const late = notifier("late", (run) => heard.push(show(run)));
    act(window, () => {
      window.iommu.registerNotifier(late);
      window.iommu.replay(late);
    });
    put(1, 0x100003);
    put(2, 0x200003);
    expect(heard).toEqual(["1+1 -> 100000 3", "5+1 -> 5000 3", "2+1 -> 200000 3"]);
  });

  it("that removes the window: an older notifier hears nothing of a region that is gone", () => {
    const { window, put, heard, listen, act, remove } = setup();
    listen("old", window);
    act(window, () => remove());
    put(1, 0x100003);
    expect(heard).toEqual([]);
  });
});

describe("what a machine is given", () => {
  it("may be what another one saved, which is a copy", () => {
    const { machine, window, put, get } = setup();
    for (let i = 0; i < 5000; i++) put((i * 7919) % 262144, i % 2 === 0 ? 0 : i * 4096 + (i % 4));
    const other = new Machine();
    loadTables(other, saveTables(machine));
    const table = other.phb(0).windows[0]!.table!;
    const differing = [];
    for (let page = 0; page < 262144; page++)
      if (table.get(page) !== window.table!.get(page)) differing.push(page);
    expect(differing).toEqual([]);
    expect(table.validCount).toBe(window.table!.validCount);
    const before = table.get(3);
    put(3, 0x9003);
    expect(get(3)).toBe(0x9003n);
    expect(table.get(3)).toBe(before);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53, 2n ** 64n, -1n, "x", undefined, null, Number.POSITIVE_INFINITY])(
    "is no address if it is %s",
    (value) => {
      const { machine } = setup();
      expect(() => machine.call(Hcall.PUT_TCE, LIOBN, value as number, 3)).toThrow(IommuError);
      expect(machine.phb(0).windows[0]!.table!.validCount).toBe(0);
    },
  );

  it.each([-1, 1.5, Number.NaN, 2 ** 40, 2 ** 28 - 1])("is no place for two bytes at %s", (offset) => {
    const { machine } = setup();
    expect(() => machine.ram.write(offset, Uint8Array.of(1, 2))).toThrow(IommuError);
  });
});
