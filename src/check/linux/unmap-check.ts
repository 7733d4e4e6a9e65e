import { DIRECTION_NAMES, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, LIST } from "../../formats/trace/dma-kinds.ts";
import { placeText } from "../findings/place.ts";
import type { LinuxDevice } from "./device.ts";
import { FAMILY_NAMES, isAt, type LiveMapping } from "./live-mapping.ts";
import type { DmaReport } from "./report.ts";

/**
 * Checks an unmap: what it ends was made by a call that belongs to it, with the same size and direction.
 *
 * @returns false if nobody knows what it ends
 */
export function checkUnmap(event: LinuxDmaEvent, device: LinuxDevice, report: DmaReport): boolean {
  const { mappings, syncs, callers } = device;
  const hasStacks = report.stacks.events > 0;
  const mapping = mappings.undoneBy(event);
  if (mapping === undefined) {
    const past = mappings.pastUnmap(event);
    mappings.undoneUnseen(event);
    if (hasStacks) callers.undoneUnseen(event, mappings);
    if (past !== undefined) report.addDoubleUnmap(event, past);
    return past !== undefined;
  }
  report.undone(event, mapping);
  const { family } = DMA_KINDS[event.kind]!;
  if (family !== LIST && !isAt(mapping, event)) {
    const text = `${event.size} bytes are unmapped in the middle of the mapping of ${mapping.size} bytes made by ${placeText(mapping)}`;
    report.add(event, { kind: "size-mismatch", mapping, causes: [mapping], message: text });
    syncs.forget(mapping);
  } else {
    compare(event, mapping, report);
    if (mapping.family === ALLOCATION || family === ALLOCATION) syncs.forget(mapping);
    else syncs.unmapped(event, mapping);
  }
  if (hasStacks) callers.undone(mapping, report.stacks.callerOf(mapping.event), mappings);
  mappings.remove(mapping, event);
  return true;
}

/** Compares an unmap with the map that it undoes. */
function compare(event: LinuxDmaEvent, mapping: LiveMapping, report: DmaReport): void {
  const made = placeText(mapping);
  const [map, unmap] = [DMA_KINDS[mapping.kind]!, DMA_KINDS[event.kind]!];
  const say = (kind: "mismatch" | "size-mismatch" | "direction-mismatch", text: string): void =>
    report.add(event, { kind, mapping, causes: [mapping], message: text });
  if (map.family !== unmap.family) {
    say(
      "mismatch",
      `${FAMILY_NAMES[map.family]}, made by ${made}, is undone as ${FAMILY_NAMES[unmap.family]}`,
    );
    return;
  }
  if (map.calls !== unmap.calls) say("mismatch", `${map.name} by ${made} is undone by ${unmap.name}`);
  if (unmap.family === LIST) {
    if (mapping.entries !== event.totalEntries) {
      const given = `${event.totalEntries} are given to the unmap`;
      say("size-mismatch", `a list of ${mapping.entries} entries was mapped by ${made}, ${given}`);
    }
  } else if (mapping.size !== event.size) {
    say("size-mismatch", `${mapping.size} bytes were mapped by ${made}, ${event.size} are unmapped`);
  }
  if (unmap.family === ALLOCATION || mapping.direction === event.direction) return;
  const [was, is] = [DIRECTION_NAMES[mapping.direction], DIRECTION_NAMES[event.direction]];
  say("direction-mismatch", `mapped ${was} by ${made}, unmapped ${is}`);
}
