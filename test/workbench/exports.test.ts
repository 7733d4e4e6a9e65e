import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseOpScript } from "../../src/formats/op-script/script.ts";
import { OpRunner } from "../../src/script/op/run.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import { cli, cliIn } from "../cli/cli.ts";
import { readCorpus } from "../helpers/corpus.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { Table } from "../helpers/table.ts";

const FAULTS = "faults-stray-dma-e1000-nvme-linux61.log";
const TRACE = "tracing-switched-on-in-a-running-guest-linux61";
const folder = scratchFolder();

describe("what the workbench gives out", () => {
  it("is a report as check prints it, also of the events that a filter takes", async () => {
    const table = new Table();
    const bytes = readCorpus("traces", FAULTS);
    writeFileSync(path.join(folder, "trace.log"), bytes);
    await table.open(bytes, "trace.log");
    for (const text of ["", "spapr_iommu_xlate"]) {
      await table.ask("filter", { text });
      const options = text === "" ? [] : ["-F", text];
      const { stdout } = await cliIn(folder, ["check", ...options, "--output", "json", "trace.log"]);
      expect(await table.ask("report", {})).toBe(stdout);
    }
  });

  it("is a script that brings a machine to what was selected", async () => {
    for (const name of [
      "pgsz-256m-linux61.log",
      "nvme-e1000-1g-linux61.log",
      "driver-rebind-phb-hotplug-linux61.log",
    ]) {
      const table = new Table();
      const { events } = await table.open(readCorpus("traces", name));
      const event = Math.floor(events / 2);
      const all = await table.ask("spaces", { event });
      const used = all.filter(({ mapped, unknown }) => mapped > 0 && unknown === 0);
      expect(used.length).toBeGreaterThan(0);
      for (const { number: space, name: liobn, pages } of used) {
        const range = { event, space, first: 0, end: pages };
        const text = await table.ask("script", range);
        const script = parseOpScript(text, "selection.jsonl");
        const runner = new OpRunner(script.config);
        for (const { operation } of script.lines) {
          const { ret, status } = runner.run(operation);
          expect(ret ?? status).toBe(0);
        }
        const { rows } = await table.ask("rows", { ...range, limit: 500 });
        expect(rows.length).toBeGreaterThan(0);
        for (const { address, target } of rows) {
          const { status, registers } = runner.machine.call(Hcall.GET_TCE, Number(liobn), address);
          expect([status, registers.get(4) & ~3n]).toEqual([0, target]);
        }
      }
    }
  });

  it("says why there is no script of a device of Linux", async () => {
    const table = new Table();
    await table.open(readCorpus("traces", "dma-ppc64le-linux612-planted.txt"));
    const ask = table.ask("script", { event: 20, space: 0, first: 0, end: 1e6 });
    await expect(ask).rejects.toThrow(/is no window after event 20/);
  });

  it("is a table with all rows, whose names are cells", async () => {
    const table = new Table();
    const text = [
      "# tracer: nop",
      'x-1 [000] .... 1.0: dma_map_page: =a"b dir=TO_DEVICE dma_addr=10000 size=4096 phys_addr=12000 attrs=',
      "",
    ].join("\n");
    await table.open(text);
    expect(await table.ask("csv", { event: 0, space: 0, first: 0, end: 1e6 })).toBe(
      "space,bus address,pages,target,permission,certainty,since\n" +
        `"'=a""b",0x10000,1,0x12000,TO_DEVICE,known,0\n`,
    );
  });

  it("is a timeline as convert makes it", async () => {
    const table = new Table();
    const bytes = readCorpus("traces", FAULTS);
    await table.open(bytes);
    writeFileSync(path.join(folder, "trace.log"), bytes);
    const { bytes: timeline } = await table.ask("timeline", {});
    const out = path.join(folder, "out.pftrace");
    const { status } = await cli(["convert", path.join(folder, "trace.log"), out]);
    expect(status).toBe(0);
    expect(Buffer.compare(timeline, readFileSync(out))).toBe(0);
  });
});

describe("two files side by side", () => {
  const open = async (): Promise<Table> => {
    const table = new Table();
    await table.open(readCorpus("traces", `${TRACE}.log`), "trace.log");
    const saved = readCorpus("migration", `${TRACE}--midrun.mig`);
    await table.ask("open", { name: "saved.mig", data: new Blob([saved]) }, 2);
    return table;
  };

  it("compares a trace with a saved machine of the same run where they agree best", async () => {
    const table = await open();
    const { event, same, different, findings } = await table.ask("against", { saved: 2 });
    expect(different).toBe(0);
    expect(findings).toEqual([]);
    expect(same).toBeGreaterThan(100);
    // Between that moment and the saved machine only what the trace does not know differs.
    const { rows } = await table.ask("diff", { event: 0, before: { file: 1, event }, limit: 1e4 }, 2);
    const there = await table.ask("spaces", { event });
    expect(there.some(({ unknown }) => unknown > 0)).toBe(true);
    expect(rows.every(({ what }) => what !== "changed")).toBe(true);
    await expect(table.ask("against", { saved: 1 }, 2)).rejects.toThrow(/trace|saved machine/);
  });

  it("has the same changes there and back, and none beside itself", async () => {
    const table = await open();
    const [at, limit] = [500, 1e5];
    const there = await table.ask("diff", { event: 0, before: { file: 1, event: at }, limit }, 2);
    const back = await table.ask("diff", { event: at, before: { file: 2, event: 0 }, limit }, 1);
    expect(there.all).toBeGreaterThan(0);
    const swapped = {
      mapped: "unmapped",
      unmapped: "mapped",
      created: "removed",
      removed: "created",
      "not-compared": "not-compared",
      changed: "changed",
    };
    const keyOf = (what: string, { space, address, pages }: (typeof there.rows)[number]): string =>
      `${what} ${space} ${address} ${pages}`;
    expect(back.rows.map((row) => keyOf(swapped[row.what], row)).sort()).toEqual(
      there.rows.map((row) => keyOf(row.what, row)).sort(),
    );
    const same = await table.ask("diff", { event: at, before: { file: 1, event: at }, limit });
    expect(same.all).toBe(0);
  });

  it("counts in cells what differs", async () => {
    const table = await open();
    const event = 500;
    const before = { file: 2, event: 0 };
    const { rows } = await table.ask("diff", { event, before, limit: 1e5 });
    for (const { number, name } of await table.ask("spaces", { event })) {
      const ask = { event, space: number, view: undefined, rows: 12, open: [] };
      const cells = await table.ask("cells", { ...ask, before });
      const sum = (counts: Float64Array): number => counts.reduce((a, b) => a + b, 0);
      const of = (what: string): number =>
        rows
          .filter((row) => row.space === name && row.what === what)
          .reduce((all, row) => all + row.pages, 0);
      expect(sum(cells.came)).toBe(of("mapped") + of("changed"));
      expect(sum(cells.went)).toBe(of("unmapped"));
    }
  });
});
