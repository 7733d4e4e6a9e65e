import { expect, it } from "vitest";
import { DmaLifetimeTracker } from "../../../src/check/lifetimes/linux-lifetimes.ts";
import { DMA_MAPPING_COLUMNS, DmaMappingRows } from "../../../src/check/lifetimes/linux-rows.ts";
import { DmaTimeline } from "../../../src/check/lifetimes/linux-timeline.ts";
import { LifetimeTracker } from "../../../src/check/lifetimes/qemu-lifetimes.ts";
import type { Mapping } from "../../../src/check/lifetimes/qemu-mapping.ts";
import { MAPPING_COLUMNS, MappingRows } from "../../../src/check/lifetimes/qemu-rows.ts";
import { Timeline } from "../../../src/check/lifetimes/qemu-timeline.ts";
import { addDmaRow, DMA_COLUMNS } from "../../../src/formats/table/dma-rows.ts";
import { addEventRow, EVENT_COLUMNS } from "../../../src/formats/table/event-rows.ts";
import { type Column, RowBuffer } from "../../../src/formats/table/row-buffer.ts";
import { CSV, JSON_LINES } from "../../../src/formats/table/text-rows.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";

const LINES = 150;
/** What numbers are made of, and what ends them. */
const BYTES = new TextEncoder().encode("0123456789abcdf-x= \n");

/** Some lines from the middle of a trace, with some bytes changed: most lines still read as events. */
function mutate(text: string, random: Random): Uint8Array {
  const start = text.indexOf("\n", random.below(text.length));
  const lines = text.slice(0, 20_000).split("\n", 20);
  const piece = [...lines, ...text.slice(start + 1).split("\n", LINES)].join("\n");
  const bytes = new TextEncoder().encode(`${piece}\n`);
  for (let i = random.below(60); i > 0; i--) bytes[random.below(bytes.length)] = random.pick([...BYTES]);
  return bytes;
}

const readText = (name: string): string => new TextDecoder("latin1").decode(readCorpus("traces", name));

/** A table that is written as text, and every line of JSON read back. */
function rowsOf(columns: readonly Column[]): RowBuffer {
  const write = (rows: RowBuffer): void => {
    for (let row = 0; row < rows.rows; row++) {
      JSON.parse(JSON_LINES.line(rows, row));
      CSV.line(rows, row);
    }
  };
  return new RowBuffer(columns, { write, finish: () => {} }, "run", 64);
}

const LOGS = [
  "nvme-4g-parallel-io-linux612-timestamps.log",
  "vfio-in-guest-windows-linux612.log",
  "driver-rebind-phb-hotplug-linux61.log",
];
const DMA_TRACES = ["dma-ppc64le-linux612-planted.txt", "dma-ppc64le-linux612-trace-cmd-report.txt"];

/** Exports of damaged traces account for every page and end every mapping once, whatever a trace says. */
export function exportDamagedTraces(seed: number, rounds: number): void {
  it.each(LOGS)(`account for every page: %s, SEED=${seed}`, (name) => {
    const random = new Random(seed);
    const text = readText(name);
    const wrong: string[] = [];
    let events = 0;
    for (let round = 0; round < rounds; round++) {
      const alive = new Set<Mapping>();
      let pages = 0;
      const tracker = new LifetimeTracker({
        begin: (mapping) => {
          alive.add(mapping);
          pages += mapping.pages;
        },
        end: (mapping, first, count) => {
          const isRight = alive.has(mapping) && count > 0 && first >= mapping.first;
          if (!isRight) wrong.push(`round ${round}: the end of ${count} pages from ${first}`);
          pages -= count;
          if (mapping.left === 0) alive.delete(mapping);
        },
      });
      const rows = rowsOf(EVENT_COLUMNS);
      const mappings = rowsOf(MAPPING_COLUMNS);
      const mappingTracker = new LifetimeTracker(new MappingRows(mappings));
      const timeline = new Timeline(() => {});
      const reader = new QemuLogReader((event) => {
        events++;
        addEventRow(rows, event, false);
        tracker.handle(event);
        mappingTracker.handle(event);
        timeline.handle(event);
      });
      reader.push(mutate(text, random));
      reader.end();
      for (const one of [tracker, mappingTracker, timeline]) one.end();
      rows.finish();
      mappings.finish();
      if (alive.size + pages > 0) wrong.push(`round ${round}: ${alive.size} mappings, ${pages} pages left`);
    }
    expect(wrong).toEqual([]);
    expect(events).toBeGreaterThan(rounds * 20);
  });

  it.each(DMA_TRACES)(`end every mapping once: %s, SEED=${seed}`, (name) => {
    const random = new Random(seed);
    const text = readText(name);
    const wrong: string[] = [];
    let ended = 0;
    for (let round = 0; round < rounds; round++) {
      const alive = new Set<number>();
      const rows = rowsOf(DMA_COLUMNS);
      const mappings = rowsOf(DMA_MAPPING_COLUMNS);
      const reader: DmaLogReader = new DmaLogReader((event) => {
        addDmaRow(rows, event, reader);
        for (const consumer of consumers) consumer.handle(event);
      });
      const counter = new DmaLifetimeTracker(
        {
          begin: ({ number }) => alive.add(number),
          end: (mapping) => {
            if (mapping === undefined) return;
            ended++;
            if (!alive.delete(mapping.number)) wrong.push(`round ${round}: mapping ${mapping.number}`);
          },
        },
        reader,
      );
      const consumers = [
        counter,
        new DmaLifetimeTracker(new DmaMappingRows(mappings), reader),
        new DmaTimeline(() => {}, reader),
      ];
      reader.push(mutate(text, random));
      reader.end();
      for (const consumer of consumers) consumer.end();
      rows.finish();
      mappings.finish();
      if (alive.size > 0) wrong.push(`round ${round}: ${alive.size} mappings left`);
    }
    expect(wrong).toEqual([]);
    expect(ended).toBeGreaterThan(rounds * 10);
  });
}
