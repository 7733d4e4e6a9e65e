import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Hit } from "../../src/workbench/protocol.ts";
import { readCorpus } from "../helpers/corpus.ts";
import { Table } from "../helpers/table.ts";

const FAULTS = "faults-stray-dma-e1000-nvme-linux61.log";

async function find(table: Table, text: string, event = 0, limit = 20): Promise<Hit[]> {
  return await table.ask("search", { text, event, limit });
}

describe("search", () => {
  it("finds lines from the playhead on and around the end, packed or not", async () => {
    const bytes = readCorpus("traces", FAULTS);
    const text = new TextDecoder().decode(bytes).split("\n");
    const lines = text.flatMap((line, i) => (line.includes("perm=0") ? [i + 1] : []));
    expect(lines.length).toBeGreaterThan(5);
    for (const data of [bytes, new Uint8Array(gzipSync(bytes))]) {
      const table = new Table();
      const { events } = await table.open(data);
      const all = await find(table, "PERM=0", 0, 1000);
      expect(all.map((hit) => hit.text)).toEqual(lines.map((line) => text[line - 1]!.trim()));
      const middle = all[3]!.event;
      const from = await find(table, "perm=0", middle, 1000);
      expect(from.map(({ event }) => event)).toEqual(
        [...all.slice(3), ...all.slice(0, 3)].map(({ event }) => event),
      );
      expect(await find(table, "perm=0", events - 1, 2)).toHaveLength(2);
      expect(await find(table, "no such text")).toEqual([]);
    }
  });

  it("finds events of a file that is no text by their names", async () => {
    const table = new Table();
    const { events } = await table.open(readCorpus("recordings", "612-stack.dat"));
    const found = await find(table, "dma_unmap", Math.floor(events / 2), 1000);
    expect(found.length).toBeGreaterThan(1);
    for (const { text } of found) expect(text).toContain("dma_unmap");
    expect(new Set(found.map(({ event }) => event)).size).toBe(found.length);
  });

  it("finds windows, devices, events and lines by number", async () => {
    const table = new Table();
    const { spaces } = await table.open(readCorpus("traces", FAULTS));
    const [hit] = await find(table, "80000001");
    expect([hit!.what, hit!.text]).toEqual(["window or device", "0x80000001"]);
    expect(spaces[hit!.place!.space]!.name).toBe("0x80000001");
    const numbers = await find(table, "100");
    expect(numbers.filter(({ text }) => /^(?:event|line) 100/.test(text))).toHaveLength(2);
    expect((await find(table, "line 100"))[0]).toMatchObject({ what: "event" });
    expect((await find(table, "event 1,000"))[0]).toMatchObject({ event: 1000 });
  });

  it("finds addresses in lines as Linux writes them", async () => {
    const table = new Table();
    await table.open(readCorpus("traces", "dma-ppc64le-linux612-planted.txt"));
    const found = await find(table, "0x180000");
    expect(found.length).toBeGreaterThan(1);
    for (const { text } of found) expect(text).toMatch(/=180000\b/);
  });

  it("finds what a bus address holds, and who maps a place in memory", async () => {
    const table = new Table();
    const { events } = await table.open(readCorpus("traces", "nvme-e1000-1g-linux61.log"));
    const event = events - 1;
    const space = (await table.ask("spaces", { event })).find(({ mapped }) => mapped > 0)!;
    const ask = { event, space: space.number, first: 0, end: space.pages, limit: 1 };
    const [row] = (await table.ask("rows", ask)).rows;
    const bus = await find(table, `0x${(row!.address + 1n).toString(16)}`, event);
    expect(bus[0]).toMatchObject({ what: "bus address", place: { space: space.number, first: row!.first } });
    const memory = await find(table, `0x${(row!.target! + 1n).toString(16)}`, event);
    expect(memory.some(({ what, place }) => what === "memory" && place?.first === row!.first)).toBe(true);
  });
});
