import { visible } from "../../base/visible.ts";
import { TOP_FRAMES } from "../../formats/trace/call-stacks.ts";

/**
 * The call stack of an event that proves a finding.
 *
 * @public
 */
export interface FindingStack {
  /** What was called: `dma_map_page`. */
  readonly call: string;
  readonly event: number;
  readonly line: number;
  /** Who called it, innermost first, as the recording names it; without the tracer and the DMA API itself. */
  readonly frames: readonly string[];
}

/**
 * The first frames of a stack: `nvme_alloc_queue <- nvme_probe <- local_pci_probe`; programs get all of them.
 *
 * @public
 */
export function framesText(frames: readonly string[], shown: number = TOP_FRAMES): string {
  const more = frames.length > shown ? " <- …" : "";
  return `${frames.slice(0, shown).map(visible).join(" <- ")}${more}`;
}

/**
 * A stack as a line for people: `dma_map_page (line 13) by nvme_map_data <- nvme_queue_rq <- …`.
 *
 * @public
 */
export const formatStack = ({ call, line, frames }: FindingStack): string =>
  `${call} (line ${line}) by ${framesText(frames)}`;
