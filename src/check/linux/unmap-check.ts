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
  } else {
    compare(event, mapping, report);
    // Nothing is said of the syncs of an allocation.
    if (mapping.family !== ALLOCATION && family !== ALLOCATION) syncs.unmapped(event, mapping);
  }
  if (hasStacks) callers.undone(mapping, report.stacks.callerOf(mapping.event), mappings);
  mappings.remove(mapping, event);
  return true;
}

/** Compares an unmap with the map that it undoes. */
function compare(event: LinuxDmaEvent, mapping: LiveMapping, report: DmaReport): void {
  const map = DMA_KINDS[mapping.kind]!;
  const unmap = DMA_KINDS[event.kind]!;
  if (map.family !== unmap.family) {
    const undone = FAMILY_NAMES[unmap.family];
    say(
      event,
      mapping,
      report,
      "mismatch",
      `${FAMILY_NAMES[map.family]}, made by ${placeText(mapping)}, is undone as ${undone}`,
    );
    return;
  }
  if (map.calls !== unmap.calls) {
    say(
      event,
      mapping,
      report,
      "mismatch",
      `${map.name} by ${placeText(mapping)} is undone by ${unmap.name}`,
    );
  }
  if (unmap.family === LIST) {
    if (mapping.entries !== event.totalEntries) {
      const list = `a list of ${mapping.entries} entries was mapped by ${placeText(mapping)}`;
      say(event, mapping, report, "size-mismatch", `${list}, ${event.totalEntries} are given to the unmap`);
    }
  } else if (mapping.size !== event.size) {
    const bytes = `${mapping.size} bytes were mapped by ${placeText(mapping)}`;
    say(event, mapping, report, "size-mismatch", `${bytes}, ${event.size} are unmapped`);
  }
  if (unmap.family === ALLOCATION || mapping.direction === event.direction) return;
  const was = `mapped ${DIRECTION_NAMES[mapping.direction]} by ${placeText(mapping)}`;
  say(event, mapping, report, "direction-mismatch", `${was}, unmapped ${DIRECTION_NAMES[event.direction]}`);
}

function say(
  event: LinuxDmaEvent,
  mapping: LiveMapping,
  report: DmaReport,
  kind: "mismatch" | "size-mismatch" | "direction-mismatch",
  message: string,
): void {
  report.add(event, { kind, mapping, causes: [mapping], message });
}
