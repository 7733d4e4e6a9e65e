import type { DumpedMapping } from "../../formats/dma-dump/dma-dump.ts";
import type { LifeSink } from "./life.ts";

/** Tells of what a dump of Linux' DMA-API debugging has: who mapped it, and when, it does not say. */
export function tellDumpedLives(mappings: readonly DumpedMapping[], sink: LifeSink): void {
  mappings.forEach(({ device, address, bytes, memory, direction }, number) => {
    const last = address + (bytes > 0n ? bytes - 1n : 0n);
    sink.begin({
      number,
      space: device,
      stretches: [{ first: address, last, target: memory, repeats: undefined }],
      bytes,
      access: direction,
      made: undefined,
      inferred: false,
      entries: [],
      truncated: false,
    });
  });
  sink.reached();
}
