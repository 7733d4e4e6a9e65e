import { execFileSync } from "node:child_process";
import { rmSync, truncateSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { attach } from "../../src/live/attach.ts";
import type { AttachEnd, Attached, AttachOptions } from "../../src/live/attach-options.ts";
import type { Guard } from "../../src/live/guard.ts";
import type { LiveState } from "../../src/live/live-state.ts";
import { QmpClient } from "../../src/live/qmp.ts";
import type { ChangedSettings } from "../../src/live/settings.ts";
import { smallStream } from "../formats/migration/small-stream.ts";
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
let doubts: string[];
let controller: AbortController;

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
    monitor: { socket: qemu.socket },
    log: qemu.log,
    base: "none",
    guard,
    signal: controller.signal,
    mappings: false,
    refreshSeconds: 0.01,
    onAttached: (found) => attached.push(found),
    onState: (state) => states.push(state),
    onDoubt: (doubt) => doubts.push(doubt),
    ...more,
  });
}

/** A session that is asked to end as soon as it is attached. */
function startBriefly(more: Partial<AttachOptions> = {}): Promise<AttachEnd> {
  const onAttached = (found: Attached): void => {
    attached.push(found);
    brief.abort();
  };
  const brief = new AbortController();
  return start({ signal: brief.signal, onAttached, ...more });
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

/** A memory tree whose window is another one each time. */
function changing(): () => string {
  let next = 0;
  return () =>
    `address-space: memory\r\n  0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-${hex(0x8000_0000 + next++)}\r\n`;
}
const hex = (value: number): string => value.toString(16).padStart(8, "0");

/**
 * Sessions with a QEMU that answers as it should, and as it should not.
 *
 * @param step between the commands that are answered wrongly; each way begins at another one. The long run has all.
 */
export function attachSessions(step: number): void {
  beforeEach(async () => {
    qemu = new FakeQemu();
    await qemu.listen();
    journal = [];
    released = false;
    states = [];
    attached = [];
    doubts = [];
    controller = new AbortController();
  });
  afterEach(() => qemu.close());

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
      const end = start({ base: "save" });
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
      const { state, reason } = await startBriefly({ base: "save" });
      expect(reason).toBe("asked");
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
      await startBriefly({ base: "save" });
      expect(qemu.commands).not.toContain("cont");
      expect(attached[0]?.base.pausedSeconds).toBe(0);
    });

    // Where QEMU may break off its state: in the first bytes, in memory, in the last section.
    it.each([1, 5000, 1_000_000, SAVED.lastIndexOf(6) - 2])(
      "says so when QEMU's state ends after %d bytes",
      async (length) => {
        qemu.stream = SAVED.slice(0, length);
        await expect(start({ base: "save" })).rejects.toThrow(/migration stream, byte \d+/);
        asBefore();
      },
    );

    it("does not need the description that follows the sections", async () => {
      qemu.stream = SAVED.slice(0, -1);
      await startBriefly({ base: "save" });
      expect(attached[0]?.base).toBeDefined();
      asBefore();
    });

    it("does not ask QEMU to save more than it was seen to save", async () => {
      const line = (last: string): string => `0800000000000000-${last} (prio 0, i/o): tce-iommu-80000001`;
      qemu.memoryTree = line("0800010000000fff");
      await expect(start({ base: "save" })).rejects.toThrow(
        /window 0x80000001 of 1 TiB may have more than 2\^28 entries.*use --base mtree/,
      );
      expect(qemu.commands).not.toContain("migrate");
      qemu.memoryTree = line("080000ffffffffff");
      qemu.stream = SAVED;
      await startBriefly({ base: "save" });
      expect(qemu.commands).toContain("migrate");
      asBefore();
    });

    it("says so when the guest was saved before and stands still since", async () => {
      qemu.status = "postmigrate";
      await expect(start({ base: "save" })).rejects.toThrow(
        /saved before .* let it go on \(cont\), .*--base mtree/,
      );
      expect(qemu.commands).not.toContain("migrate");
    });

    it("says so when QEMU cannot be migrated", async () => {
      delete qemu.replies.migrate;
      await expect(start({ base: "save" })).rejects.toThrow(/QEMU refused migrate/);
      asBefore();
    });

    it.each([
      {
        name: "cut",
        change: () => truncateSync(qemu.log, 3),
        doubt: /cut to 3 bytes.*events may be missing/,
        mapped: 0,
      },
      { name: "taken away", change: () => rmSync(qemu.log), doubt: /taken away/, mapped: 1 },
    ])("goes on, and says so, when the log is $name", async ({ change, doubt, mapped }) => {
      const end = start();
      await until(() => attached.length === 1);
      qemu.append(put(0x1000, 0x2003));
      await until(() => states.at(-1)?.events === 1);
      change();
      await until(() => doubts.length > 0);
      controller.abort();
      const { reason, doubts: all, state } = await end;
      expect(reason).toBe("asked");
      expect(doubts[0]).toMatch(doubt);
      expect(all).toEqual(doubts);
      // After a loss nothing that was mapped is known any more.
      expect(state.windows[0]!.certainty.known).toBe(mapped);
      asBefore();
    });

    it.each([
      {
        name: "lines that should be events",
        text: `spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=what ret=0\n${put(0x1000, 0x2003)}`,
        doubt: /should be events of DMA windows cannot be read/,
      },
      {
        name: "lines that bring no event",
        text: "vfio_region_write something\n".repeat(30),
        doubt: /no event of DMA windows in the first 30 lines/,
      },
      {
        name: "a window of which nothing tells",
        text: "spapr_iommu_pci_put liobn=0x80000101 ioba=0x800000000001000 tce=0x3003 ret=0\n",
        doubt: /windows of which nothing tells/,
      },
      {
        name: "a window whose place is assumed",
        text: "spapr_iommu_pci_put liobn=0x80000100 ioba=0x1000 tce=0x3003 ret=0\n",
        doubt: /nothing tells where window 0x80000100 is/,
      },
    ])("says at once, and at the end, what it does not know: $name", async ({ text, doubt }) => {
      const end = start();
      await until(() => attached.length === 1);
      qemu.append(text);
      await until(() => doubts.length > 0);
      expect(doubts[0]).toMatch(doubt);
      controller.abort();
      expect((await end).doubts).toEqual(doubts);
      asBefore();
    });

    it("takes windows by the memory tree, and the next best when the state cannot be saved", async () => {
      qemu.memoryTree =
        "  0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-80000000\r\n  0800000000000000-08007fffffffffff (prio 0, i/o): tce-iommu-80000001\r\n";
      delete qemu.replies.migrate;
      const end = start({ base: "auto", largeWindows: true });
      await until(() => attached.length === 1);
      expect(attached[0]!.base).toEqual({
        kind: "mtree",
        refused: [
          expect.stringMatching(/^log: trace event spapr_iommu_pci_put was off$/),
          expect.stringMatching(/^save: QEMU refused migrate: /),
        ],
        pausedSeconds: 0,
        bytes: 0,
        windows: 1,
      });
      expect(doubts).toEqual([
        expect.stringMatching(/size of pages of window 0x80000001, 128 TiB at 0x0800000000000000, /),
      ]);
      qemu.append("spapr_iommu_xlate liobn=0x80000001 0x800000000010000 -> 0x20000 perm=3 mask=0xffff\n");
      await until(() => states.at(-1)?.events === 1);
      controller.abort();
      const { state } = await end;
      expect(state.windows).toMatchObject([
        { liobn: "0x80000000", entries: 2 ** 18, certainty: { unknown: 2 ** 18 } },
        { liobn: "0x80000001", pageShift: 16, entries: 2 ** 31 },
      ]);
      asBefore();
    });

    it.each([
      {
        name: "is refused",
        spoil: () => delete qemu.replies["human-monitor-command"],
        why: /CommandNotFound|not been found/,
      },
      {
        name: "is empty",
        spoil: () => (qemu.replies["human-monitor-command"] = () => ""),
        why: /no address space: ""/,
      },
      {
        name: "is none",
        spoil: () => (qemu.replies["human-monitor-command"] = () => null),
        why: /is null, not/,
      },
      {
        name: "never stands still",
        spoil: () => (qemu.replies["human-monitor-command"] = changing()),
        why: /changed \d+ times/,
      },
    ])("goes on without a base, and says why, when the memory tree $name", async ({ spoil, why }) => {
      delete qemu.replies.migrate;
      spoil();
      const end = start({ base: "auto" });
      await until(() => attached.length === 1);
      const { kind, refused } = attached[0]!.base;
      expect(kind).toBe("none");
      expect(refused.map((reason) => reason.split(":")[0])).toEqual(["log", "save", "mtree"]);
      expect(refused[2]).toMatch(why);
      controller.abort();
      expect((await end).reason).toBe("asked");
      asBefore();
      await expect(start({ base: "mtree", signal: new AbortController().signal })).rejects.toThrow(why);
      asBefore();
    });

    it("does not say that it put back what it did not change", async () => {
      qemu.replies["qom-list"] = () => {
        if (qemu.connections === 1) qemu.drop();
        return [];
      };
      const message = await start().catch((error: Error) => error.message);
      expect(message).toMatch(/closed the connection$/);
    });

    it("goes on by the log when that has been on since QEMU started", async () => {
      for (const name of qemu.events.keys()) qemu.events.set(name, "enabled");
      qemu.append(`spapr_iommu_new_table liobn=0x80000000 table=0x1 fd=-1\n${put(0x1000, 0x2003)}`);
      const found = { path: qemu.log, from: 0, patterns: ["spapr_iommu_pci_*", "spapr_*"] };
      const spy = vi.spyOn(QmpClient.prototype, "findLog").mockResolvedValue(found);
      try {
        qemu.memoryTree = "  0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-80000000\r\n";
        const { state } = await startBriefly({ base: "auto" });
        expect(attached[0]!.base).toMatchObject({ kind: "log", refused: [], windows: 1 });
        expect(state.windows).toMatchObject([{ mapped: 1, certainty: { unknown: 0, known: 1 } }]);
        expect(qemu.commands).not.toContain("migrate");
        expect(qemu.commands).not.toContain("trace-event-set-state");
        // Not if the log does not have what QEMU has, has more, or cannot be read.
        qemu.memoryTree = "  0000000000000000-000000007fffffff (prio 0, i/o): tce-iommu-80000000\r\n";
        await startBriefly({ base: "auto", largeWindows: true });
        expect(attached[1]!.base.refused[0]).toMatch(/the log does not have window 0x80000000 of 2 GiB/);
        qemu.memoryTree = "";
        await expect(startBriefly({ base: "log" })).rejects.toThrow(
          "QEMU's memory tree does not have window 0x80000000, which the log has",
        );
        qemu.append(
          `spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=what ret=0\n${put(0x1000, 0x2003)}`,
        );
        await expect(startBriefly({ base: "log" })).rejects.toThrow(
          /should be events of DMA windows cannot be read/,
        );
        expect(attached).toHaveLength(2);
        // It is not what the bridge has after a reset: its pages may be others.
        expect(doubts).toEqual([expect.stringMatching(/size of pages of window 0x80000000, 2 GiB at 0x0+,/)]);
      } finally {
        spy.mockRestore();
      }
    });

    it("puts settings back over a new connection when the old one breaks", async () => {
      const end = start();
      await until(() => attached.length === 1);
      qemu.drop();
      const { reason, message, error } = await end;
      expect(reason).toBe("broken");
      expect(message).toMatch(/closed the connection; trace settings were put back over a new connection/);
      expect(error?.message).toBe(message);
      asBefore();
    });

    it("breaks off at every command without a change that stays", async () => {
      qemu.stream = SAVED;
      await startBriefly({ base: "save" });
      const total = qemu.commands.length;
      for (let nth = 1; nth < total; nth += nth < 30 ? Math.ceil(step / 2) : 5) {
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
        await startBriefly({ base: "save" }).catch((error: Error) => expect(error.message).toMatch(/closed/));
        expect([...qemu.events.values()], `command ${nth}`).toEqual(["disabled", "enabled", "disabled"]);
        expect(qemu.status, `command ${nth}`).toBe("running");
      }
    });

    const BEHAVIOURS: readonly {
      readonly name: string;
      readonly instead?: object;
      /** How long a command may take: long where an answer comes, so that a slow one is not taken for none. */
      readonly timeoutSeconds?: number;
      readonly message: RegExp;
    }[] = [
      { name: "nothing", timeoutSeconds: 0.3, message: /no answer to .* within 0.3 s|QEMU did not answer/ },
      {
        name: "nothing any more",
        timeoutSeconds: 0.3,
        message: /no answer to .* within 0.3 s|QEMU did not answer/,
      },
      {
        name: "another command's answer",
        timeoutSeconds: 0.3,
        instead: { id: 1000 },
        message: /no answer to .* within 0.3 s/,
      },
      { name: "an error", instead: { error: { class: "GenericError", desc: "no way" } }, message: /no way/ },
      { name: "an error that is none", instead: { error: null }, message: /no reason given/ },
      { name: "null", instead: { return: null }, message: /answer .* is null, not / },
      {
        name: "a text",
        instead: { return: "oops" },
        message: /answer .* is "oops", not |no address space: "oops"/,
      },
      { name: "a list of numbers", instead: { return: [7] }, message: /answer .* is (?:\[7\]|7), not / },
    ];

    it.each(BEHAVIOURS.map((behaviour, i) => ({ ...behaviour, first: 2 + (i % step) })))(
      "ends, with settings put back, whichever command is answered by $name",
      async (behaviour) => {
        const { name, instead, timeoutSeconds, message, first } = behaviour;
        qemu.stream = smallStream();
        await startBriefly({ base: "save" });
        const total = qemu.commands.length;
        expect(total).toBeGreaterThanOrEqual(first);
        const before = [...qemu.events];
        for (let nth = first; nth <= total; nth += step) {
          qemu.commands.length = 0;
          qemu.migration = "none";
          qemu.status = "running";
          for (const [event, state] of before) qemu.events.set(event, state);
          let done = false;
          const isIt = (_command: string, number: number): boolean => {
            const now = !done && number === nth;
            done ||= now;
            return now;
          };
          qemu.connections = 0;
          if (name === "nothing") qemu.silent = isIt;
          else if (name === "nothing any more")
            qemu.silent = (_command, number, connection) => connection === 1 && number >= nth;
          else qemu.instead = (command, number) => (isIt(command, number) ? instead : undefined);
          const outcome = await startBriefly({ base: "save", timeoutSeconds }).then(
            ({ reason, message: text }) => (reason === "broken" ? text : reason),
            (error: Error) => error.message,
          );
          const place = `command ${nth} of ${total}: ${qemu.commands[nth - 1]}: ${outcome}`;
          // What is answered does not matter for commands that only have to be carried out, and is missed by none that the
          // time has come for.
          expect(outcome, place).toMatch(
            new RegExp(
              `${message.source}|^asked$|not attached within|end did not come|could not send its state`,
            ),
          );
          // Where a command of the end was refused, nothing says that it was carried out.
          if (!/could not be put back/.test(outcome)) {
            expect([...qemu.events.values()], place).toEqual(["disabled", "enabled", "disabled"]);
            expect(qemu.status, place).toBe("running");
          } else expect(name, place).toMatch(/^an error/);
        }
      },
    );

    const JUNK = Buffer.from("JUNK".repeat(1000));
    const ENDLESS = Buffer.concat([Buffer.from("QEVM\0\0\0\x03"), Buffer.alloc(2 ** 20, 0x07)]);

    it.each([
      {
        name: "is no saved state",
        seconds: undefined,
        send: (socket: Socket) => socket.end(JUNK),
        message: /migration stream|QEVM/,
      },
      {
        name: "has no end",
        seconds: 1,
        send: (socket: Socket): void => {
          const more = (): void => {
            while (socket.write(ENDLESS));
          };
          socket.on("drain", more);
          more();
        },
        message: /migration stream, byte|not attached within/,
      },
      { name: "does not come", seconds: 1, send: () => {}, message: /not attached within 1 s/ },
    ])("ends when what QEMU sends $name", async ({ seconds, send, message }) => {
      qemu.replies.migrate = ({ uri }) => {
        qemu.migration = "active";
        const socket = connect(uri!.slice("unix:".length));
        socket.on("error", () => {});
        socket.on("close", () => {
          qemu.migration = "failed";
        });
        send(socket);
        return {};
      };
      qemu.replies.migrate_cancel = () => {
        qemu.migration = "cancelled";
        return {};
      };
      await expect(start({ base: "save", seconds })).rejects.toThrow(message);
      asBefore();
    });

    it("is not held up by a flood of events", async () => {
      qemu.stream = smallStream();
      const flood = setInterval(() => {
        for (let i = 0; i < 100; i++) qemu.event("RTC_CHANGE", i);
      }, 1);
      try {
        expect((await startBriefly({ base: "save" })).reason).toBe("asked");
        asBefore();
      } finally {
        clearInterval(flood);
      }
    });

    it("says so when two bridges have one number", async () => {
      const bridge = { name: "device[1]", type: "child<spapr-pci-host-bridge>" };
      qemu.replies["qom-list"] = () => [bridge];
      await expect(start({ base: "none" })).rejects.toThrow(/index 0 /);
      asBefore();
    });

    it("ends by time and by signal whatever it waits for", async () => {
      qemu.stream = SAVED;
      for (const command of ["trace-event-get-state", "qom-list", "query-status", "migrate", "cont"]) {
        let done = false;
        qemu.silent = (name) => {
          const now = !done && name === command;
          done ||= now;
          return now;
        };
        qemu.migration = "none";
        const waiting = start({ base: "save", timeoutSeconds: 2 });
        await until(() => done);
        controller.abort(new IommuError("INTERRUPTED", "interrupted by a test"));
        await expect(waiting, command).rejects.toThrow("interrupted by a test");
        asBefore();
        controller = new AbortController();
        done = false;
        qemu.migration = "none";
        await expect(start({ base: "save", timeoutSeconds: 2, seconds: 0.1 }), command).rejects.toThrow(
          /not attached within 0.1 s/,
        );
        asBefore();
      }
    });

    it("says so when QEMU ends before it is attached", async () => {
      qemu.replies["query-status"] = () => {
        void qemu.end();
        return { status: "running" };
      };
      await expect(start({ base: "save" })).rejects.toThrow(/QEMU closed the connection/);
      expect(attached).toEqual([]);
    });

    it("says that QEMU ended when its socket is gone before the connection is", async () => {
      qemu.replies["query-status"] = () => {
        void qemu.end();
        return { status: "running" };
      };
      qemu.replies["human-monitor-command"] = () => {
        rmSync(qemu.socket, { force: true });
        return `address-space: memory\r\n${qemu.memoryTree}`;
      };
      await expect(start({ base: "save" })).rejects.toThrow(/^\S+: QEMU closed the connection$/);
    });

    it("says so when nobody can tell whose QEMU it is", async () => {
      qemu.replies["human-monitor-command"] = () => {
        rmSync(qemu.socket);
        return `address-space: memory\r\n${qemu.memoryTree}`;
      };
      await expect(start({ base: "save" })).rejects.toThrow(
        /qmp was taken away, and with it whose QEMU it is/,
      );
      expect(qemu.commands).not.toContain("migrate");
      await qemu.close();
      qemu = new FakeQemu();
      await qemu.listen();
      qemu.replies["human-monitor-command"] = () => {
        rmSync(qemu.socket, { force: true });
        return `address-space: memory\r\n${qemu.memoryTree}`;
      };
      await startBriefly({ base: "auto" });
      expect(attached[0]?.base.kind).toBe("mtree");
      expect(attached[0]?.base.refused[1]).toMatch(/save: .*qmp was taken away/);
      asBefore();
    });

    it.each([
      {
        name: "is not there",
        folder: () => `${qemu.folder}/nowhere`,
        message: /no folder of ours can be made in .*nowhere: ENOENT/,
      },
      {
        name: "is a file",
        folder: () => qemu.log,
        message: /no folder of ours can be made in .*log: ENOTDIR/,
      },
    ])("says so when the folder for temporary files $name", async ({ folder, message }) => {
      qemu.append("");
      vi.stubEnv("TMPDIR", folder());
      await expect(start({ base: "save" })).rejects.toThrow(message);
      asBefore();
      await startBriefly({ base: "auto" });
      expect(attached[0]?.base.kind).toBe("mtree");
      vi.unstubAllEnvs();
      asBefore();
    });

    it("puts settings back after a fault of its own", async () => {
      const fault = new TypeError("a fault");
      await expect(
        start({
          onState: () => {
            throw fault;
          },
        }),
      ).rejects.toBe(fault);
      asBefore();
    });

    it("changes nothing of a QEMU whose log is no file", async () => {
      rmSync(qemu.log, { force: true });
      execFileSync("mkfifo", [qemu.log]);
      await expect(start({ base: "auto" })).rejects.toThrow(/a log can be followed only in a file/);
      expect(qemu.commands).not.toContain("trace-event-set-state");
      expect(qemu.commands).not.toContain("migrate");
      asBefore();
    });

    it("refuses a QEMU without these events", async () => {
      qemu.events.clear();
      await expect(start()).rejects.toThrow(/has no trace events spapr_iommu_/);
    });
  });
}
