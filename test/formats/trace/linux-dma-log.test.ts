import { describe, expect, it } from "vitest";
import {
  ATTRIBUTE_BITS,
  DIRECTION_NAMES,
  type HalvesList,
  type LinuxDmaEvent,
} from "../../../src/formats/trace/dma-event.ts";
import { DMA_EVENT_NAMES, DMA_LOST } from "../../../src/formats/trace/dma-kinds.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { corpusNames, readCorpus, readSidecar, smallCorpusNames } from "../../helpers/corpus.ts";
import { same } from "../../helpers/same.ts";
import { some } from "../../helpers/some.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const value = (hi: number, lo: number): string => ((BigInt(hi) << 32n) | BigInt(lo)).toString(16);
const values = (list: HalvesList): string[] =>
  Array.from({ length: list.length }, (_, i) => value(list.words[i * 2]!, list.words[i * 2 + 1]!));

/** An event as a plain object, without what stands before its name. */
function argumentsOf(event: LinuxDmaEvent, reader: DmaLogReader) {
  return {
    name: DMA_EVENT_NAMES[event.kind],
    device: reader.devices.names[event.device],
    direction: DIRECTION_NAMES[event.direction],
    dma: value(event.dmaHi, event.dmaLo),
    phys: value(event.physHi, event.physLo),
    size: event.size,
    attributes: event.attributes,
    others: event.otherAttributes,
    ranges: values(event.ranges),
    rangeSizes: values(event.rangeSizes),
    entries: values(event.entries),
    totalEntries: event.totalEntries,
    totalRanges: event.totalRanges,
    truncated: event.truncated,
    failed: event.failed,
  };
}

const originOf = (event: LinuxDmaEvent, reader: DmaLogReader) => ({
  seconds: event.seconds,
  nanoseconds: event.nanoseconds,
  cpu: event.cpu,
  pid: event.pid,
  task: reader.tasks.names[event.task],
});

function readAll<T>(bytes: Uint8Array, take: (event: LinuxDmaEvent, reader: DmaLogReader) => T) {
  const events: T[] = [];
  const reader: DmaLogReader = new DmaLogReader((event) => events.push(take(event, reader)));
  for (let at = 0; at < bytes.length; at += 50_000) reader.push(bytes.subarray(at, at + 50_000));
  reader.end();
  return { events, reader };
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** The form in which the kernel prints, read by regular expressions. */
function slowArguments(line: string) {
  const match = /(?:^|[ :])(dma_[a-z_]+): +([^ =]+) dir=(\S+)/.exec(line);
  if (match === null) return null;
  const word = (key: string): string | undefined => new RegExp(` ${key}=(\\S*)`).exec(line)?.[1];
  const list = (key: string): string[] => {
    const text = word(key)?.slice(1, -1) ?? "";
    return text === "" ? [] : text.split(",").map((one) => one.slice(2));
  };
  const entries = list("phys_addrs");
  const ranges = list("dma_addrs");
  const names = (word("attrs") ?? "").split("|").filter((name) => name !== "");
  return {
    name: match[1],
    device: match[2],
    direction: match[3],
    dma: word("dma_addr") ?? "0",
    phys: word("phys_addr") ?? "0",
    size: Number(word("size") ?? 0),
    attributes: names.reduce((bits, name) => bits | ATTRIBUTE_BITS[name]!, 0),
    others: "",
    ranges,
    rangeSizes: list("sizes"),
    entries,
    totalEntries: Number(word("nents")?.split("/")[1] ?? entries.length),
    totalRanges: Number(word("ents")?.split("/")[1] ?? ranges.length),
    truncated: line.includes(" [TRUNCATED] "),
    failed:
      word("dma_addr") === "ffffffffffffffff" ||
      (match[1]!.startsWith("dma_alloc") &&
        word("dma_addr") === "0" &&
        word("virt_addr") === "0000000000000000"),
  };
}

const recordings = corpusNames("traces", ".txt.gz");

describe("Linux' dma events", () => {
  it.each(recordings)("%s has the sidecar's facts", (name) => {
    const { facts } = readSidecar("traces", name);
    const byDevice: Record<string, Record<string, number>> = {};
    const counts: Record<string, number> = {};
    const failed: unknown[] = [];
    const rows = new Map<number, unknown[]>();
    const bytes = readCorpus("traces", `${name}.txt`);
    const { reader } = readAll(bytes, (event, reader) => {
      if (event.kind === DMA_LOST) return;
      const { name, device, direction, dma, ranges, entries } = argumentsOf(event, reader);
      counts[name!] = (counts[name!] ?? 0) + 1;
      byDevice[device!] ??= {};
      byDevice[device!]![name!] = (byDevice[device!]![name!] ?? 0) + 1;
      if (event.failed) failed.push([event.line, name, device]);
      const list = entries.length > 0 && ranges.length > 0;
      rows.set(event.line, [
        event.line,
        device,
        name,
        list ? ranges.join(",") : dma,
        list ? null : event.size,
        direction,
      ]);
    });
    expect(counts).toEqual(facts.event_counts);
    expect(byDevice).toEqual(facts.events_by_device);
    expect(failed.slice(0, facts.failed_calls.length)).toEqual(facts.failed_calls);
    expect(failed.length).toBe(facts.failed_call_count);
    // A long list ends with a word on its length.
    const alive = facts.alive.filter((row: unknown) => Array.isArray(row));
    for (const row of alive) expect(rows.get(row[0])).toEqual(row);
    expect(reader.counts).toEqual({
      events: sum(facts.event_counts),
      other: sum(facts.other_lines),
      comments: facts.comment_lines,
      stackLines: facts.stack_lines ?? 0,
      stacks: facts.stacks ?? 0,
      damaged: 0,
      long: 0,
      torn: 0,
      twins: 0,
      lostMarkers: facts.lost_marker_count,
      lost: facts.lost_marker_count * 619,
      overwritten: 0,
      kernel: 0,
      otherBuffers: 0,
    });
    expect(reader.line).toBe(facts.lines);
  });

  it.each(smallCorpusNames("traces", ".txt.gz", 20_000).filter((name) => !/-(fields|raw)$/.test(name)))(
    "%s has the arguments that regular expressions find",
    (name) => {
      const bytes = readCorpus("traces", `${name}.txt`);
      const lines = new TextDecoder("latin1").decode(bytes).split("\n");
      const wrong: unknown[] = [];
      let compared = 0;
      readAll(bytes, (event, reader) => {
        const expected = slowArguments(lines[event.line - 1]!);
        if (expected === null) return;
        compared++;
        const found = argumentsOf(event, reader);
        if (JSON.stringify(found) !== JSON.stringify(expected)) wrong.push([event.line, found, expected]);
      });
      expect(wrong).toEqual([]);
      expect(compared).toBeGreaterThan(100);
    },
  );

  it.each(["latency", "nocontext", "noirqinfo", "tgid", "fields"])(
    "one recording reads the same with the option %s",
    (option) => {
      const name = "dma-ppc64le-linux72-planted";
      const withOrigin = (event: LinuxDmaEvent, reader: DmaLogReader) => ({
        ...argumentsOf(event, reader),
        ...(option === "nocontext" ? {} : originOf(event, reader)),
      });
      const plain = readAll(readCorpus("traces", `${name}.txt`), withOrigin).events;
      const other = readAll(readCorpus("traces", `${name}-${option}.txt`), withOrigin).events;
      expect(other).toEqual(plain);
      expect(plain.length).toBe(154);
    },
  );

  const TRACE_CMD = [
    { option: "latency", digits: 9 },
    { option: "raw", digits: 6 },
  ];
  it.each(some(TRACE_CMD, 2))(
    "one recording reads the same in trace-cmd's $option form",
    ({ option, digits }) => {
      const name = "dma-ppc64le-linux612-trace-cmd-report";
      const plain = readAll(readCorpus("traces", `${name}.txt`), (event, reader) => ({
        ...argumentsOf(event, reader),
        ...originOf(event, reader),
      })).events;
      const other = readAll(readCorpus("traces", `${name}-${option}.txt`), (event, reader) => ({
        ...argumentsOf(event, reader),
        ...originOf(event, reader),
      })).events;
      expect(other.length).toBe(plain.length);
      other.forEach((event, i) => {
        // trace-cmd rounds to microseconds, and cuts a task's name to eight letters in the latency format.
        const time = (one: { seconds: number; nanoseconds: number }): number =>
          Math.round(one.seconds * 1e6 + one.nanoseconds / 1000);
        const { seconds, nanoseconds, task } = plain[i]!;
        const where = (): string => `event ${i}`;
        same(Math.abs(time(event) - time(plain[i]!)) <= 1, true, where);
        const shown = digits === 9 ? { task: task!.slice(0, 8) } : {};
        const [read, expected] = [
          { ...event, seconds, nanoseconds },
          { ...plain[i], ...shown },
        ].map((it) => JSON.stringify(it));
        same(read, expected, where);
      });
    },
  );

  const LINE = "dma_unmap_phys: 0000:00:03.0 dir=TO_DEVICE dma_addr=120000 size=1536 attrs=";

  it.each([
    {
      text: "          insmod-111     [000] .....    12.647278: ",
      task: "insmod",
      pid: 111,
      cpu: 0,
      time: 12.647278,
    },
    {
      text: "    kworker/u8:1-31      [013] d.h1.    11.949538: ",
      task: "kworker/u8:1",
      pid: 31,
      cpu: 13,
      time: 11.949538,
    },
    {
      text: "          <idle>-0       (-------) [001] d.h..     0.000001: ",
      task: "<idle>",
      pid: 0,
      cpu: 1,
      time: 0.000001,
    },
    {
      text: "        a b-c [9]-138     (    138) [000] .....     9.410869: ",
      task: "a b-c [9]",
      pid: 138,
      cpu: 0,
      time: 9.410869,
    },
    { text: "              dd-1       [000]     12.5: ", task: "dd", pid: 1, cpu: 0, time: 12.5 },
    { text: "  insmod-111       0..... 12647278us#: ", task: "insmod", pid: 111, cpu: 0, time: 12.647278 },
    { text: "  insmod-111      12d.h2. 12647278us+: ", task: "insmod", pid: 111, cpu: 12, time: 12.647278 },
    { text: "  insmod-111       0..... 13311420us : ", task: "insmod", pid: 111, cpu: 0, time: 13.31142 },
    {
      text: "kworker/-12      0.....    10.946595468: ",
      task: "kworker/",
      pid: 12,
      cpu: 0,
      time: 10.946595468,
    },
    {
      text: "    kworker/u4:0-12    [000]-0x0    10.946595: ",
      task: "kworker/u4:0",
      pid: 12,
      cpu: 0,
      time: 10.946595,
    },
    {
      text: " kworker/u4:1-ev      28 [000]    35.193728:                  dma:",
      task: "kworker/u4:1-ev",
      pid: 28,
      cpu: 0,
      time: 35.193728,
    },
    {
      text: " two words   28 [002]    35.193728123:  dma:",
      task: "two words",
      pid: 28,
      cpu: 2,
      time: 35.193728123,
    },
    {
      text: "          insmod-111     [000] .....    12647278: ",
      task: "insmod",
      pid: 111,
      cpu: 0,
      time: Number.NaN,
    },
    { text: "", task: undefined, pid: -1, cpu: -1, time: Number.NaN },
  ])("reads the origin '$text'", ({ text, task, pid, cpu, time }) => {
    const { events } = readAll(bytesOf(`${text}${LINE}\n`), originOf);
    expect(events.length).toBe(1);
    const { seconds, nanoseconds, ...rest } = events[0]!;
    expect(rest).toEqual({ task, pid, cpu });
    if (Number.isNaN(time)) expect(seconds).toBeNaN();
    else expect(seconds * 1e9 + nanoseconds).toBeCloseTo(time * 1e9, 0);
  });

  it.each([
    {
      line: "dma_sync_single_for_cpu: 0000:00:03.0 dir=FROM_DEVICE dma_addr=fffff000 size=64",
      expected: { name: "dma_sync_single_for_cpu", dma: "fffff000", size: 64, direction: "FROM_DEVICE" },
    },
    {
      line: "dma_sync_sg_for_device: 71000003 dir=TO_DEVICE dma_addrs={0x1000,0x3000} sizes={0x1000,0x10}",
      expected: { device: "71000003", ranges: ["1000", "3000"], rangeSizes: ["1000", "10"] },
    },
    {
      line: "dma_map_sg_err: 0000:00:03.0 dir=TO_DEVICE phys_addrs={0x8000} err=-12 attrs=",
      expected: { name: "dma_map_sg_err", entries: ["8000"], failed: true },
    },
    {
      line: "dma_map_sg_err: 0000:00:03.0 dir=TO_DEVICE dma_addrs={0x8000} err=-12 attrs=",
      expected: { name: "dma_map_sg_err", entries: ["8000"], failed: true },
    },
    {
      line: "dma_alloc: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=0 size=4096 virt_addr=0000000000000000 flags=GFP_KERNEL attrs=",
      expected: { failed: true, size: 4096 },
    },
    {
      line: "dma_alloc: 0000:00:03.0 dma_addr=0 size=18446744073709551615 virt_addr=(nil) flags=GFP_KERNEL|__GFP_ZERO attrs=",
      expected: { failed: true, direction: "NONE" },
    },
    {
      line: "dma_free: 0000:00:03.0 dir=BIDIRECTIONAL dma_addr=0 size=0 virt_addr=(nil) attrs=",
      expected: { failed: false },
    },
    {
      line: "dma_map_phys: 0000:00:03.0 dir=TO_DEVICE dma_addr=ffffffffffffffff size=1 phys_addr=ffffffffffffffff attrs=MMIO|NO_WARN|NEW_NAME",
      expected: { failed: true, attributes: 0x500, others: "NEW_NAME", phys: "ffffffffffffffff" },
    },
    {
      line: "dma_map_phys: 0000:00:03.0 dir=TO_DEVICE dma_addr=1000 size=1 phys_addr=1000 attrs=CACHELINES_OVERLAP|A|CC_SHARED|B",
      expected: { attributes: 0x2800, others: "A|B" },
    },
    {
      line: "dma_map_sg: device=d truncated=0x1 (1) full_nents=200 full_ents=1 phys_addrs=ARRAY[] dma_addrs=ARRAY[01, 02, 03, 04, 05, 06, 07, f8] lengths=ARRAY[ff, 00, 00, 80] dir=2 attrs=0x100",
      expected: {
        truncated: true,
        totalEntries: 200,
        ranges: ["f807060504030201"],
        rangeSizes: ["800000ff"],
        attributes: 0x100,
      },
    },
    {
      line: "dma_unmap_sg: 0000:00:03.0 dir=NONE phys_addrs={} attrs=\r",
      expected: { entries: [], direction: "NONE" },
    },
  ])("reads $line", ({ line, expected }) => {
    const { events, reader } = readAll(bytesOf(`${line}\n`), argumentsOf);
    expect(reader.counts.damaged).toBe(0);
    expect(events[0]).toMatchObject(expected);
  });

  it.each([
    "dma_unmap_phys:",
    "dma_unmap_phys: 0000:00:03.0",
    "dma_unmap_phys: 0000:00:03.0 dir=TO_DEVICE dma_addr=120000",
    "dma_unmap_phys: 0000:00:03.0 dir=TO_DEVICE dma_addr=12000g size=1",
    "dma_unmap_phys: 0000:00:03.0 dir=SIDEWAYS dma_addr=120000 size=1",
    "dma_unmap_phys: 0000:00:03.0 dir=4 dma_addr=120000 size=1",
    "dma_unmap_phys: 0000:00:03.0 dir=1 dma_addr=10000000000000000 size=1",
    "dma_unmap_phys: dir=TO_DEVICE dma_addr=120000 size=1",
    "dma_unmap_phys: a dir=TO_DEVICE b dma_addr=120000 size=1",
    "dma_unmap_sg: a dir=TO_DEVICE phys_addrs={0x1000",
    "dma_unmap_sg: a dir=TO_DEVICE phys_addrs={0x1000;}",
    "dma_unmap_sg: device=a addrs=ARRAY[00, 00, 00] dir=1",
    "dma_unmap_sg: device=a addrs=00,00,00,00,00,00,00,0 dir=1",
    "dma_map_sg: a dir=TO_DEVICE dma_addrs={0x1,0x2} sizes={0x1} phys_addrs={0x1}",
  ])("counts '%s' as damaged and goes on", (line) => {
    const { events, reader } = readAll(bytesOf(`${line}\n${LINE}\n`), (event) => event.line);
    expect(events).toEqual([2]);
    expect(reader.counts.damaged).toBe(1);
    expect(reader.damagedLines).toEqual([{ line: 1, text: line }]);
  });

  it("takes text that only mentions an event for something else", () => {
    const text = `printk: dma_alloc: x\n a-1 [000] ..... 1.2: dma_fence_init: y\nxdma_free: z\n${LINE}\n${LINE}`;
    const { events, reader } = readAll(bytesOf(text), (event) => event.line);
    expect(events).toEqual([4]);
    expect(reader.counts).toMatchObject({ events: 1, other: 3, torn: 1, damaged: 0 });
  });

  it("tells where events are missing", () => {
    const text = [
      "# entries-in-buffer/entries-written: 1907/4636   #P:2",
      LINE,
      "CPU:1 [LOST 619 EVENTS]",
      "CPU:0 [LOST EVENTS]",
      "CPU:2 [7 EVENTS DROPPED]",
      "##### CPU 3 buffer started ####",
      "CPU:x nonsense",
      LINE,
      "",
    ].join("\n");
    const { events, reader } = readAll(bytesOf(text), ({ kind, line, cpu, size, number }) =>
      kind === DMA_LOST ? { line, cpu, size, number } : number,
    );
    expect(events).toEqual([
      0,
      { line: 3, cpu: 1, size: 619, number: 1 },
      { line: 4, cpu: 0, size: 0, number: 1 },
      { line: 5, cpu: 2, size: 7, number: 1 },
      { line: 6, cpu: 3, size: 0, number: 1 },
      1,
    ]);
    expect(reader.counts).toMatchObject({
      events: 2,
      other: 1,
      lostMarkers: 4,
      lost: 626,
      overwritten: 2729,
    });
  });

  it("reads events behind a tab and blanks that do not break, also after what looks like a frame", () => {
    const shown = `\t${LINE.replace(/ /g, "\u00a0")}`;
    const { events, reader } = readAll(bytesOf([shown, "\tx", shown, ""].join("\n")), ({ line }) => line);
    expect(events).toEqual([1, 3]);
    expect(reader.counts).toMatchObject({ events: 2, damaged: 0 });
  });
});
