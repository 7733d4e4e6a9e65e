import { TWO32 } from "../../base/u64.ts";
import {
  ATTRIBUTE_BITS,
  DIRECTION_NAMES,
  DMA_ALLOC,
  DMA_ALLOC_PAGES,
  DMA_ALLOC_SGT,
  DMA_FREE,
  DMA_FREE_PAGES,
  DMA_FREE_SGT,
  DMA_LOST,
  DMA_MAP_PAGE,
  DMA_MAP_PHYS,
  DMA_MAP_RESOURCE,
  DMA_MAP_SG,
  DMA_SYNC_SG_FOR_CPU,
  DMA_SYNC_SG_FOR_DEVICE,
  DMA_SYNC_SINGLE_FOR_CPU,
  DMA_SYNC_SINGLE_FOR_DEVICE,
  DMA_UNMAP_PAGE,
  DMA_UNMAP_PHYS,
  DMA_UNMAP_RESOURCE,
  DMA_UNMAP_SG,
  type DmaEvent,
  TO_DEVICE,
} from "../../formats/trace/dma-event.ts";
import type { CheckOptions } from "../check-options.ts";
import { type Finding, type FindingLog, placeText } from "../findings/finding.ts";
import { findDmaLeaks } from "./leaks.ts";
import {
  ALLOCATION,
  DeviceMappings,
  type DmaMapping,
  FAMILY_NAMES,
  LIST,
  makeMapping,
  SINGLE,
} from "./mappings.ts";
import { MissingSyncs } from "./missing-syncs.ts";
import { DmaReport } from "./report.ts";
import { checkListSync, checkSync } from "./sync-check.ts";

/** What is known of one device. */
interface Device {
  readonly mappings: DeviceMappings;
  readonly syncs: MissingSyncs;
}

/**
 * Checks Linux' `dma:*` events: what is mapped is unmapped once, with the same
 * size and direction, by the call that belongs to it, and synced as its driver
 * does it otherwise.
 *
 * A recording may begin when drivers run already: an unmap of what it never saw
 * mapped says nothing. The same holds behind lost events.
 */
export class DmaCheck {
  readonly #report: DmaReport;
  readonly #options: CheckOptions;
  readonly #devices: Device[] = [];
  /** Failed calls by device. */
  readonly #failures = new Map<number, Finding>();

  /** @param names of devices, by number; may grow while events come */
  constructor(names: readonly string[], options: CheckOptions) {
    this.#report = new DmaReport(names);
    this.#options = options;
  }

  get log(): FindingLog {
    return this.#report.log;
  }

  /** Mappings that are alive now. */
  get alive(): number {
    return this.#devices.reduce((sum, { mappings }) => sum + mappings.live.size, 0);
  }

  handle(event: DmaEvent): void {
    this.#report.advance(event.number);
    switch (event.kind) {
      case DMA_MAP_PAGE:
      case DMA_MAP_PHYS:
      case DMA_MAP_RESOURCE:
        this.#map(event, SINGLE);
        break;
      case DMA_ALLOC:
      case DMA_ALLOC_PAGES:
      case DMA_ALLOC_SGT:
        this.#map(event, ALLOCATION);
        break;
      case DMA_MAP_SG:
        this.#mapList(event);
        break;
      case DMA_UNMAP_PAGE:
      case DMA_UNMAP_PHYS:
      case DMA_UNMAP_RESOURCE:
        this.#unmap(event, SINGLE);
        break;
      case DMA_FREE:
      case DMA_FREE_PAGES:
      case DMA_FREE_SGT:
        // Freeing nothing is no error: nvme does so once per removal.
        if (event.size !== 0 || (event.dmaHi | event.dmaLo) !== 0) this.#unmap(event, ALLOCATION);
        this.#device(event).syncs.freed();
        break;
      case DMA_UNMAP_SG:
        this.#unmapList(event);
        break;
      case DMA_SYNC_SINGLE_FOR_CPU:
      case DMA_SYNC_SINGLE_FOR_DEVICE: {
        const { mappings, syncs } = this.#device(event);
        checkSync(event, mappings, syncs, this.#report);
        break;
      }
      case DMA_SYNC_SG_FOR_CPU:
      case DMA_SYNC_SG_FOR_DEVICE: {
        const { mappings, syncs } = this.#device(event);
        checkListSync(event, mappings, syncs);
        break;
      }
      case DMA_LOST:
        this.lose();
        break;
    }
  }

  /** Events are missing: from here on nothing is known, and what looked wrong shortly before may be explained. */
  lose(): void {
    this.#report.lose();
    this.#devices.length = 0;
  }

  /** To be called after the last event. */
  end(): void {
    this.#report.end();
    const { log, names, guilty } = this.#report;
    this.#devices.forEach(({ mappings, syncs }, number) => {
      syncs.report(names[number]!, log);
      findDmaLeaks(mappings, names[number]!, guilty, this.#options, log);
    });
  }

  // -------------------------------------------------------------------- maps

  #device(event: DmaEvent): Device {
    const device = this.#devices[event.device];
    if (device !== undefined) return device;
    while (this.#devices.length <= event.device) {
      this.#devices.push({ mappings: new DeviceMappings(), syncs: new MissingSyncs(this.#options.pool) });
    }
    return this.#devices[event.device]!;
  }

  #map(event: DmaEvent, family: number): void {
    if (event.failed) {
      this.#failed(event);
      return;
    }
    const { mappings, syncs } = this.#device(event);
    const mapping = makeMapping(event, mappings, family, event.dmaHi, event.dmaLo, event.size);
    mappings.add(mapping);
    syncs.mapped();
    if (family !== SINGLE || mapping.direction === TO_DEVICE || isResource(event)) return;
    const other = mappings.addWritable(mapping);
    if (other === undefined) return;
    const text = `the device can write the same memory through two mappings, of ${placeText(other)} and ${placeText(mapping)}`;
    this.#report.add(event, "double-map", mapping, [other], text);
  }

  #mapList(event: DmaEvent): void {
    const { ranges, rangeSizes, entries } = event;
    if (ranges.length === 0 || entries.length === 0) return;
    const size = rangeSizes.words[0]! * TWO32 + rangeSizes.words[1]!;
    const { mappings, syncs } = this.#device(event);
    mappings.add(makeMapping(event, mappings, LIST, ranges.words[0]!, ranges.words[1]!, size));
    syncs.mapped();
  }

  /** A device's own registers cannot always be mapped; for memory it means that no address is left. */
  #failed(event: DmaEvent): void {
    if (isResource(event)) return;
    const place = { event: event.number, line: event.line };
    const known = this.#failures.get(event.device);
    if (known !== undefined) {
      this.log.extend(known, [place]);
      return;
    }
    const { live } = this.#device(event).mappings;
    const finding = this.log.add({
      kind: "window-full",
      severity: "warning",
      device: this.#report.names[event.device]!,
      pages: 0,
      places: [place],
      message: `no address for ${event.size} bytes, while the device has ${live.size} mappings: its window is full or fragmented (iommu_alloc failed)`,
    });
    this.#failures.set(event.device, finding);
  }

  // ------------------------------------------------------------------ unmaps

  #unmap(event: DmaEvent, family: number): void {
    const device = this.#device(event);
    const { mappings } = device;
    const mapping = best(mappings.at(event.dmaHi, event.dmaLo), family, event);
    if (mapping !== undefined) {
      this.#undo(event, device, mapping, family);
      return;
    }
    const past = mappings.pastUnmap(event.dmaHi, event.dmaLo);
    const around = past === undefined ? mappings.around(event.dmaHi, event.dmaLo) : undefined;
    if (around !== undefined) {
      const text = `${event.size} bytes are unmapped in the middle of the mapping of ${around.size} bytes made by ${placeText(around)}`;
      this.#report.add(event, "size-mismatch", around, [around], text);
      device.syncs.forget(around);
      mappings.remove(around, event.number, event.line);
    } else if (past !== undefined) this.#report.addDoubleUnmap(event, past);
  }

  #undo(event: DmaEvent, { mappings, syncs }: Device, mapping: DmaMapping, family: number): void {
    const made = placeText(mapping);
    if (mapping.family !== family) {
      const text = `${FAMILY_NAMES[mapping.family]}, made by ${made}, is undone as ${FAMILY_NAMES[family]}`;
      this.#report.add(event, "mismatch", mapping, [mapping], text);
    } else {
      if (mapping.size !== event.size) {
        const text = `${mapping.size} bytes were mapped by ${made}, ${event.size} are unmapped`;
        this.#report.add(event, "size-mismatch", mapping, [mapping], text);
      }
      if (family === SINGLE) this.#checkDirection(event, mapping);
    }
    if (mapping.family === ALLOCATION || family === ALLOCATION) syncs.forget(mapping);
    else syncs.unmapped(event, mapping);
    if (family === ALLOCATION) mappings.freed++;
    mappings.remove(mapping, event.number, event.line);
  }

  #unmapList(event: DmaEvent): void {
    const { entries } = event;
    if (entries.length === 0) return;
    const { mappings, syncs } = this.#device(event);
    const physical = entries.words[0]! * TWO32 + entries.words[1]!;
    const lists = mappings.listsAt(physical);
    const mapping =
      lists.find((list) => list.entries === event.totalEntries && list.direction === event.direction) ??
      lists[0];
    if (mapping === undefined) {
      const past = mappings.pastList(physical);
      if (past !== undefined) this.#report.addDoubleUnmap(event, past);
      return;
    }
    if (mapping.entries !== event.totalEntries) {
      const text = `a list of ${mapping.entries} entries was mapped by ${placeText(mapping)}, ${event.totalEntries} are given to the unmap`;
      this.#report.add(event, "size-mismatch", mapping, [mapping], text);
    }
    this.#checkDirection(event, mapping);
    syncs.unmapped(event, mapping);
    mappings.remove(mapping, event.number, event.line);
  }

  #checkDirection(event: DmaEvent, mapping: DmaMapping): void {
    if (mapping.direction === event.direction) return;
    const text = `mapped ${DIRECTION_NAMES[mapping.direction]} by ${placeText(mapping)}, unmapped ${DIRECTION_NAMES[event.direction]}`;
    this.#report.add(event, "direction-mismatch", mapping, [mapping], text);
  }
}

const isResource = (event: DmaEvent): boolean =>
  event.kind === DMA_MAP_RESOURCE || (event.attributes & ATTRIBUTE_BITS.MMIO!) !== 0;

/** Which of the mappings of one address an unmap means: the one that fits best, of equal ones the oldest. */
function best(mappings: readonly DmaMapping[], family: number, event: DmaEvent): DmaMapping | undefined {
  let found: DmaMapping | undefined;
  let most = -1;
  for (const mapping of mappings) {
    const fit =
      (mapping.family === family ? 4 : 0) +
      (mapping.size === event.size ? 2 : 0) +
      (mapping.direction === event.direction ? 1 : 0);
    if (fit <= most) continue;
    most = fit;
    found = mapping;
  }
  return found;
}
