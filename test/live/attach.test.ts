import { rmSync, truncateSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { attach } from "../../src/live/attach.ts";
import type { AttachEnd, Attached, AttachOptions } from "../../src/live/attach-options.ts";
import type { Guard } from "../../src/live/guard.ts";
import type { LiveState } from "../../src/live/live-state.ts";
import type { ChangedSettings } from "../../src/live/settings.ts";
import { recordedReference, recordedStream } from "../formats/migration/sources.ts";
import { FakeQemu } from "./fake-qemu.ts";

const STREAM = "virtio-blk-net-iommu-platform-linux612--virtio-ddw-mapped";
/** Read only: the tests share it. */
const SAVED = recordedStream(STREAM);
const put = (ioba: number, tce: number): string =>
  `spapr_iommu_pci_put liobn=0x80000000 ioba=0x${ioba.toString(16)} tce=0x${tce.toString(16)} ret=0\n`;

let qemu: FakeQemu;
let journal: ChangedSettings[];
let released: boolean;
let states: LiveState[];
let attached: Attached[];
let controller: AbortController;

beforeEach(async () => {
  qemu = new FakeQemu();
  await qemu.listen();
  journal = [];
  released = false;
  states = [];
  attached = [];
  controller = new AbortController();
});
afterEach(() => qemu.close());

function start(more: Partial<AttachOptions> = {}): Promise<AttachEnd> {
  const guard: Guard = {
    update: async (changed) => {
      journal.push(changed);
    },
    release: async () => {
      released = true;
    },
  };
  return attach({
    socket: qemu.socket,
    log: qemu.log,
    base: false,
    guard,
    signal: controller.signal,
    mappings: false,
    refreshSeconds: 0.01,
    onAttached: (found) => attached.push(found),
    onState: (state) => states.push(state),
    ...more,
  });
}

/** Waits for it; the limit of the test is for when it never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

const asBefore = (): void => {
  expect([...qemu.events]).toEqual([
    ["spapr_iommu_pci_put", "disabled"],
    ["spapr_iommu_pci_get", "enabled"],
    ["spapr_iommu_xlate", "disabled"],
  ]);
  expect(qemu.status).toBe("running");
  expect(released).toBe(true);
};

describe("attach", () => {
  it("reads what is logged from now on, and puts back only what it changed", async () => {
    qemu.append(put(0x1000, 0x2003));
    const end = start();
    await until(() => attached.length === 1);
    expect([...qemu.events.values()]).toEqual(["enabled", "enabled", "enabled"]);
    qemu.append(put(0x3000, 0x4003) + put(0x5000, 0x6001).slice(0, 20));
    await until(() => states.at(-1)?.events === 1);
    qemu.append(put(0x5000, 0x6001).slice(20));
    await until(() => states.at(-1)?.events === 2);
    controller.abort();
    const { reason, state } = await end;
    expect(reason).toBe("asked");
    expect(state.windows).toMatchObject([{ liobn: "0x80000000", mapped: 2, certainty: { known: 2 } }]);
    asBefore();
  });

  it("tells the guard of every change before it is made", async () => {
    qemu.stream = SAVED;
    const seen: string[] = [];
    qemu.replies.migrate = ((before) => (args) => {
      seen.push(JSON.stringify(journal.at(-1)?.resume));
      return before!(args);
    })(qemu.replies.migrate);
    const end = start({ base: true });
    await until(() => attached.length === 1);
    expect(seen).toEqual(["true"]);
    expect(journal.map(({ resume, events }) => [resume, events.length])).toEqual([
      [true, 0],
      [true, 2],
      [false, 2],
    ]);
    controller.abort();
    await end;
    asBefore();
  });

  it("begins with the saved state, which is all known", async () => {
    qemu.stream = SAVED;
    const end = start({ base: true, seconds: 0.2 });
    const { state, reason } = await end;
    expect(reason).toBe("time");
    expect(attached[0]?.base).toMatchObject({ pausedSeconds: 0.25, bytes: qemu.stream.length });
    const saved = recordedReference(STREAM).spapr_iommu.filter((table) => table.mig_nb_table > 0);
    expect(
      state.windows.map(({ liobn, entries, certainty }) => [Number(liobn), entries, certainty.known]),
    ).toEqual(saved.map((table) => [Number(table.liobn), table.mig_nb_table, table.nonzero]));
    expect(state.windows.every(({ certainty }) => certainty.unknown === 0)).toBe(true);
    asBefore();
  });

  it("does not start a guest that stood still before", async () => {
    qemu.stream = SAVED;
    qemu.status = "paused";
    await start({ base: true, seconds: 0.1 });
    expect(qemu.commands).not.toContain("cont");
    expect(attached[0]?.base?.pausedSeconds).toBe(0);
  });

  // Where QEMU may break off its state: in the first bytes, in memory, in the last section.
  it.each([1, 5000, 1_000_000, SAVED.lastIndexOf(6) - 2])(
    "says so when QEMU's state ends after %d bytes",
    async (length) => {
      qemu.stream = SAVED.slice(0, length);
      await expect(start({ base: true })).rejects.toThrow(/migration stream, byte \d+/);
      asBefore();
    },
  );

  it("does not need the description that follows the sections", async () => {
    qemu.stream = SAVED.slice(0, -1);
    await start({ base: true, seconds: 0.05 });
    expect(attached[0]?.base).toBeDefined();
    asBefore();
  });

  it("does not ask QEMU to save more than it was seen to save", async () => {
    const line = (last: string): string => `0800000000000000-${last} (prio 0, i/o): tce-iommu-80000001`;
    qemu.memoryTree = line("0800010000000fff");
    await expect(start({ base: true })).rejects.toThrow(
      /window 0x80000001 of 1 TiB may have more than 2\^28 entries.*use --no-base/,
    );
    expect(qemu.commands).not.toContain("migrate");
    qemu.memoryTree = line("080000ffffffffff");
    qemu.stream = SAVED;
    await start({ base: true, seconds: 0.05 });
    expect(qemu.commands).toContain("migrate");
    asBefore();
  });

  it("says so when the guest was saved before and stands still since", async () => {
    qemu.status = "postmigrate";
    await expect(start({ base: true })).rejects.toThrow(/saved before .* let it go on \(cont\), .*--no-base/);
    expect(qemu.commands).not.toContain("migrate");
  });

  it("says so when QEMU cannot be migrated", async () => {
    delete qemu.replies.migrate;
    await expect(start({ base: true })).rejects.toThrow(/QEMU refused migrate/);
    asBefore();
  });

  it.each([
    { name: "cut", change: () => truncateSync(qemu.log, 3), message: /cut to 3 bytes/ },
    { name: "taken away", change: () => rmSync(qemu.log), message: /taken away/ },
  ])("puts settings back when the log is $name", async ({ change, message }) => {
    const end = start();
    await until(() => attached.length === 1);
    qemu.append(put(0x1000, 0x2003));
    await until(() => states.at(-1)?.events === 1);
    change();
    await expect(end).rejects.toThrow(message);
    asBefore();
  });

  it("puts settings back over a new connection when the old one breaks", async () => {
    const end = start();
    await until(() => attached.length === 1);
    qemu.drop();
    await expect(end).rejects.toThrow(/closed the connection; trace settings were put back over a new one/);
    asBefore();
  });

  it("breaks off at every command without a change that stays", async () => {
    qemu.stream = SAVED;
    await start({ base: true, seconds: 0.05 });
    const total = qemu.commands.length;
    for (let nth = 1; nth < total; nth += nth < 30 ? 1 : 5) {
      qemu.commands.length = 0;
      qemu.migration = "none";
      released = false;
      let dropped = false;
      for (const [name, reply] of Object.entries(qemu.replies)) {
        qemu.replies[name] = (args) => {
          if (qemu.commands.length === nth && !dropped) {
            dropped = true;
            qemu.drop();
          }
          return reply(args);
        };
      }
      await start({ base: true, seconds: 0.05 }).catch((error: Error) =>
        expect(error.message).toMatch(/closed/),
      );
      expect([...qemu.events.values()], `command ${nth}`).toEqual(["disabled", "enabled", "disabled"]);
      expect(qemu.status, `command ${nth}`).toBe("running");
    }
  });

  it("refuses a QEMU without these events", async () => {
    qemu.events.clear();
    await expect(start()).rejects.toThrow(/has no trace events spapr_iommu_/);
  });
});
