import { TWO32 } from "../../base/u64.ts";
import { BIDIRECTIONAL, DIRECTION_NAMES, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { LIST, SINGLE } from "../../formats/trace/dma-kinds.ts";
import { placeText } from "../findings/place.ts";
import type { LinuxDevice } from "./device.ts";
import type { LiveMapping } from "./live-mapping.ts";
import type { DmaReport } from "./report.ts";

/** Checks a sync of a single mapping: it must lie in one and go in its direction. */
export function checkSync(event: LinuxDmaEvent, { mappings, syncs }: LinuxDevice, report: DmaReport): void {
  const { dmaHi, dmaLo, size } = event;
  const mapping = best(mappings.at(dmaHi, dmaLo), event) ?? mappings.around(dmaHi, dmaLo);
  if (mapping === undefined) {
    const past = mappings.pastUnmap(event);
    if (past === undefined) return;
    const text = `${size} bytes are synced after their unmap by ${placeText(past)}`;
    report.add(event, { kind: "dma-after-unmap", causes: [past], message: text });
    return;
  }
  const offset = (dmaHi - mapping.dmaHi) * TWO32 + (dmaLo - mapping.dmaLo);
  if (offset + size > mapping.size && mapping.family === SINGLE) {
    const text = `${size} bytes from ${offset} on are synced, ${mapping.size} were mapped by ${placeText(mapping)}`;
    report.add(event, { kind: "size-mismatch", mapping, causes: [mapping], message: text });
  }
  if (!goesAlong(mapping, event)) {
    const text = `mapped ${DIRECTION_NAMES[mapping.direction]} by ${placeText(mapping)}, synced ${DIRECTION_NAMES[event.direction]}`;
    report.add(event, { kind: "direction-mismatch", mapping, causes: [mapping], message: text });
  }
  syncs.synced(event, mapping, offset, size);
}

/** Notes a sync of a list, which is known by the address of its first range. */
export function checkListSync(event: LinuxDmaEvent, { mappings, syncs }: LinuxDevice): void {
  const { words, length } = event.ranges;
  if (length === 0) return;
  const mapping = mappings.at(words[0]!, words[1]!).find(({ family }) => family === LIST);
  if (mapping !== undefined) syncs.synced(event, mapping, 0, mapping.size);
}

const goesAlong = ({ direction }: LiveMapping, event: LinuxDmaEvent): boolean =>
  direction === BIDIRECTIONAL || direction === event.direction;

/** Which mapping of an address is synced: without an IOMMU one address can be mapped several times. */
const best = (mappings: readonly LiveMapping[], event: LinuxDmaEvent): LiveMapping | undefined =>
  mappings.find((one) => goesAlong(one, event) && event.size <= one.size) ?? mappings[0];
