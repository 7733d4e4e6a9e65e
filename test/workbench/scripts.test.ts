import { describe, expect, it } from "vitest";
import { statesAtMoments } from "../../src/check/whole/windows-at.ts";
import { EVENT_CLASSES } from "../../src/workbench/protocol.ts";
import { readCorpus } from "../helpers/corpus.ts";
import { Table } from "../helpers/table.ts";

const header = '{"header":1,"phbs":[{"index":0}]}';
const create =
  '{"op":"rtas","name":"ibm,create-pe-dma-window","args":[0,134217728,536870912,16,31],"nret":4}';
const remove = '{"op":"rtas","name":"ibm,remove-pe-dma-window","args":[2147483649],"nret":1}';
const put = (ioba: string, tce: string, liobn = "0x80000000"): string =>
  JSON.stringify({ op: "h_put_tce", liobn, ioba, tce });

describe("scripts on the desk", () => {
  it("shows what containers and guest tables of a kernel script map, as map --at does", async () => {
    const table = new Table();
    const bytes = readCorpus("kvm", "k04-vfio.jsonl");
    const { format, events, spaces } = await table.open(bytes);
    expect([format, events]).toEqual(["kernel-script", 112]);
    const moments = [20, 60, 99].map((event) => ({ event }));
    const states = await statesAtMoments(bytes, moments);
    let compared = 0;
    for (const [i, { event }] of moments.entries()) {
      const there = await table.ask("spaces", { event });
      for (const { space, mappings } of states[i]!.spaces) {
        const { number, pages } = there.find(({ name }) => name === space)!;
        const { rows } = await table.ask("rows", { event, space: number, first: 0, end: pages, limit: 1e4 });
        const expected = mappings.flatMap(({ life, stretches }) =>
          stretches.map(({ first, target }) => [first, target, life.access, life.made!.event]),
        );
        expect(rows.map((row) => [row.address, row.target, row.access, row.since[0]])).toEqual(expected);
        compared += rows.length;
      }
    }
    expect(spaces.length).toBeGreaterThan(1);
    expect(compared).toBeGreaterThan(3);
  });

  it("tells what each operation was, and which one mapped an entry", async () => {
    const table = new Table();
    const script = [
      header,
      put("0x1000", "0x5003"),
      put("0x1000000000", "0x5003"),
      create,
      remove,
      create,
    ].join("\n");
    const { spaces } = await table.open(script);
    const lanes = await table.ask("lanes", { axis: "event", from: 0, to: 5, columns: 5 });
    const classes = Array.from({ length: 5 }, (_, i) =>
      EVENT_CLASSES.filter((_, kind) => {
        const counts = [0, 1].map((lane) => lanes.counts[(lane * EVENT_CLASSES.length + kind) * 5 + i]);
        return counts.some((count) => count !== 0 && count !== undefined);
      }),
    );
    expect(classes).toEqual([["map"], ["refused"], ["moment"], ["moment"], ["moment"]]);
    const ask = { space: spaces[0]!.number, first: 0, end: 16, limit: 10 };
    const { rows } = await table.ask("rows", { event: 4, ...ask });
    expect(rows.map(({ since }) => since)).toEqual([[0, 0]]);
    // A window that is created again is another one.
    expect(
      spaces.filter(({ name }) => name === "0x80000001").map(({ from, until }) => [from, until]),
    ).toEqual([
      [2, 3],
      [4, Number.POSITIVE_INFINITY],
    ]);
  });

  it("has findings at the operations that they are about", async () => {
    const table = new Table();
    await table.open([header, put("0x1000", "0x5003"), create, put("0x1000000000", "0x5003")].join("\n"));
    const [finding] = table.findings.findings;
    expect([finding!.kind, finding!.lines, finding!.events]).toEqual(["refused-call", [4], [2]]);
  });
});
