import { ATTRIBUTE_BITS, type LinuxDmaEvent, TO_DEVICE } from "../../formats/trace/dma-event.ts";
import { DMA_MAP_RESOURCE, SINGLE } from "../../formats/trace/dma-kinds.ts";
import type { Finding } from "../findings/finding.ts";
import { placeText } from "../findings/place.ts";
import type { LinuxDevice } from "./device.ts";
import { type DmaReport, placeOfDma } from "./report.ts";

/** Checks maps: no memory may be mapped twice for a device that can write it, and windows must not be full. */
export class MapCheck {
  readonly #report: DmaReport;
  /** Failed calls by device. */
  readonly #failures = new Map<number, Finding>();

  constructor(report: DmaReport) {
    this.#report = report;
  }

  map(event: LinuxDmaEvent, { mappings, syncs }: LinuxDevice): void {
    const mapping = mappings.map(event);
    if (mapping === undefined) return;
    syncs.mapped();
    if (mapping.family !== SINGLE || mapping.direction === TO_DEVICE || isResource(event)) return;
    const other = mappings.addWritable(mapping);
    if (other === undefined) return;
    const text = `the device can write the same memory through two mappings, of ${placeText(other)} and ${placeText(mapping)}`;
    this.#report.add(event, {
      kind: "double-map",
      mapping,
      causes: [other],
      message: text,
      stillMapped: other,
    });
  }

  /** A device's own registers cannot always be mapped; for memory it means that no address is left. */
  failed(event: LinuxDmaEvent, { mappings: { live } }: LinuxDevice): void {
    if (isResource(event)) return;
    const { log, names } = this.#report;
    const known = this.#failures.get(event.device);
    if (known !== undefined) {
      log.extend(known, [placeOfDma(event)]);
      return;
    }
    const finding = log.add({
      kind: "window-full",
      device: names[event.device]!,
      pages: 0,
      places: [placeOfDma(event)],
      message: `no address for ${event.size} bytes, while the device has ${live.size} mappings: its window is full or fragmented (iommu_alloc failed)`,
    });
    this.#failures.set(event.device, finding);
  }
}

const isResource = (event: LinuxDmaEvent): boolean =>
  event.kind === DMA_MAP_RESOURCE || (event.attributes & ATTRIBUTE_BITS.MMIO!) !== 0;
