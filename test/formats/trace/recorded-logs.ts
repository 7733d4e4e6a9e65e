import { expect } from "vitest";
import { toBig } from "../../../src/base/u64.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { SimpleTraceReader } from "../../../src/formats/trace/simple-trace.ts";
import {
  DDW_CREATE,
  DDW_QUERY,
  NEW_TABLE,
  POST_LOAD,
  PRE_SAVE,
  type QemuTraceEvent,
} from "../../../src/formats/trace/trace-event.ts";
import { findSchema } from "../../../src/formats/trace/trace-schema.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { readCorpus, readSidecar } from "../../helpers/corpus.ts";
import { EVENT_NAMES } from "./simple-file.ts";

/**
 * What is to be seen in every recording of QEMU: the facts of its sidecar.
 *
 * @module
 */

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** The facts of a sidecar that single events tell. */
class Facts {
  readonly event_counts: Record<string, number> = {};
  readonly tables_allocated: unknown[] = [];
  readonly ddw_queries: unknown[] = [];
  readonly windows_created: unknown[] = [];
  readonly pre_save: unknown[] = [];
  readonly post_load: unknown[] = [];
  readonly xlate_by_perm: Record<string, number> = {};

  add(event: QemuTraceEvent): void {
    const { name } = findSchema(event.kind, event.pci);
    this.event_counts[name] = (this.event_counts[name] ?? 0) + 1;
    const line = event.position;
    const liobn = hex(BigInt(event.liobn));
    const buid = hex(toBig(event.buidHi, event.buidLo));
    const addr = hex(BigInt(event.configAddress));
    const start = hex(toBig(event.busOffsetHi, event.busOffsetLo));
    if (name === "spapr_iommu_xlate") {
      this.xlate_by_perm[event.perm] = (this.xlate_by_perm[event.perm] ?? 0) + 1;
    } else if (event.kind === NEW_TABLE) this.tables_allocated.push({ line, liobn });
    else if (event.kind === DDW_QUERY) {
      const mask = hex(BigInt(event.pageSizes));
      this.ddw_queries.push({ line, buid, addr, windows_available: event.available, mask });
    } else if (event.kind === DDW_CREATE) {
      const page_size = hex(toBig(event.pageSizeHi, event.pageSizeLo));
      const window_size = hex(toBig(event.windowSizeHi, event.windowSizeLo));
      this.windows_created.push({ line, buid, addr, page_size, window_size, start, liobn });
    } else if (event.kind === PRE_SAVE) this.pre_save.push(line);
    else if (event.kind === POST_LOAD) this.post_load.push(line);
  }
}

/** A log has the sidecar's facts, and its lines come back. */
export function readLog(name: string): void {
  const bytes = readCorpus("traces", `${name}.log`);
  const { facts } = readSidecar("traces", name);
  const lines = new TextDecoder("latin1").decode(bytes).split("\n");
  const found = new Facts();
  let different = 0;
  const reader = new QemuLogReader((event) => {
    found.add(event);
    if (formatQemuTraceEvent(event) !== lines[event.position - 1]) different++;
  });
  for (let at = 0; at < bytes.length; at += 65_536) reader.push(bytes.subarray(at, at + 65_536));
  reader.end();

  expect(different).toBe(0);
  const counts = facts.event_counts as Record<string, number>;
  const ours = Object.entries(counts).filter(([event]) => event.startsWith("spapr_iommu_"));
  expect(found.event_counts).toEqual(Object.fromEntries(ours));
  expect(found.tables_allocated.slice(0, 200)).toEqual(facts.tables_allocated);
  expect(found.ddw_queries.slice(0, 200)).toEqual(facts.ddw_queries);
  expect(found.windows_created.slice(0, 200)).toEqual(facts.windows_created);
  const lineOf = (fact: { line: number }): number => fact.line;
  expect(found.pre_save.slice(0, 200)).toEqual(facts.pre_save.map(lineOf));
  expect(found.post_load.slice(0, 200)).toEqual(facts.post_load.map(lineOf));
  expect(found.xlate_by_perm).toEqual(facts.xlate_by_perm);

  const { events, otherEvents, text, damaged, long, torn } = reader.counts;
  // "(not a trace line)" has no "_", and neither has the tail of a string with a line end in it.
  const named = Object.entries(counts).filter(([event]) => event.includes("_"));
  expect(events + otherEvents).toBe(named.reduce((sum, [, count]) => sum + count, 0));
  expect(events + otherEvents + text).toBe(lines.length - 1);
  expect({ damaged, long, torn }).toEqual({ damaged: 0, long: 0, torn: 0 });
}

function formatWithoutOrigin(event: QemuTraceEvent): string {
  event.thread = Number.NaN;
  return formatQemuTraceEvent(event);
}

function logEvents(name: string): string[] {
  const texts: string[] = [];
  const reader = new QemuLogReader((event) => texts.push(formatWithoutOrigin(event)));
  reader.push(readCorpus("traces", `${name}.log`));
  reader.end();
  return texts;
}

/** The log's events without those that the sidecar says the binary file lacks. */
function eventsOf(name: string, comparison: Record<string, unknown>): string[] {
  const texts = logEvents(name);
  const runs = comparison.runs_of_log_events_not_in_the_simple_file as
    | { first_log_event: number; count: number }[]
    | undefined;
  for (const { first_log_event, count } of [...(runs ?? [])].reverse()) texts.splice(first_log_event, count);
  return texts;
}

export interface Read {
  readonly texts: string[];
  readonly positions: number[];
  readonly reader: SimpleTraceReader;
}

export function readAll(bytes: Uint8Array, chunk = 65_536): Read {
  const texts: string[] = [];
  const positions: number[] = [];
  const reader = new SimpleTraceReader(
    (event) => {
      texts.push(formatQemuTraceEvent(event));
      positions.push(event.position);
    },
    { eventNames: EVENT_NAMES },
  );
  for (let at = 0; at < bytes.length; at += chunk) reader.push(bytes.subarray(at, at + chunk));
  reader.end();
  return { texts, positions, reader };
}

/** A simple trace has the events of the log, as its sidecar says. */
export function compareSimple(name: string): void {
  const { simple, simple_and_log, facts } = readSidecar("traces", name);
  const { texts, reader } = readAll(readCorpus("traces", `${name}.simple`));
  const comparison = simple_and_log.only_spapr_iommu_events_in_order ?? simple_and_log;
  const expected = eventsOf(name, comparison);
  expect(texts.length).toBe(expected.length);
  expect(texts.findIndex((text, i) => text !== expected[i])).toBe(-1);
  expect(facts.event_counts).toBeDefined();

  const counts = reader.counts;
  expect(counts.events + counts.otherEvents).toBe(simple.event_records);
  expect(counts.mappings).toBe(simple.mapping_records);
  expect(counts.droppedRecords).toBe(simple.dropped_event_records);
  expect(counts.dropped).toBe(simple.events_dropped);
  expect(counts.stepsBack).toBe(simple.steps_back_in_time);
  expect(counts.tornBytes).toBe(simple.torn_record_at_the_end?.bytes_left ?? 0);
  expect(reader.processId).toBe(simple.process_ids[0]);
  expect(reader.drops).toEqual(
    simple.drops.map((drop: { offset: number; dropped: number }) => ({
      offset: drop.offset,
      count: drop.dropped,
    })),
  );
  const broken = simple.broken_in_the_middle;
  expect(reader.broken).toEqual(
    broken ? [{ offset: broken.spliced_record_at, end: broken.next_whole_record_at }] : [],
  );
}
