import { expect, it } from "vitest";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";

const DMA = (i: number): string =>
  `     x-1       [000] .....     ${i}.000000: dma_map_page: 0000:00:03.0 dir=FROM_DEVICE dma_addr=${i}000 size=4096 phys_addr=7183000 attrs=\n`;
const RANGE = (i: number): string =>
  `     x-1       [000] .....     ${i}.500000: map: IOMMU: iova=0x${i}000 - 0x${i}fff paddr=0x7183000 size=4096\n`;
const LOST = "CPU:0 [LOST 7 EVENTS]\n";

it.each([1, 63, 64, 65, 130, 500])(
  "what is told comes in the order of the text, with %i events in a row",
  (row) => {
    const told: string[] = [];
    const wanted: string[] = [];
    let text = "";
    for (let i = 1, n = 1; i <= 2000; i++, n++) {
      text += DMA(i);
      wanted.push(`event ${i}`);
      if (n % row > 0) continue;
      text += LOST + RANGE(i);
      wanted.push("lost", `range ${i}`);
    }
    const reader: DmaLogReader = new DmaLogReader(
      ({ kind, seconds, size }) => told.push(kind === 0 || size === 4096 ? `event ${seconds}` : "lost"),
      ({ seconds }) => told.push(`range ${seconds}`),
    );
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += 10_000) {
      reader.push(bytes.subarray(at, at + 10_000));
      // Nothing waits for more text.
      expect(told.filter((one) => one.startsWith("event"))).toHaveLength(reader.counts.events);
    }
    reader.end();
    expect(told).toEqual(wanted);
  },
);
