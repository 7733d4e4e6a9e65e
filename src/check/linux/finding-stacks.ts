import type { CallStacks } from "../../formats/trace/call-stacks.ts";
import { DMA_EVENT_NAMES } from "../../formats/trace/dma-kinds.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingStack } from "../findings/finding-stack.ts";

/** Stacks of one finding: of a map, an unmap and what came between, or of a group the first different ones. */
const MAX_STACKS = 4;

/** The call stacks of the events that prove a finding, each once. */
export function stacksOf({ events, lines }: Finding, stacks: CallStacks): FindingStack[] {
  const found: FindingStack[] = [];
  const seen = new Set<string>();
  for (const [i, event] of events.entries()) {
    const line = lines[i]!;
    const stack = stacks.at(event, line);
    if (stack < 0) continue;
    const call = DMA_EVENT_NAMES[stacks.kindOf(event)]!;
    const key = `${call} ${stacks.callerOf(event)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    found.push({ call, event, line, frames: stacks.callers(stack) });
    if (found.length === MAX_STACKS) break;
  }
  return found;
}
