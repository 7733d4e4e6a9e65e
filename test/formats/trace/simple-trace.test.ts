import { describe, expect, it } from "vitest";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { SimpleTraceReader } from "../../../src/formats/trace/simple-trace.ts";
import { PUT, QemuTraceEvent } from "../../../src/formats/trace/trace-event.ts";
import { findSchema } from "../../../src/formats/trace/trace-schema.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { readCorpus, readSidecar, smallCorpusNames } from "../../helpers/corpus.ts";
import { some, times } from "../../helpers/some.ts";
import { compareSimple, readAll } from "./recorded-logs.ts";
import { EVENT_NAMES, SimpleFile } from "./simple-file.ts";

/** A put whose four arguments tell its number. */
function putOf(number: number): QemuTraceEvent {
  const event = new QemuTraceEvent();
  event.kind = PUT;
  event.pci = true;
  findSchema(PUT, true).fields.forEach(({ word }, i) => {
    event.words[word] = 0x8000_0000 + number;
    event.words[word + 1] = i;
  });
  return event;
}

describe("QEMU's simple traces", () => {
  it.each(smallCorpusNames("traces", ".simple.gz", 60_000))(
    "%s has the events of the log, as its sidecar says",
    compareSimple,
  );

  it("has the times of the file, exactly", () => {
    const name = "simple-nvme-e1000-1g-linux61";
    const { simple } = readSidecar("traces", name);
    const times: bigint[] = [];
    const reader = new SimpleTraceReader(({ seconds, nanoseconds }) => {
      times.push(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
    });
    reader.push(readCorpus("traces", `${name}.simple`));
    reader.end();
    expect(times[0]).toBe(BigInt(simple.first_timestamp_ns));
    expect(times.at(-1)).toBe(BigInt(simple.last_timestamp_ns));
  });

  it.each([
    0n,
    999_999_999n,
    1_000_000_000n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 64n - 1n,
    8_999_999_999_999_999n,
  ])("splits a time of %s ns without loss", (time) => {
    const found: bigint[] = [];
    const reader = new SimpleTraceReader(({ seconds, nanoseconds }) => {
      found.push(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
    });
    reader.push(Uint8Array.from(new SimpleFile(4, true).event(putOf(1), time).bytes));
    reader.end();
    expect(found).toEqual([time]);
  });

  const FORMS = [2, 3, 4].flatMap((version) => [true, false].map((little) => ({ version, little })));

  it.each(some(FORMS, 5))(
    "reads every event of version $version, little-endian: $little",
    ({ version, little }) => {
      // The recordings with the rarer events, rewritten.
      const expected: string[] = [];
      const file = new SimpleFile(version, little);
      const log = new QemuLogReader((event) => {
        event.thread = Number.NaN;
        if (expected.length < times(2000, 5000) || event.kind > 5) {
          expected.push(formatQemuTraceEvent(event));
          file.event(event, BigInt(expected.length));
          if (expected.length % 10 === 0) file.other(3, BigInt(expected.length), "a string\n");
          if (expected.length % 100 === 0) file.dropped(5n, BigInt(expected.length));
        }
      });
      for (const name of ["vio-vscsi-vlan-linux61", "migration-destination-virtio-e1000-linux61"]) {
        log.push(readCorpus("traces", `${name}.log`));
      }
      log.end();
      const { texts, reader } = readAll(Uint8Array.from(file.bytes));
      expect(texts).toEqual(expected);
      const { breaks, brokenBytes, tornBytes, stepsBack, droppedRecords } = reader.counts;
      expect({ breaks, brokenBytes, tornBytes, stepsBack }).toEqual({
        breaks: 0,
        brokenBytes: 0,
        tornBytes: 0,
        stepsBack: 0,
      });
      expect(reader.counts.dropped).toBe(droppedRecords * 5);
      expect(reader.version).toBe(version);
    },
  );

  it("is torn where a file is cut, and gives all records before that", () => {
    const file = new SimpleFile(4, true);
    const starts: number[] = [];
    for (let number = 0; number < 3; number++) {
      starts.push(file.bytes.length);
      file.event(putOf(number), BigInt(number));
    }
    const whole = Uint8Array.from(file.bytes);
    for (let cut = starts[0]!; cut <= whole.length; cut++) {
      const { positions, reader } = readAll(whole.subarray(0, cut));
      const size = starts[1]! - starts[0]!;
      const records = Math.floor((cut - starts[0]!) / size);
      expect(positions).toEqual(starts.slice(0, records));
      expect(reader.counts.tornBytes).toBe(cut - starts[0]! - records * size);
      expect(reader.counts.breaks).toBe(0);
    }
  });

  it("finds the next records behind a splice, wherever the first one was cut", () => {
    const size = 64;
    for (let cut = 1; cut < size; cut++) {
      const file = new SimpleFile(4, false);
      file.event(putOf(0), 0n);
      const at = file.bytes.length;
      file.event(putOf(1), 1n);
      file.bytes.length = at + cut;
      for (let number = 2; number < 6; number++) file.event(putOf(number), BigInt(number));
      for (const chunk of [1, 1000]) {
        const { positions, reader } = readAll(Uint8Array.from(file.bytes), chunk);
        // Cut in its header a record is no record; cut in its arguments its header is good, but not the next one.
        expect(positions).toEqual([at - size, ...[0, 1, 2, 3].map((i) => at + cut + i * size)]);
        expect(reader.broken).toEqual([{ offset: at, end: at + cut }]);
      }
    }
  });

  it("says how far a break reaches that nothing follows", () => {
    const file = new SimpleFile(4, true).event(putOf(0), 0n);
    const at = file.bytes.length;
    file.event(putOf(1), 1n);
    for (let i = 0; i < 300_000; i++) file.bytes.push(0x41);
    const { positions, reader } = readAll(Uint8Array.from(file.bytes));
    expect(positions).toEqual([at - 64, at]);
    expect(reader.broken).toEqual([{ offset: at + 64, end: file.bytes.length }]);
    expect(reader.counts.brokenBytes).toBe(300_000);
  });

  it("takes names that come later, as those of a module", () => {
    const file = new SimpleFile(4, true).event(putOf(0), 0n);
    file.mapping(100, "spapr_iommu_late").other(100, 1n, "").event(putOf(1), 2n);
    const { texts, reader } = readAll(Uint8Array.from(file.bytes));
    expect(texts.length).toBe(2);
    expect(reader.counts.otherEvents).toBe(1);
    expect(reader.counts.breaks).toBe(0);
  });

  it("does not let a damaged record rename an event", () => {
    const file = new SimpleFile(4, true).event(putOf(0), 0n);
    file.mapping(EVENT_NAMES.indexOf("spapr_iommu_pci_put"), "other").event(putOf(1), 1n);
    expect(readAll(Uint8Array.from(file.bytes)).texts.length).toBe(2);
  });

  it.each([
    { name: "nothing", bytes: [], error: /0 bytes has no whole header/ },
    {
      name: "half a header",
      bytes: new SimpleFile(4, true).bytes.slice(0, 12),
      error: /12 bytes has no whole/,
    },
    { name: "zeros", bytes: new Array(24).fill(0), error: /not a simple trace: 0x0 at byte 8/ },
    { name: "version 1", bytes: new SimpleFile(1, true).bytes, error: /version 1 .*byte 16/ },
    { name: "version 5", bytes: new SimpleFile(5, false).bytes, error: /version 5/ },
    {
      name: "version 3 without names",
      bytes: new SimpleFile(3, true).bytes,
      error: /version 3 .*pass the names/,
    },
  ])("refuses $name", ({ bytes, error }) => {
    const reader = new SimpleTraceReader(() => {});
    expect(() => {
      reader.push(Uint8Array.from(bytes));
      reader.end();
    }).toThrow(error);
  });
});
