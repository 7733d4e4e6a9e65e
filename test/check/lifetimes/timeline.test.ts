import { describe, expect, it } from "vitest";
import { DmaTimeline } from "../../../src/check/lifetimes/linux-timeline.ts";
import { LifetimeTracker } from "../../../src/check/lifetimes/qemu-lifetimes.ts";
import { Timeline } from "../../../src/check/lifetimes/qemu-timeline.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { SimpleTraceReader } from "../../../src/formats/trace/simple-trace.ts";
import { type QemuTraceEvent, STUFF, XLATE } from "../../../src/formats/trace/trace-event.ts";
import { readCorpus, readCorpusHead, readSidecar, smallCorpusNames } from "../../helpers/corpus.ts";
import {
  bytesOf,
  decode,
  type Fields,
  numberOf,
  packetsOf,
  perfettoMistakes,
  textOf,
} from "../../helpers/perfetto.ts";
import { some } from "../../helpers/some.ts";

interface Track {
  readonly name: string;
  readonly parent: string;
  readonly isCounter: boolean;
}
interface Slice {
  readonly track: bigint;
  readonly name: string;
  readonly begin: bigint;
  readonly end: bigint | undefined;
  readonly notes: Record<string, bigint | string>;
}
interface Decoded {
  readonly tracks: Map<bigint, Track>;
  readonly slices: Slice[];
  readonly instants: Slice[];
  readonly counters: Map<string, [time: bigint, value: bigint][]>;
}

/** `expect` is too slow for a million packets. */
function check(condition: boolean, complaint: string): void {
  if (!condition) throw new Error(complaint);
}

/** Reads a trace as Perfetto does: packets sorted by time, slices of a track as a stack. */
function read(file: Uint8Array): Decoded {
  const result: Decoded = { tracks: new Map(), slices: [], instants: [], counters: new Map() };
  const raw = packetsOf(file);
  expect(perfettoMistakes(raw)).toEqual([]);
  const packets = raw.map(decode);
  expect(numberOf(packets[0]!, 13), "the first packet clears the state").toBe(1n);
  for (const packet of packets) {
    check(numberOf(packet, 10) === 1n, "a packet is of another sequence");
    const descriptor = bytesOf(packet, 60);
    if (descriptor === undefined) continue;
    const track = decode(descriptor);
    const parent = numberOf(track, 5);
    const uuid = numberOf(track, 1)!;
    check(!result.tracks.has(uuid), "a track is there twice");
    check(parent === undefined || result.tracks.has(parent), "a track comes before its parent");
    result.tracks.set(uuid, {
      name: textOf(track, 2),
      parent: parent === undefined ? "" : result.tracks.get(parent)!.name,
      isCounter: track.has(8),
    });
  }
  const open = new Map<bigint, number>();
  const events = packets.filter((packet) => packet.has(11));
  const timeOf = (packet: Fields): bigint => numberOf(packet, 8)!;
  events.sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : timeOf(a) > timeOf(b) ? 1 : 0));
  for (const packet of events) readEvent(result, open, timeOf(packet), decode(bytesOf(packet, 11)!));
  return result;
}

function readEvent(result: Decoded, open: Map<bigint, number>, time: bigint, event: Fields): void {
  const uuid = numberOf(event, 11)!;
  const track = result.tracks.get(uuid)!;
  const type = numberOf(event, 9);
  check(track.isCounter === (type === 4n), "a track mixes counters and slices");
  if (type === 4n) {
    const key = `${track.parent} ${track.name}`;
    const values = result.counters.get(key) ?? [];
    values.push([time, BigInt.asIntN(64, numberOf(event, 30)!)]);
    result.counters.set(key, values);
    return;
  }
  const slice = { track: uuid, name: textOf(event, 23), begin: time, end: undefined, notes: notesOf(event) };
  if (type === 3n) result.instants.push(slice);
  else if (type === 1n) {
    check(!open.has(uuid), "slices of one track overlap");
    open.set(uuid, result.slices.push(slice) - 1);
  } else {
    const at = open.get(uuid)!;
    open.delete(uuid);
    const begun = result.slices[at]!;
    result.slices[at] = { ...begun, end: time, notes: { ...begun.notes, ...slice.notes } };
  }
}

function notesOf(event: Fields): Record<string, bigint | string> {
  const notes: Record<string, bigint | string> = {};
  for (const bytes of (event.get(4) ?? []) as Uint8Array[]) {
    const note = decode(bytes);
    notes[textOf(note, 10)] = numberOf(note, 7) ?? numberOf(note, 4) ?? textOf(note, 6);
  }
  return notes;
}

function collect(): { write: (bytes: Uint8Array) => void; file: () => Uint8Array } {
  const chunks: Uint8Array[] = [];
  return { write: (bytes) => chunks.push(bytes.slice()), file: () => Buffer.concat(chunks) };
}

function feed(name: string, onEvent: (event: QemuTraceEvent) => void): void {
  const isSimple = name.endsWith(".simple");
  const reader = isSimple ? new SimpleTraceReader(onEvent) : new QemuLogReader(onEvent);
  reader.push(readCorpusHead("traces", name, 500_000));
  reader.end();
}

describe("a timeline for Perfetto", () => {
  const NAMES = [
    "faults-stray-dma-e1000-nvme-linux61.log",
    "memory-hotplug-dimms-1536m-linux61.log",
    "kdump-crash-kernel-linux61.log",
    "simple-nvme-e1000-1g-linux61.simple",
    "reboot-twice-nvme-e1000-linux61.log",
  ];
  it.each(some(NAMES, 3))("has a slice for each mapping, and counters that add up: %s", (name) => {
    const { write, file } = collect();
    const timeline = new Timeline(write);
    const made: { event: number; pages: number; end: number | undefined; fate: string }[] = [];
    let calls = 0;
    let translations = 0;
    let faults = 0;
    const tracker = new LifetimeTracker({
      begin: ({ made: { event }, pages }) => made.push({ event, pages, end: undefined, fate: "alive" }),
      end: (mapping, _first, _pages, fate, moment) => {
        if (mapping.left === 0) Object.assign(made[mapping.number]!, { end: moment?.event, fate });
      },
    });
    feed(name, (event) => {
      timeline.handle(event);
      tracker.handle(event);
      if (!tracker.rebuild.windows.has(event.liobn)) return;
      if (event.kind <= STUFF) calls++;
      if (event.kind === XLATE) translations++;
      if (event.kind === XLATE && event.perm === 0) faults++;
    });
    timeline.end();
    tracker.end();
    const decoded = read(file());

    const slices = decoded.slices.map(({ name: text, notes, end }) => ({
      event: Number(notes.event),
      pages: Number(/ (\d+) pages?$/.exec(text)![1]),
      end: end === undefined ? undefined : Number(notes["end event"]),
      fate: end === undefined ? "alive" : notes.fate,
    }));
    expect(slices.sort((a, b) => a.event - b.event)).toEqual(made);
    expect(made.length).toBeGreaterThan(100);
    expect(decoded.instants.length).toBe(faults);

    let countedCalls = 0n;
    let countedTranslations = 0n;
    for (const [key, values] of decoded.counters) {
      const sum = values.reduce((total, [, value]) => total + value, 0n);
      if (key.endsWith(" calls")) countedCalls += sum / 100n;
      if (key.endsWith(" translations")) countedTranslations += sum / 100n;
      if (key.endsWith(" mapped")) {
        const window = key.slice(0, -" mapped".length);
        const alive = decoded.slices.filter(
          ({ track, end }) => end === undefined && decoded.tracks.get(track)!.parent === window,
        );
        const expected = alive.reduce(
          (bytes, { notes }) => bytes + (notes.pages as bigint) * pageSize(window),
          0n,
        );
        // Less where a mapping that is alive has lost some of its pages.
        expect(values.at(-1)![1]).toBeLessThanOrEqual(expected);
        expect(values.every(([, value]) => value >= 0n)).toBe(true);
      }
    }
    expect(countedCalls).toBe(BigInt(calls));
    expect(countedTranslations).toBe(BigInt(translations));
  });

  it("shows times, addresses and occupancy of a known sequence exactly", () => {
    const { write, file } = collect();
    const timeline = new Timeline(write);
    const reader = new QemuLogReader((event) => timeline.handle(event));
    const lines = [
      "7@1700000000.000001:spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1",
      "8@1700000000.000002:spapr_iommu_pci_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0",
      "8@1700000000.000004:spapr_iommu_pci_indirect liobn=0x80000000 ioba=0x4000 tcelist=0x5000 iobaN=0x1 tceN=0x9001 ret=0",
      "7@1700000000.000003:spapr_iommu_xlate liobn=0x80000000 0x3008 -> 0x0 perm=0 mask=0xfff",
      "8@1700000000.000006:spapr_iommu_pci_stuff liobn=0x80000000 ioba=0x2000 tcevalue=0x0 npages=1 ret=0",
    ];
    reader.push(new TextEncoder().encode(`${lines.join("\n")}\n`));
    reader.end();
    timeline.end();
    const { slices, counters, instants, tracks } = read(file());
    const at = (microseconds: number): bigint => 1_700_000_000_000_000_000n + BigInt(microseconds) * 1000n;
    const window = "window 0x80000000 at 0x0, 4 KiB pages";
    expect(slices.map(({ track, ...rest }) => ({ ...rest, track: tracks.get(track) }))).toEqual([
      {
        track: { name: "mappings", parent: window, isCounter: false },
        name: "put 1 page",
        begin: at(2),
        end: at(6),
        notes: {
          ioba: 0x1000n,
          pages: 1n,
          perm: 3n,
          event: 1n,
          position: 2n,
          tce: 0x2003n,
          fate: "unmapped",
          "end event": 4n,
          "end position": 5n,
        },
      },
      {
        track: { name: "mappings", parent: window, isCounter: false },
        name: "indirect 2 pages",
        begin: at(4),
        end: undefined,
        notes: { ioba: 0x4000n, pages: 2n, perm: 1n, event: 2n, position: 3n, "inferred tce": 0x8001n },
      },
    ]);
    // The fault is older than the call before it: it is drawn at that one's time.
    expect(instants.map(({ begin, notes }) => [begin, notes.ioba])).toEqual([[at(4), 0x3008n]]);
    expect(counters.get(`${window} mapped`)).toEqual([
      [at(2), 0x1000n],
      [at(4), 0x3000n],
      [at(6), 0x2000n],
    ]);
    expect(counters.get(`${window} calls`)).toEqual([
      [at(0), 300n],
      [at(10_000), 0n],
    ]);
  });

  it.each(some(smallCorpusNames("traces", ".txt.gz", 40_000), 4))("pairs the maps of Linux: %s", (name) => {
    const { write, file } = collect();
    const reader: DmaLogReader = new DmaLogReader((event) => timeline.handle(event));
    const timeline = new DmaTimeline(write, reader);
    reader.push(readCorpus("traces", `${name}.txt`));
    reader.end();
    timeline.end();
    const { slices, tracks } = read(file());
    const alive = slices.filter(({ end }) => end === undefined);
    const { facts, planted } = readSidecar("traces", name);
    const made = new Map<string, number>();
    for (const { track, name: maker } of alive) {
      const key = `${tracks.get(track)!.parent} ${maker}`;
      made.set(key, (made.get(key) ?? 0) + 1);
    }
    const counted = [...made].map(([key, count]) => `${key} ${count}`);
    // Another reader paired them, too. What was planted wrong may pair in several ways.
    if (planted === undefined || planted.length === 0) {
      const expected = facts.alive_at_end as { device: string; made_by: string; count: number }[];
      expect(counted.sort()).toEqual(
        expected.map(({ device, made_by, count }) => `device ${device} ${made_by} ${count}`).sort(),
      );
    }
    for (const { track } of slices) check(/^device /.test(tracks.get(track)!.parent), "a slice of no device");
  });
});

const pageSize = (window: string): bigint => {
  const [, digits, unit] = /, (\d+) ([KMG]?)i?B pages$/.exec(window)!;
  return BigInt(digits!) << BigInt(["", "K", "M", "G"].indexOf(unit!) * 10);
};
