import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkReportToJson } from "../../../src/check/report.ts";
import { stateToJson } from "../../../src/check/state/window-state.ts";
import { TraceCheck } from "../../../src/check/trace-check.ts";
import { blankMachine } from "../../../src/check/whole/blank-machine.ts";
import { checkAgainst } from "../../../src/check/whole/check-against.ts";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";
import { measuresToJson, measureTrace } from "../../../src/check/whole/measure-trace.ts";
import { shrinkTrace } from "../../../src/check/whole/shrink-trace.ts";
import { type Row, readTable, writeTable, writeTimeline } from "../../../src/check/whole/tables.ts";
import { windowsAt, windowsAtMoments } from "../../../src/check/whole/windows-at.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { CSV, JSON_LINES, textWriter } from "../../../src/formats/table/text-rows.ts";
import { smallStream } from "../../formats/migration/small-stream.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { inputForms } from "../../helpers/input-forms.ts";
import { create, HIGH, NEW_TABLE, put } from "../../helpers/qemu-lines.ts";
import { some } from "../../helpers/some.ts";

const LOG = readCorpus("traces", "faults-stray-dma-e1000-nvme-linux61.log");
const DMA = readCorpus("traces", "dma-ppc64le-linux72-nvme-e1000.txt");
const SAVED = readCorpus("migration", "pgsz-256m-linux61--pgsz-256m.mig");
/** A saved machine of a few kilobytes. */
const SMALL = smallStream();
const SCRIPT = `${JSON.stringify({ header: 1, phbs: [{ index: 0 }] })}\n${JSON.stringify({
  op: "h_put_tce",
  liobn: "0x80000000",
  ioba: "0x1000",
  tce: "0x2003",
  result: { ret: -1 },
})}\n`;
/** A page that is mapped twice. */
const TWICE = NEW_TABLE + put("0x1000", "0x2003") + put("0x1000", "0x2003");

const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe("checkTrace", () => {
  const check = new TraceCheck("input");
  check.push(LOG);
  const expected = checkReportToJson(check.end());

  it.each(inputForms(LOG))("says of $form what the check of its pieces says", async ({ open }) => {
    expect(checkReportToJson(await checkTrace(open()))).toEqual(expected);
  });

  it.each(some(inputForms(new Uint8Array(gzipSync(SMALL))), 3))(
    "reads a packed saved machine from $form",
    async ({ open }) => {
      const { format, findings, windows } = await checkTrace(open());
      expect(format).toBe("migration-stream");
      expect(new Set(findings.map(({ kind }) => kind))).toEqual(
        // The memory of four pages, and what is mapped of it.
        new Set(["beyond-ram", "direct-map-hole", "window-full"]),
      );
      expect(windows.length).toBe(2);
    },
  );

  it("runs an op script", async () => {
    const { format, findings } = await checkTrace(SCRIPT, { name: "script" });
    expect(format).toBe("op-script");
    expect(findings.map(({ kind, lines }) => [kind, lines])).toEqual([["mismatch", [2]]]);
  });

  it("takes a text for a script if it is told so, and says where it is none", async () => {
    await expect(checkTrace("[]", { name: "x", isScript: true })).rejects.toThrow(/^x:1:1: /);
  });

  it("finds what is missing of packed data that ends early", async () => {
    const packed = gzipSync(LOG);
    const { findings, events } = await checkTrace(packed.subarray(0, packed.length / 2));
    expect(events).toBeGreaterThan(100);
    expect(findings.map(({ kind, message }) => [kind, message])).toContainEqual([
      "truncated",
      "the gzip data ends early",
    ]);
  });

  it("takes filters, thresholds and a name", async () => {
    const text = TWICE + put("0x2000", "0x10003");
    const kinds = async (options: object): Promise<string[]> =>
      (await checkTrace(text, options)).findings.map(({ kind }) => kind);
    expect(await kinds({})).toEqual(["double-map"]);
    expect(await kinds({ ram: 0x1_0000n })).toEqual(["double-map", "beyond-ram"]);
    expect(await kinds({ filter: "pci_put: ioba == 0x2000" })).toEqual([]);
    expect((await checkTrace(text, { name: "boot.log" })).file).toBe("boot.log");
  });

  it.each([
    { input: "nothing of ours", options: {}, error: /input: no event that is known here/ },
    { input: TWICE, options: { filter: "no_such_event" }, error: /no event is named/ },
    { input: TWICE, options: { fullAt: 95 }, error: /fullAt: 95 is not from 0 to 1/ },
    { input: TWICE, options: { pool: -1 }, error: /pool: -1 is not from 0/ },
    { input: SAVED, options: { filter: "pci_put" }, error: /a saved machine has no events to filter/ },
  ])("refuses what makes no sense: $error", async ({ input, options, error }) => {
    await expect(checkTrace(input, options)).rejects.toThrow(error);
  });
});

describe("checkAgainst", () => {
  const trace = readCorpus("traces", "pgsz-256m-linux61.log");

  it("compares a trace with a saved machine of the same run", async () => {
    const { against, mismatches } = await checkAgainst(trace, SAVED, { savedName: "vm.mig" });
    expect(against.file).toBe("vm.mig");
    expect(against.windows.length).toBeGreaterThan(0);
    expect(mismatches).toBe(0);
  });

  it("says which of the two is not what it should be", async () => {
    await expect(checkAgainst(trace, trace)).rejects.toThrow(/^saved machine: is no migration stream/);
    await expect(checkAgainst(SAVED, SAVED)).rejects.toThrow(/are both saved machines/);
    await expect(checkAgainst(DMA, SAVED)).rejects.toThrow(/not windows/);
  });
});

describe("windowsAt", () => {
  const text = NEW_TABLE + put("0x1000", "0x2003") + create(HIGH) + put("0x1000", "0x0");
  const mapped = async (moment?: { event: number }): Promise<number[]> =>
    (await windowsAt(text, moment)).map(({ table }) => table.validCount);

  it("has the windows after an event, and at the end", async () => {
    expect(await mapped({ event: 0 })).toEqual([0]);
    expect(await mapped({ event: 1 })).toEqual([1]);
    expect(await mapped({ event: 3 })).toEqual([1, 0]);
    expect(await mapped()).toEqual([0, 0]);
  });

  it("has several moments of one reading, in the order in which they were asked for", async () => {
    const states = await windowsAtMoments(text, [undefined, { event: 1 }]);
    expect(states.map((windows) => windows.map(({ table }) => table.validCount))).toEqual([[0, 0], [1]]);
  });

  it.each(some(inputForms(new Uint8Array(SMALL)), 3))(
    "has those of a saved machine from $form",
    async ({ open }) => {
      const { windows } = await readMigration(async function* () {
        yield SMALL;
      });
      const states = await windowsAt(open());
      expect(states.map(({ liobn, table }) => [liobn, table.storedCount])).toEqual(
        windows
          .map(({ liobn, table }): [number, number] => [liobn, table?.storedCount ?? 0])
          .sort(([a], [b]) => a - b),
      );
      expect(states.map(stateToJson)).toMatchObject(["0x80000000", "0x80000001"].map((liobn) => ({ liobn })));
    },
  );

  it("does not take a part for the whole, unless somebody hears of it", async () => {
    const packed = gzipSync(LOG);
    const cut = packed.subarray(0, packed.length / 2);
    await expect(windowsAt(cut)).rejects.toThrow("the gzip data ends early");
    const heard: string[] = [];
    expect((await windowsAt(cut, undefined, { onTruncated: (reason) => heard.push(reason) })).length).toBe(2);
    expect(heard).toEqual(["the gzip data ends early"]);
  });
});

describe("tables", () => {
  /** A row as JSON Lines have it. */
  const asJson = (row: Row): unknown =>
    Object.fromEntries(
      Object.entries(row).map(([name, cell]) => {
        const isAddress = typeof cell === "bigint" && !name.endsWith("_ns");
        return [name, isAddress ? `0x${cell.toString(16)}` : typeof cell === "bigint" ? `${cell}` : cell];
      }),
    );

  const TABLES = [
    { of: "QEMU", trace: LOG, table: "events" as const },
    { of: "QEMU", trace: LOG, table: "mappings" as const },
    { of: "Linux", trace: DMA, table: "mappings" as const },
    { of: "Linux", trace: DMA, table: "events" as const },
  ];
  it.each(some(TABLES, 2))(
    "have the same rows as values and as text: $table of $of",
    async ({ trace, table }) => {
      let text = "";
      const options = { table, run: "boot" };
      const summary = await writeTable(
        trace,
        () => textWriter(JSON_LINES, (piece) => (text += piece)),
        options,
      );
      const rows = await collect(readTable(trace, options));
      expect(rows.length).toBeGreaterThan(100);
      const lines = text.trimEnd().split("\n");
      expect(rows.map((row) => JSON.stringify(asJson(row)))).toEqual(
        lines.map((line) => JSON.stringify(JSON.parse(line))),
      );
      expect(summary.counts.events).toBe(summary.taken);
    },
  );

  it("hand out rows while the input is read", async () => {
    let read = 0;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < LOG.length; at += 10_000) {
        read = at;
        yield LOG.slice(at, at + 10_000);
      }
    };
    for await (const row of readTable(source())) {
      expect(row.event).toBe(0);
      break;
    }
    expect(read).toBeLessThan(LOG.length - 10_000);
  });

  it("open their writer once, with all columns", async () => {
    const opened: string[][] = [];
    let text = "";
    await writeTable(TWICE, (columns) => {
      opened.push(columns.map(({ name }) => name));
      return textWriter(CSV, (piece) => (text += piece));
    });
    expect(opened.length).toBe(1);
    expect(text.split("\n")[0]).toBe(opened[0]!.join(","));
  });

  it("open nothing for what is no trace", async () => {
    await expect(writeTable("nothing", () => expect.unreachable())).rejects.toThrow(
      /no event that is known here/,
    );
    await expect(writeTimeline("", () => expect.unreachable())).rejects.toThrow(/is empty/);
  });

  it("make a timeline of mappings", async () => {
    let bytes = 0;
    const { taken } = await writeTimeline(LOG, () => (piece) => {
      bytes += piece.length;
    });
    expect(taken).toBe(1623);
    expect(bytes).toBeGreaterThan(10_000);
  });
});

describe("measureTrace, shrinkTrace and blankMachine", () => {
  it("counts by window of QEMU, by device of Linux", async () => {
    const ofQemu = await measureTrace(TWICE);
    expect(ofQemu).toMatchObject({ format: "qemu-log", events: 3, devices: [] });
    expect(ofQemu.windows.map(({ liobn, pagesMapped }) => [liobn, pagesMapped])).toEqual([[0x8000_0000, 2]]);
    expect(measuresToJson(ofQemu)).toMatchObject({ events: 3, seconds: null, eventsPerSecond: null });
    const ofLinux = await measureTrace(DMA);
    expect(ofLinux.windows).toEqual([]);
    expect(ofLinux.devices.length).toBeGreaterThan(1);
  });

  it("tells of gaps, which are not in the numbers", async () => {
    const { gaps } = await measureTrace(`${TWICE}spapr_iommu_pci_put liobn=0x8`);
    expect(gaps.map(({ kind, line }) => [kind, line])).toEqual([["torn", 4]]);
  });

  it("reduces a trace to a script that shows the finding", async () => {
    const { lines, finding, events } = await shrinkTrace(put("0x5000", "0x6003") + TWICE);
    expect(finding.kind).toBe("double-map");
    expect(events).toBe(4);
    const { findings } = await checkTrace(lines.join("\n"));
    expect(findings.map(({ kind }) => kind)).toEqual(["double-map"]);
  });

  it("refuses to read twice what can be read once", async () => {
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield LOG;
    };
    await expect(shrinkTrace(once())).rejects.toThrow(/is read twice/);
    await expect(blankMachine(once())).rejects.toThrow(/is read twice/);
    await expect(shrinkTrace(TWICE, { finding: 2 })).rejects.toThrow(/finding 2: input has findings 1 to 1/);
    await expect(shrinkTrace(SCRIPT)).rejects.toThrow(/an op script/);
  });

  it("makes the memory of a saved machine zero, and leaves its windows", async () => {
    const { pages, chunks } = await blankMachine(new Uint8Array(gzipSync(SAVED)));
    const blank = new Uint8Array(SAVED.length);
    let at = 0;
    for await (const chunk of chunks) {
      blank.set(chunk, at);
      at += chunk.length;
    }
    expect(at).toBe(SAVED.length);
    expect(pages).toBeGreaterThanOrEqual(0);
    expect((await windowsAt(blank)).map(stateToJson)).toEqual((await windowsAt(SAVED)).map(stateToJson));
  });
});
