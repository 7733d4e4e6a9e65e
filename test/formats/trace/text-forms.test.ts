import { describe, expect, it } from "vitest";
import type { LinuxDmaEvent } from "../../../src/formats/trace/dma-event.ts";
import { DMA_LOST } from "../../../src/formats/trace/dma-kinds.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { some } from "../../helpers/some.ts";
import { FORMS, rowsOf } from "./text-forms.ts";

const ROWS = rowsOf(new TextDecoder().decode(readCorpus("traces", "dma-ppc64le-linux72-planted.txt")));

/** What a text says of each event; and what the reader counted. */
function readAll(text: string) {
  const events: ReturnType<typeof plain>[] = [];
  const reader: DmaLogReader = new DmaLogReader((event) => {
    if (event.kind !== DMA_LOST) events.push(plain(event, reader));
  });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += 5000) reader.push(bytes.subarray(at, at + 5000));
  reader.end();
  return { events, reader };
}

function plain(event: LinuxDmaEvent, reader: DmaLogReader) {
  const { kind, direction, dmaHi, dmaLo, physHi, physLo, size, attributes, failed } = event;
  return {
    kind,
    device: reader.devices.names[event.device],
    list: [...event.ranges.words.subarray(0, event.ranges.length * 2)],
    entries: [...event.entries.words.subarray(0, event.entries.length * 2)],
    direction,
    address: [dmaHi, dmaLo, physHi, physLo],
    size,
    attributes,
    failed,
    origin: {
      task: reader.tasks.names[event.task],
      pid: event.pid,
      cpu: event.cpu,
      time: Math.round(event.seconds * 1e6 + event.nanoseconds / 1000),
    },
  };
}

describe("one recording", () => {
  const expected = readAll(`${ROWS.map((row) => FORMS[0]!.print([row])[0]).join("\n")}\n`).events;

  it("has what its rows have", () => {
    expect(ROWS).toHaveLength(154);
    expect(expected.map(({ origin }) => origin)).toEqual(
      ROWS.map(({ task, pid, cpu, seconds, microseconds }) => ({
        task,
        pid,
        cpu,
        time: seconds * 1e6 + microseconds,
      })),
    );
  });

  it.each(some(FORMS, 5))("reads the same from $name", ({ tells, print }) => {
    const { events, reader } = readAll(`${print(ROWS).join("\n")}\n`);
    expect(reader.counts).toMatchObject({ damaged: 0, lostMarkers: 0, long: 0, torn: 0 });
    const shown = (all: typeof events) =>
      all.map(({ origin, ...event }) => ({
        ...event,
        ...Object.fromEntries(tells.map((name) => [name, origin[name]])),
      }));
    expect(shown(events)).toEqual(shown(expected));
  });
});
