import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { diffSpaces } from "../../src/check/lives/alive.ts";
import { parseMoment } from "../../src/check/state/moment.ts";
import { diffStates, type WindowChange } from "../../src/check/state/window-state.ts";
import { aliveAt } from "../../src/check/whole/alive-at.ts";
import { checkTrace } from "../../src/check/whole/check-trace.ts";
import { measureTrace } from "../../src/check/whole/measure-trace.ts";
import { whoMaps } from "../../src/check/whole/who-maps.ts";
import { statesAtMoments, windowsAt } from "../../src/check/whole/windows-at.ts";
import { isDmaDump, readDmaDump } from "../../src/formats/dma-dump/dma-dump.ts";

const readCase = (name: string): string => readFileSync(path.join(import.meta.dirname, name), "utf8");

describe("a dump of what Linux has mapped: 08-dma-api-dump.txt", () => {
  const text = readCase("08-dma-api-dump.txt");

  it("has 52 live mappings of two devices", async () => {
    const [state] = await statesAtMoments(text, [undefined]);
    expect(state).toMatchObject({ format: "dma-api-dump", moment: undefined, windows: [] });
    expect(state!.spaces.map(({ space, mappings }) => [space, mappings.length])).toEqual([
      ["0000:00:05.0", 40],
      ["4a100000.ringacc", 12],
    ]);
    const [first] = state!.spaces[0]!.mappings;
    expect(first).toMatchObject({ left: 0x3ff0n, life: { access: "FROM_DEVICE", made: undefined } });
    expect(first!.stretches).toMatchObject([{ first: 0x1_1f4c_0010n, target: 0x1_1f4c_0010n }]);
    expect((await aliveAt(text)).mappings).toHaveLength(52);
  });

  it("is one in the kernel's log, too, of which check judges what else it says", async () => {
    const log = readCase("09-eexist.dmesg");
    const [state] = await statesAtMoments(log, [undefined]);
    expect(state!.spaces.map(({ space, mappings }) => [space, mappings.map(({ left }) => left)])).toEqual([
      ["dpni.2", [0x30n, 0x5a8n]],
    ]);
    expect((await checkTrace(log)).findings.map(({ kind }) => kind)).toEqual(["cache-line-shared"]);
  });

  it("tells whose an address is", async () => {
    const { spaces } = await whoMaps(text, { first: 0xc226_0020n, last: 0xc226_0020n });
    expect(spaces.map(({ space }) => space)).toEqual(["4a100000.ringacc"]);
  });

  it("is compared with another one", async () => {
    const lines = text.split("\n");
    const [before] = await statesAtMoments(text, [undefined]);
    const [after] = await statesAtMoments(lines.toSpliced(4, 2).join("\n"), [undefined]);
    const changes = [...diffSpaces(before!.spaces, after!.spaces)];
    expect(changes.map(({ what }) => what)).toEqual(["unmapped", "unmapped"]);
  });

  it("has no events: check, stat and a moment are refused with what it is", async () => {
    await expect(checkTrace(text)).rejects.toThrow(
      /52 live mappings of 2 devices .* snapshot and has no events/,
    );
    await expect(measureTrace(text)).rejects.toThrow(/a dma-api\/dump of Linux; map, alive/);
    await expect(statesAtMoments(text, [{ event: 1 }])).rejects.toThrow(/has no other moments/);
  });

  it.each([
    {
      line: "e1000 0000:00:03.0: scatter-gather idx 7 P=0x1000 N=1 D=2000 L=10 DMA_TO_DEVICE dma map error checked",
      mapping: {
        device: "0000:00:03.0",
        type: "scatter-gather",
        address: 0x2000n,
        bytes: 16n,
        memory: 0x1000n,
      },
    },
    {
      line: "e1000 0000:00:03.0 single idx 1 P=10 D=ffffffffffffffff L=1 cln=0x1 DMA_BIDIRECTIONAL",
      mapping: { address: 2n ** 64n - 1n, direction: "BIDIRECTIONAL" },
    },
  ])("is known by its first line: $line", ({ line, mapping }) => {
    expect(isDmaDump(new TextEncoder().encode(`# a comment\n\n${line}\n`))).toBe(true);
    expect(isDmaDump(new TextEncoder().encode(`[    9.1] ${line}\n`))).toBe(false);
    expect(readDmaDump(`prose\n[    9.1] ${line}\n`)).toMatchObject({
      mappings: [{ line: 2, ...mapping }],
      others: 1,
    });
  });
});

it("a script of a host's kernel is nothing to check, and exec is named", async () => {
  await expect(checkTrace('{"header": {"kernel":"6.12.0"}}\n')).rejects.toThrow(/exec --check compares/);
});

describe("saved machines whose windows are in another order: 27-*.mig.gz", () => {
  const windowsOf = (name: string) =>
    windowsAt(new Uint8Array(readFileSync(path.join(import.meta.dirname, name))));
  const changesOf = async (name: string) => {
    const changes: WindowChange[] = [];
    diffStates(await windowsOf("27-order-source.mig.gz"), await windowsOf(name), (change) => {
      changes.push(change);
    });
    return changes.map((change) =>
      change.what === "entries" ? [change.window.liobn, change.pages] : change.what,
    );
  };

  it("are the same, and two windows that changed places are told", async () => {
    expect(await changesOf("27-order-destination.mig.gz")).toEqual([]);
    expect(await changesOf("27-swapped.mig.gz")).toEqual([
      [0x2000, 10],
      [0x3000, 10],
    ]);
  });
});

describe("what a window or a device uses up is told with it", () => {
  const fillingOf = async (name: string) => {
    const bytes = new Uint8Array(readFileSync(path.join(import.meta.dirname, name)));
    const [state] = await statesAtMoments(bytes, [undefined], { judgeFilling: true });
    return state!.filling;
  };

  it.each([
    { name: "default-1g-nvme-e1000-linux72.log.gz", found: [{ kind: "never-unmapped", liobn: 0x8000_0000 }] },
    { name: "17-rx-never-unmapped.txt", found: [{ kind: "never-unmapped", device: "0000:06:03.0" }] },
    { name: "12-fragmented.log", found: [{ kind: "fragmented", liobn: 0x8000_0001 }] },
    { name: "leak-nvme-not-found.log", found: [] },
  ])("$name: $found", async ({ name, found }) => {
    expect(await fillingOf(name)).toMatchObject(found);
  });

  it("with the time that is left, where the trace has times", async () => {
    let text = "1@100.000000:spapr_iommu_new_table liobn=0x80000000 table=0x1 fd=-1\n";
    for (let page = 0; page < 4000; page++) {
      const time = `${100 + Math.floor(page / 100)}.${String((page % 100) * 10_000).padStart(6, "0")}`;
      text += `1@${time}:spapr_iommu_pci_put liobn=0x80000000 ioba=0x${(page * 0x1000).toString(16)} tce=0x${(7 + page * 2).toString(16)}003 ret=0\n`;
    }
    const [state] = await statesAtMoments(text, [undefined], { judgeFilling: true });
    // 258,144 of 262,144 pages at 100 a second.
    expect(state!.filling).toMatchObject([
      { message: expect.stringMatching(/\(100 pages a second: 43 min 1 s\)$/) },
    ]);
    expect((await statesAtMoments(text, [{ event: 10 }], { judgeFilling: true }))[0]!.filling).toBe(
      undefined,
    );
  });
});

it("a window that is cleared and mapped entry by entry is two phases with their cost: 24-clear-one-by-one.log", async () => {
  const { windows } = await measureTrace(readCase("24-clear-one-by-one.log"));
  expect(windows.map(({ liobn, phases }) => [liobn, phases])).toMatchObject([
    [0x8000_0000, [{ what: "clear", calls: 900, pages: 900, firstEvent: 0, lastEvent: 899, leastCalls: 2 }]],
    [0x8000_0001, [{ what: "map", calls: 150, pages: 150, firstEvent: 901, line: 902, leastCalls: 1 }]],
  ]);
  expect(windows[0]!.phases[0]!.seconds).toBeCloseTo(0.015283, 6);
});

describe("moments of a trace with times since 1970: epoch-times.log", () => {
  const text = readCase("epoch-times.log");
  const at = (moment: string) => statesAtMoments(text, [parseMoment(moment)], { name: "epoch-times.log" });

  it.each([
    { moment: "2s", event: 1 },
    { moment: "1795817853.0", event: 1 },
    { moment: "1795817874.949573", event: 3 },
  ])("$moment is event $event, which the answer says", async ({ moment, event }) => {
    const [state] = await at(moment);
    expect(state!.moment).toMatchObject({ event, isEnd: false });
  });

  it.each([
    { moment: "23s", message: /23 s after the first event lies outside.* 22.323068 s/ },
    { moment: "12.5", message: /time 12.500000000 lies outside .*; so long after its first event is 12.5s/ },
    {
      moment: "1795817860",
      message: /event 1795817860 lies outside .*as a time of its clock write 1795817860.0/,
    },
    { moment: "40", message: /event 40 lies outside of the recording, which has events 0 to 39$/ },
  ])("$moment lies outside, which is an error", async ({ moment, message }) => {
    await expect(at(moment)).rejects.toThrow(message);
  });
});
