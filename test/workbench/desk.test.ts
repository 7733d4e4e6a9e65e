import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkTrace } from "../../src/check/whole/check-trace.ts";
import { rowsEnd } from "../../src/workbench/maths/heat-rows.ts";
import { EVENT_CLASSES } from "../../src/workbench/protocol.ts";
import { readCorpus } from "../helpers/corpus.ts";
import { Table } from "../helpers/table.ts";

const FAULTS = "faults-stray-dma-e1000-nvme-linux61.log";

describe("the desk of the workbench", () => {
  it("finds what check finds, and tells of it while it reads", async () => {
    const table = new Table();
    const bytes = readCorpus("traces", FAULTS);
    const summary = await table.open(bytes);
    const report = await checkTrace(bytes, { name: "trace" });
    expect(summary.events).toBe(report.events);
    expect(table.findings.findings.map(({ kind, lines }) => ({ kind, lines }))).toEqual(
      report.findings.map(({ kind, lines }) => ({ kind, lines })),
    );
    const read = table.messages.filter((message) => message.what === "read");
    expect(read.at(-1)).toMatchObject({
      isDone: true,
      progress: { bytes: bytes.length, size: bytes.length },
    });
  });

  it("filters as check -F does, and takes it back", async () => {
    const table = new Table();
    const bytes = readCorpus("traces", "dma-ppc64le-linux612-planted.txt");
    await table.open(bytes);
    const all = table.findings.findings.length;
    const filter = "dma_map_*: size > 2000";
    const report = await checkTrace(bytes, { name: "trace", filter });
    await table.ask("filter", { text: filter });
    expect(table.findings.findings.map(({ text }) => text)).not.toEqual([]);
    expect(table.findings.findings).toHaveLength(report.findings.length);
    await table.ask("filter", { text: "" });
    expect(table.findings.findings).toHaveLength(all);
    await expect(table.ask("filter", { text: "size >" })).rejects.toThrow(/filter/);
  });

  it("has a lane for each of 254 devices, and one for all others, in which their pages add up", async () => {
    const table = new Table();
    const address = (i: number): string =>
      `${(i >> 5).toString(16).padStart(4, "0")}:00:${(i & 31).toString(16).padStart(2, "0")}.0`;
    const lines = Array.from(
      { length: 260 },
      (_, i) =>
        ` nvme-8 [000] d..1. 5.${100_000 + i}: dma_map_page: ${address(i)} dir=TO_DEVICE dma_addr=${i + 1}000 size=8192 phys_addr=${i + 1}000 attrs=\n`,
    );
    const { events, lanes } = await table.open(lines.join(""));
    expect(lanes).toHaveLength(255);
    expect(lanes.slice(-2)).toEqual([address(253), "others"]);
    const { mapped } = await table.ask("lanes", { axis: "event", from: 0, to: events, columns: 1 });
    expect([...mapped]).toEqual([...Array(254).fill(2), 12]);
  });

  it("shows the lines of the file around an event, packed or not", async () => {
    const bytes = readCorpus("traces", FAULTS);
    const text = new TextDecoder().decode(bytes).split("\n");
    for (const data of [bytes, new Uint8Array(gzipSync(bytes))]) {
      const table = new Table();
      await table.open(data);
      for (const event of [0, 3, 700, 1622]) {
        const lines = await table.ask("lines", { event, before: 2, after: 3 });
        const now = lines.find((line) => line.event === event)!;
        expect(now.text).toBe(text[now.line - 1]);
        for (const line of lines) expect(line.text).toBe(text[line.line - 1]);
        expect(now.text).toContain("spapr_iommu_");
      }
    }
  });

  it("answers at once what follows the playhead, as it answers each alone; what fails fails alone", async () => {
    const table = new Table();
    const { spaces, events } = await table.open(readCorpus("traces", FAULTS));
    const { number: space, pages } = spaces[0]!;
    const event = events >> 1;
    const view = { event, space };
    const cells = { ...view, view: undefined, rows: 12, open: [] };
    const rows = { ...view, first: 0, end: pages, limit: 100 };
    const minimap = { ...view, parts: 77 };
    const answers = await table.ask("moment", {
      asks: [
        { call: "minimap", ...minimap },
        { call: "cells", ...cells, space: 99 },
        { call: "rows", ...rows },
        { call: "cells", ...cells },
        { call: "spaces", event },
        { call: "secondsOf", event },
      ],
    });
    expect(answers).toEqual([
      { value: await table.ask("minimap", minimap) },
      { message: "there is no space 99" },
      { value: await table.ask("rows", rows) },
      { value: await table.ask("cells", cells) },
      { value: await table.ask("spaces", { event }) },
      { value: await table.ask("secondsOf", { event }) },
    ]);
    expect((answers[2] as { value: { rows: unknown[] } }).value.rows.length).toBeGreaterThan(0);
  });

  it("writes out the events of a file that is no text", async () => {
    const table = new Table();
    await table.open(readCorpus("traces", "simple-file-off-and-on-nvme-e1000-linux61.simple"));
    const lines = await table.ask("lines", { event: 10, before: 2, after: 2 });
    expect(lines.map(({ event }) => event)).toEqual([8, 9, 10, 11, 12]);
    for (const { text } of lines) expect(text).toMatch(/^spapr_iommu_\w+ \w+=0x/);
  });

  it("counts each event once, in whatever columns", async () => {
    const table = new Table();
    const { events, lanes } = await table.open(readCorpus("traces", FAULTS));
    for (const columns of [1, 7, 100, 5000]) {
      const answer = await table.ask("lanes", { axis: "event", from: 0, to: events, columns });
      expect(answer.counts.reduce((a, b) => a + b, 0)).toBe(events);
      expect(answer.mapped).toHaveLength(lanes.length * columns);
    }
    const halves = await Promise.all(
      [
        [0, 800],
        [800, events],
      ].map(([from, to]) => table.ask("lanes", { axis: "event", from: from!, to: to!, columns: 3 })),
    );
    expect(halves.flatMap(({ counts }) => [...counts]).reduce((a, b) => a + b, 0)).toBe(events);
  });

  it("has cells that add up to what is mapped, at every level", async () => {
    const table = new Table();
    const { events, spaces } = await table.open(readCorpus("traces", "nvme-e1000-1g-linux61.log"));
    const event = Math.floor(events / 2);
    const there = await table.ask("spaces", { event });
    expect(there.length).toBeGreaterThan(0);
    for (const { number, pages, mapped, unknown } of there) {
      for (const shift of [undefined, 4, 8, 13]) {
        const view = shift === undefined ? undefined : { first: 0, shift };
        const ask = { event, space: number, view, rows: shift === undefined ? 12 : 4096, open: [] };
        const answer = await table.ask("cells", { ...ask, before: { file: 1, event: 0 } });
        expect(rowsEnd(answer)).toBeGreaterThanOrEqual(pages);
        expect(answer.mapped.reduce((a, b) => a + b, 0)).toBe(mapped);
        expect(answer.unknown.reduce((a, b) => a + b, 0)).toBe(unknown);
      }
      const { mapped: parts } = await table.ask("minimap", { event, space: number, parts: 77 });
      expect(parts.reduce((a, b) => a + b, 0)).toBe(mapped);
    }
    expect(spaces.length).toBeGreaterThanOrEqual(there.length);
  });

  it("says which event mapped a row, and that event did", async () => {
    const table = new Table();
    const { events } = await table.open(readCorpus("traces", "dma-ppc64le-linux612-planted.txt"));
    const [space] = await table.ask("spaces", { event: events - 1 });
    const whole = { space: space!.number, first: 0, end: space!.pages, limit: 1000 };
    const { rows } = await table.ask("rows", { event: events - 1, ...whole });
    expect(rows.length).toBeGreaterThan(10);
    for (const { address, since } of rows.slice(0, 20)) {
      const before = await table.ask("rows", { event: since[0] - 1, ...whole });
      const after = await table.ask("rows", { event: since[0], ...whole });
      expect(before.rows.some((row) => row.address === address && row.since[0] === since[0])).toBe(false);
      expect(after.rows.some((row) => row.address === address && row.since[0] === since[0])).toBe(true);
    }
  });

  it("says how large the mappings of a cell are, and whose", async () => {
    for (const [name, owner] of [
      ["nvme-e1000-1g-linux61.log", /^rw .* a call$/],
      ["dma-ppc64le-linux612-planted.txt", /^dma_\w+ by \w+/],
    ] as const) {
      const table = new Table();
      const { events } = await table.open(readCorpus("traces", name));
      const space = (await table.ask("spaces", { event: events - 1 })).find(({ mapped }) => mapped > 0)!;
      const ask = { event: events - 1, space: space.number, view: undefined, rows: 12, open: [] };
      const cells = await table.ask("cells", { ...ask, detail: "owner" });
      expect(cells.ownerNames.some((one) => owner.test(one))).toBe(true);
      for (const [cell, mapped] of cells.mapped.entries()) {
        expect(cells.owners[cell]! > 0).toBe(mapped > 0);
        expect(cells.sizes[cell]! > 0).toBe(mapped > 0);
      }
    }
  });

  it("finds who maps a place in memory", async () => {
    const table = new Table();
    const { events } = await table.open(readCorpus("traces", "nvme-e1000-1g-linux61.log"));
    const event = events - 1;
    const spaces = await table.ask("spaces", { event });
    const { number, pages } = spaces.find(({ mapped }) => mapped > 0)!;
    const { rows } = await table.ask("rows", { event, space: number, first: 0, end: pages, limit: 5 });
    const [row] = rows;
    const found = await table.ask("who", { event, target: row!.target! + 5n });
    expect(found.map(({ row: one }) => one.address)).toContain(row!.address);
  });

  it("adds up a selection", async () => {
    const table = new Table();
    const { events } = await table.open(readCorpus("traces", FAULTS));
    const [space] = await table.ask("spaces", { event: events - 1 });
    const { counts, ended, medianLife, longestLife, peak } = await table.ask("totals", {
      space: space!.number,
      from: 0,
      to: events - 1,
      first: 0,
      end: space!.pages,
    });
    expect(counts[EVENT_CLASSES.indexOf("fault")]).toBe(56);
    expect(ended).toBeGreaterThan(0);
    expect(medianLife).toBeLessThanOrEqual(longestLife);
    expect(peak).toBeGreaterThan(0);
  });

  it("lists what differs between two moments", async () => {
    const table = new Table();
    const { events } = await table.open(readCorpus("traces", FAULTS));
    const same = await table.ask("diff", { before: { file: 1, event: 5 }, event: 5, limit: 10 });
    expect(same).toEqual({ rows: [], all: 0 });
    const { rows, all } = await table.ask("diff", {
      before: { file: 1, event: 0 },
      event: events - 1,
      limit: 10,
    });
    expect(rows.length).toBe(Math.min(10, all));
    expect(all).toBeGreaterThan(0);
  });

  it("runs an op script, one moment for each operation", async () => {
    const table = new Table();
    const script = [
      '{"header":1,"phbs":[{"index":0}]}',
      '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x5003"}',
      '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x0"}',
      "",
    ].join("\n");
    const { format, events, spaces } = await table.open(script);
    expect([format, events]).toEqual(["op-script", 2]);
    const ask = { space: spaces[0]!.number, first: 0, end: 16, limit: 10 };
    expect((await table.ask("rows", { event: 0, ...ask })).rows).toMatchObject([
      { address: 0x1000n, target: 0x5000n },
    ]);
    expect((await table.ask("rows", { event: 1, ...ask })).rows).toEqual([]);
    const lives = await table.ask("lives", {
      space: ask.space,
      axis: "event",
      from: 0,
      to: 2,
      rows: { shift: 0, starts: Float64Array.of(0), folds: Float64Array.of(1) },
      columns: 10,
      height: 10,
    });
    expect([lives.count, lives.starts[0], lives.ends[0]]).toEqual([1, 0, 1]);
  });

  it("says why it cannot read something, and reads the next", async () => {
    const table = new Table();
    await expect(table.open("nothing to see here\n")).rejects.toThrow(/no event that is known here/);
    await expect(table.ask("spaces", { event: 0 })).rejects.toThrow(/nothing of this file/);
    const xz = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0, 0, 0, 0);
    await expect(table.open(xz)).rejects.toThrow();
    expect((await table.open(readCorpus("traces", FAULTS))).events).toBe(1623);
  });

  it("stops where it is told to, and says so", async () => {
    const table = new Table();
    const bytes = readCorpus("traces", "vfio-in-guest-nvme-linux72.log");
    table.onMessage = ({ what }) => {
      if (what === "read") void table.ask("stop", {});
    };
    const { events } = await table.open(bytes);
    const all = new TextDecoder().decode(bytes).match(/^spapr_iommu_|:spapr_iommu_/gm)!.length;
    expect(events).toBeGreaterThan(0);
    expect(events).toBeLessThan(all);
    expect(table.findings.notJudged.join()).toMatch(/reading was stopped/);
  });
});
