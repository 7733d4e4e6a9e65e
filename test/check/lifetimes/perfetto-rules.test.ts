import { describe, expect, it } from "vitest";
import { Timeline } from "../../../src/check/lifetimes/qemu-timeline.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { readCorpus, smallCorpusNames } from "../../helpers/corpus.ts";
import { decode, numberOf, packetsOf, perfettoMistakes } from "../../helpers/perfetto.ts";
import { some } from "../../helpers/some.ts";

/** Longer traces take long to decode, and show nothing that others do not. */
const MAX_BYTES = 500_000;

function timelineOf(log: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const timeline = new Timeline((bytes) => chunks.push(bytes.slice()));
  const reader = new QemuLogReader((event) => timeline.handle(event));
  reader.push(log);
  reader.end();
  timeline.end();
  return packetsOf(Buffer.concat(chunks));
}

const logs = smallCorpusNames("traces", ".log.gz")
  .map((name) => ({ name, log: readCorpus("traces", `${name}.log`) }))
  .filter(({ log }) => log.length <= MAX_BYTES);

describe("what Perfetto's trace processor asks of a timeline", () => {
  it("holds for many traces", () => {
    expect(logs.length).toBeGreaterThan(7);
    for (const { name, log } of some(logs, 4)) expect(perfettoMistakes(timelineOf(log)), name).toEqual([]);
  });

  // The rules themselves: each of these would be wrong.
  const good = timelineOf(logs.find(({ name }) => name.startsWith("faults-stray-dma"))!.log);
  const isDescriptor = (bytes: Uint8Array): boolean => decode(bytes).has(60);
  const typeOf = (bytes: Uint8Array): bigint | undefined => {
    const event = decode(bytes).get(11)?.[0];
    return event === undefined ? undefined : numberOf(decode(event as Uint8Array), 9);
  };
  const first = (type: bigint): number => good.findIndex((packet) => typeOf(packet) === type);
  const firstTrack = good.findIndex(isDescriptor);
  it.each([
    { name: "no start", packets: good.slice(1), mistake: "needs earlier ones" },
    { name: "no track", packets: good.filter((packet) => !isDescriptor(packet)), mistake: "unknown track" },
    { name: "a track twice", packets: good.toSpliced(firstTrack, 0, good[firstTrack]!), mistake: "is taken" },
    {
      name: "no begin",
      packets: good.filter((packet) => typeOf(packet) !== 1n),
      mistake: "an end without a begin",
    },
    {
      name: "a begin twice",
      packets: good.toSpliced(first(1n), 0, good[first(1n)]!),
      mistake: "slices overlap",
    },
    {
      name: "a track behind its use",
      packets: [...good.filter((packet) => !isDescriptor(packet)), ...good.filter(isDescriptor)],
      mistake: "unknown track",
    },
    { name: "an empty packet", packets: [...good, new Uint8Array()], mistake: "no sequence" },
  ])("is noticed where it does not hold: $name", ({ packets, mistake }) => {
    expect(perfettoMistakes(packets).join("\n")).toContain(mistake);
  });
});
