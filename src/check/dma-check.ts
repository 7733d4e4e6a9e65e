import { TWO32, toBig } from "../base/u64.ts";
import {
  ATTRIBUTE_BITS,
  BIDIRECTIONAL,
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
  DMA_SYNC_SINGLE_FOR_CPU,
  DMA_SYNC_SINGLE_FOR_DEVICE,
  DMA_UNMAP_PAGE,
  DMA_UNMAP_PHYS,
  DMA_UNMAP_RESOURCE,
  DMA_UNMAP_SG,
  type DmaEvent,
  TO_DEVICE,
} from "../formats/trace/dma-event.ts";
import type { CheckOptions } from "./check-options.ts";
import { findDmaLeaks, GuiltyCallers } from "./dma-leaks.ts";
import {
  ALLOCATION,
  DeviceMappings,
  type DmaMapping,
  FAMILY_NAMES,
  LIST,
  type PastUnmap,
  SINGLE,
} from "./dma-mappings.ts";
import {
  type Finding,
  type FindingKind,
  FindingLog,
  type NewFinding,
  type Place,
  placeText,
} from "./finding.ts";

/** Events of other CPUs that can stand before the line which says that some are missing. */
const BEFORE_LOST = 4096;

/**
 * Checks Linux' `dma:*` events: what is mapped is unmapped once, with the same
 * size and direction, by the call that belongs to it.
 *
 * A recording may begin when drivers run already: an unmap of what it never saw
 * mapped says nothing. The same holds behind lost events.
 */
export class DmaCheck {
  readonly log: FindingLog = new FindingLog();
  readonly #options: CheckOptions;
  readonly #names: readonly string[];
  readonly #devices: DeviceMappings[] = [];
  readonly #guilty = new GuiltyCallers();
  /** Findings that lost events would explain. */
  #held: { readonly event: number; readonly finding: NewFinding }[] = [];
  /** Failed calls by device. */
  readonly #failures = new Map<number, Finding>();

  /** @param names of devices, by number; may grow while events come */
  constructor(names: readonly string[], options: CheckOptions) {
    this.#names = names;
    this.#options = options;
  }

  /** Mappings that are alive now. */
  get alive(): number {
    return this.#devices.reduce((sum, { live }) => sum + live.size, 0);
  }

  handle(event: DmaEvent): void {
    if (this.#held.length > 0) this.#release(event.number - BEFORE_LOST);
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
        break;
      case DMA_UNMAP_SG:
        this.#unmapList(event);
        break;
      case DMA_SYNC_SINGLE_FOR_CPU:
      case DMA_SYNC_SINGLE_FOR_DEVICE:
        this.#sync(event);
        break;
      case DMA_LOST:
        this.lose();
        break;
    }
  }

  /** Events are missing: from here on nothing is known, and what looked wrong shortly before may be explained. */
  lose(): void {
    this.#held = [];
    this.#devices.length = 0;
    this.#guilty.clear();
  }

  /** To be called after the last event. */
  end(): void {
    this.#release(Number.POSITIVE_INFINITY);
    this.#devices.forEach((device, number) => {
      findDmaLeaks(device, this.#names[number]!, this.#guilty, this.#options, this.log);
    });
  }

  // -------------------------------------------------------------------- maps

  #device(event: DmaEvent): DeviceMappings {
    const device = this.#devices[event.device];
    if (device !== undefined) return device;
    while (this.#devices.length <= event.device) this.#devices.push(new DeviceMappings());
    return this.#devices[event.device]!;
  }

  #map(event: DmaEvent, family: number): void {
    const device = this.#device(event);
    if (event.failed) {
      this.#failed(event);
      return;
    }
    const mapping = makeMapping(event, device, family, event.dmaHi, event.dmaLo, event.size);
    device.add(mapping);
    if (family !== SINGLE || mapping.direction === TO_DEVICE || isResource(event)) return;
    const other = device.addWritable(mapping);
    if (other === undefined) return;
    const text = `the device can write the same memory through two mappings, of ${placeText(other)} and ${placeText(mapping)}`;
    this.#add(event, "double-map", mapping, [other], text);
  }

  #mapList(event: DmaEvent): void {
    const { ranges, rangeSizes, entries } = event;
    if (ranges.length === 0 || entries.length === 0) return;
    const size = rangeSizes.words[0]! * TWO32 + rangeSizes.words[1]!;
    const device = this.#device(event);
    device.add(makeMapping(event, device, LIST, ranges.words[0]!, ranges.words[1]!, size));
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
    const { live } = this.#device(event);
    const finding = this.log.add({
      kind: "window-full",
      severity: "warning",
      device: this.#names[event.device]!,
      pages: 0,
      places: [place],
      message: `no address for ${event.size} bytes, while the device has ${live.size} mappings: its window is full or fragmented (iommu_alloc failed)`,
    });
    this.#failures.set(event.device, finding);
  }

  // ------------------------------------------------------------------ unmaps

  #unmap(event: DmaEvent, family: number): void {
    const device = this.#device(event);
    const mapping = best(device.at(event.dmaHi, event.dmaLo), family, event);
    if (mapping !== undefined) {
      this.#undo(event, device, mapping, family);
      return;
    }
    const past = device.pastUnmap(event.dmaHi, event.dmaLo);
    const around = past === undefined ? device.around(event.dmaHi, event.dmaLo) : undefined;
    if (around !== undefined) {
      const text = `${event.size} bytes are unmapped in the middle of the mapping of ${around.size} bytes made by ${placeText(around)}`;
      this.#add(event, "size-mismatch", around, [around], text);
      device.remove(around, event.number, event.line);
    } else if (past !== undefined) this.#undoneAgain(event, past);
  }

  #undo(event: DmaEvent, device: DeviceMappings, mapping: DmaMapping, family: number): void {
    const made = placeText(mapping);
    if (mapping.family !== family) {
      const text = `${FAMILY_NAMES[mapping.family]}, made by ${made}, is undone as ${FAMILY_NAMES[family]}`;
      this.#add(event, "mismatch", mapping, [mapping], text);
    } else {
      if (mapping.size !== event.size) {
        const text = `${mapping.size} bytes were mapped by ${made}, ${event.size} are unmapped`;
        this.#add(event, "size-mismatch", mapping, [mapping], text);
      }
      if (family === SINGLE) this.#checkDirection(event, mapping);
    }
    if (family === ALLOCATION) device.freed++;
    device.remove(mapping, event.number, event.line);
  }

  #unmapList(event: DmaEvent): void {
    const { entries } = event;
    if (entries.length === 0) return;
    const device = this.#device(event);
    const physical = entries.words[0]! * TWO32 + entries.words[1]!;
    const lists = device.listsAt(physical);
    const mapping =
      lists.find((list) => list.entries === event.totalEntries && list.direction === event.direction) ??
      lists[0];
    if (mapping === undefined) {
      const past = device.pastList(physical);
      if (past !== undefined) this.#undoneAgain(event, past);
      return;
    }
    if (mapping.entries !== event.totalEntries) {
      const text = `a list of ${mapping.entries} entries was mapped by ${placeText(mapping)}, ${event.totalEntries} are given to the unmap`;
      this.#add(event, "size-mismatch", mapping, [mapping], text);
    }
    this.#checkDirection(event, mapping);
    device.remove(mapping, event.number, event.line);
  }

  #checkDirection(event: DmaEvent, mapping: DmaMapping): void {
    if (mapping.direction === event.direction) return;
    const text = `mapped ${DIRECTION_NAMES[mapping.direction]} by ${placeText(mapping)}, unmapped ${DIRECTION_NAMES[event.direction]}`;
    this.#add(event, "direction-mismatch", mapping, [mapping], text);
  }

  // ------------------------------------------------------------------- syncs

  /** A sync must lie in a mapping and go in its direction. */
  #sync(event: DmaEvent): void {
    const device = this.#device(event);
    const { dmaHi, dmaLo, size } = event;
    const mapping = device.at(dmaHi, dmaLo)[0] ?? device.around(dmaHi, dmaLo);
    if (mapping === undefined) {
      const past = device.pastUnmap(dmaHi, dmaLo);
      if (past === undefined) return;
      const text = `${size} bytes are synced behind their unmap by ${placeText(past)}`;
      this.#add(event, "dma-after-unmap", undefined, [past], text);
      return;
    }
    const offset = (dmaHi - mapping.dmaHi) * TWO32 + (dmaLo - mapping.dmaLo);
    if (offset + size > mapping.size && mapping.family === SINGLE) {
      const text = `${size} bytes from ${offset} on are synced, ${mapping.size} were mapped by ${placeText(mapping)}`;
      this.#add(event, "size-mismatch", mapping, [mapping], text);
    }
    if (mapping.direction !== BIDIRECTIONAL && mapping.direction !== event.direction) {
      const text = `mapped ${DIRECTION_NAMES[mapping.direction]} by ${placeText(mapping)}, synced ${DIRECTION_NAMES[event.direction]}`;
      this.#add(event, "direction-mismatch", mapping, [mapping], text);
    }
  }

  // ------------------------------------------------------------------ report

  /** A second unmap. */
  #undoneAgain(event: DmaEvent, past: PastUnmap): void {
    const made = { event: past.madeEvent, line: past.madeLine };
    const now = { event: event.number, line: event.line };
    this.#guilty.add(event);
    const finding: NewFinding = {
      kind: "double-unmap",
      severity: "error",
      device: this.#names[event.device]!,
      ...(event.kind === DMA_UNMAP_SG ? {} : { ioba: toBig(event.dmaHi, event.dmaLo) }),
      pages: pagesOf(event.size),
      places: [made, past, now],
      message: `the mapping made by ${placeText(made)} was undone by ${placeText(past)}, and is undone again`,
    };
    this.#holdBack(event, finding);
  }

  /** Keeps a finding until no lost events can stand behind it that would explain it. */
  #holdBack(event: DmaEvent, finding: NewFinding): void {
    this.#held.push({ event: event.number, finding });
  }

  #release(before: number): void {
    let count = 0;
    while (count < this.#held.length && this.#held[count]!.event < before) {
      this.log.add(this.#held[count++]!.finding);
    }
    if (count > 0) this.#held = this.#held.slice(count);
  }

  /** @param causes places before the event that prove it */
  #add(
    event: DmaEvent,
    kind: FindingKind,
    mapping: DmaMapping | undefined,
    causes: readonly Place[],
    message: string,
  ): void {
    this.#guilty.add(event);
    const places = [...causes, { event: event.number, line: event.line }];
    this.#holdBack(event, {
      kind,
      severity: "error",
      device: this.#names[event.device]!,
      ioba: mapping === undefined ? toBig(event.dmaHi, event.dmaLo) : toBig(mapping.dmaHi, mapping.dmaLo),
      pages: pagesOf(mapping?.size ?? event.size),
      places,
      message,
    });
  }
}

const isResource = (event: DmaEvent): boolean =>
  event.kind === DMA_MAP_RESOURCE || (event.attributes & ATTRIBUTE_BITS.MMIO!) !== 0;

const pagesOf = (bytes: number): number => Math.ceil(bytes / 4096);

function makeMapping(
  event: DmaEvent,
  device: DeviceMappings,
  family: number,
  dmaHi: number,
  dmaLo: number,
  size: number,
): DmaMapping {
  const list = family === LIST;
  const [hi, lo] = list ? event.entries.words : [event.physHi, event.physLo];
  return {
    device: event.device,
    family,
    direction: event.direction,
    dmaHi,
    dmaLo,
    size,
    entries: list ? event.totalEntries : 1,
    physical: hi! * TWO32 + lo!,
    event: event.number,
    line: event.line,
    pid: event.pid,
    sequence: device.made[family * 4 + event.direction]!,
  };
}

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
