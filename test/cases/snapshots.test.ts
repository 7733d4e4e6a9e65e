import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { diffSpaces } from "../../src/check/lives/alive.ts";
import { parseMoment } from "../../src/check/state/moment.ts";
import { aliveAt } from "../../src/check/whole/alive-at.ts";
import { checkTrace } from "../../src/check/whole/check-trace.ts";
import { measureTrace } from "../../src/check/whole/measure-trace.ts";
import { whoMaps } from "../../src/check/whole/who-maps.ts";
import { statesAtMoments } from "../../src/check/whole/windows-at.ts";
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
