import { describe, expect, it } from "vitest";
import { DmaStatistics } from "../../../src/check/lifetimes/linux-statistics.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { corpusNames, readCorpus, readSidecar } from "../../helpers/corpus.ts";
import { some } from "../../helpers/some.ts";

function statisticsOf(content: string | Uint8Array): DmaStatistics {
  const reader: DmaLogReader = new DmaLogReader((event) => statistics.handle(event));
  const statistics = new DmaStatistics(reader);
  reader.push(typeof content === "string" ? new TextEncoder().encode(content) : content);
  reader.end();
  return statistics;
}

const map = (time: string, address: string, size: number, dir = "TO_DEVICE"): string =>
  ` nvme-8 [000] d..1. ${time}: dma_map_page: 0000:00:01.0 dir=${dir} dma_addr=${address} size=${size} phys_addr=4d80000 attrs=\n`;
const unmap = (time: string, address: string, size: number, dir = "TO_DEVICE"): string =>
  ` nvme-8 [000] d..1. ${time}: dma_unmap_page: 0000:00:01.0 dir=${dir} dma_addr=${address} size=${size} attrs=\n`;

describe("the statistics of a recording of Linux", () => {
  it("are those of a sequence that is known", () => {
    const { groups, events, firstTime, lastTime } = statisticsOf(
      map("5.000000", "1000", 4096) +
        map("5.000001", "2000", 4096) +
        map("5.000002", "3000", 512) +
        map("5.000003", "8000", 512) +
        unmap("5.000100", "1000", 4096) +
        map("5.000101", "20000", 65536, "FROM_DEVICE") +
        unmap("5.001000", "3000", 512) +
        unmap("5.001001", "9000", 512),
    );
    expect([events, firstTime, lastTime]).toEqual([8, 5, 5.001001]);
    expect(groups.map(({ direction }) => direction)).toEqual(["FROM_DEVICE", "TO_DEVICE"]);
    const cells = (entries: readonly (readonly [number, number])[]): number[] => {
      const all: number[] = [];
      for (const [cell, count] of entries) {
        while (all.length < cell) all.push(0);
        all.push(count);
      }
      return all;
    };
    expect(groups[1]).toMatchObject({
      device: "0000:00:01.0",
      events: { dma_map_page: 4, dma_unmap_page: 3 },
      mapped: 4,
      unmapped: 2,
      unknownUnmaps: 1,
      bytesMapped: 9216,
      peakBytes: 9216,
    });
    const { sizes, runs, lifetimes, lifetimesNs } = groups[1]!;
    expect(sizes.cells).toEqual(
      cells([
        [9, 2],
        [12, 2],
      ]),
    );
    // Three one after another, then one elsewhere.
    expect(runs.cells).toEqual([1, 1]);
    // 4 events each; 100 us and 998 us.
    expect(lifetimes.cells).toEqual(cells([[2, 2]]));
    expect(lifetimesNs.cells).toEqual(
      cells([
        [16, 1],
        [19, 1],
      ]),
    );
    expect(groups[0]).toMatchObject({ mapped: 1, unmapped: 0, peakBytes: 65536 });
  });

  it.each(some(corpusNames("traces", ".txt.gz"), 3))("agree with another reader: %s", (name) => {
    const { groups } = statisticsOf(readCorpus("traces", `${name}.txt`));
    const { facts, planted = [] } = readSidecar("traces", name);
    const counted: Record<string, Record<string, number>> = {};
    let alive = 0;
    for (const { device, events, mapped, unmapped, sizes, lifetimes } of groups) {
      counted[device] ??= {};
      for (const [event, number] of Object.entries(events)) {
        counted[device][event] = (counted[device][event] ?? 0) + number;
      }
      alive += mapped - unmapped;
      const sum = (cells: readonly number[]): number => cells.reduce((total, one) => total + one, 0);
      expect(sum(sizes.cells)).toBe(mapped);
      expect(sum(lifetimes.cells)).toBe(unmapped);
    }
    expect(counted).toEqual(facts.events_by_device);
    // What was planted wrong may pair in several ways.
    if (planted.length === 0) expect(alive).toBe(facts.alive_total);
  });
});
