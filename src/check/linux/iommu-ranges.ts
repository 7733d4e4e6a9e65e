import { hiOf, loOf, numberOf, toBig } from "../../base/u64.ts";
import { BIDIRECTIONAL } from "../../formats/trace/dma-event.ts";
import { DMA_MAP_PAGE } from "../../formats/trace/dma-kinds.ts";
import type { IommuRange, KernelEvent } from "../../formats/trace/kernel-event.ts";
import { IntervalIndex } from "./interval-index.ts";
import { LiveList } from "./live-list.ts";
import { type LiveMapping, offsetIn, RANGE, SpareMappings } from "./live-mapping.ts";
import { type AddressSpace, held, nearestIn } from "./mappings.ts";
import { type DmaReport, timeOf } from "./report.ts";
import { type PastUnmap, UsedAddresses } from "./used-addresses.ts";

/**
 * What `iommu:map` and `iommu:unmap` tell of: ranges of addresses, without device and direction. They are the layer
 * below the DMA API, and all there is where that is not used (vfio).
 */
export class IommuRanges implements AddressSpace {
  readonly live: LiveList<LiveMapping> = new LiveList();
  maps = 0;
  unmaps = 0;
  readonly #report: DmaReport;
  readonly #byPiece = new IntervalIndex<LiveMapping>();
  readonly #spare = new SpareMappings();
  readonly #addresses = new UsedAddresses();
  /** Devices that got a domain: with several of them a range can be mapped in each. */
  readonly #attached = new Set<string>();
  #twice: { readonly event: KernelEvent; readonly mapping: LiveMapping; readonly other: LiveMapping }[] = [];
  /** The range that {@link #overlapping} looks for: a function made for each would be most of what is allocated. */
  #hi = 0;
  #lo = 0;
  #size = 0;
  /** Ranges that were given back since the last one was mapped. */
  #released = 0;

  constructor(report: DmaReport) {
    this.#report = report;
  }

  attached(device: string): void {
    this.#attached.add(device);
  }

  map(event: KernelEvent, range: IommuRange): void {
    this.maps++;
    this.#released = 0;
    const mapping = this.#mappingOf(event, range);
    const other = this.#overlapping(range);
    if (other !== undefined) {
      mapping.isHeld = true;
      other.isHeld = true;
      this.#twice.push({ event, mapping, other });
    }
    this.#add(mapping);
  }

  /** Unmaps a range: several that were mapped, or a part of one. */
  unmap(event: KernelEvent, range: IommuRange): void {
    this.unmaps++;
    this.#released++;
    const size = sizeOf(range);
    for (let found = this.#overlapping(range); found !== undefined; ) {
      this.#remove(found, event);
      const before = -offsetIn(found, range.iovaHi, range.iovaLo);
      if (before < 0) this.#add({ ...found, size: -before });
      const after = before + found.size - size;
      if (after > 0) this.#add({ ...found, ...halvesOf(range.iova + range.size), size: after });
      // Where none overlap, one that takes all of the range is alone there.
      this.#spare.giveBack(found);
      const isAlone = before <= 0 && after >= 0 && this.#twice.length === 0;
      found = isAlone ? undefined : this.#overlapping(range);
    }
  }

  covering(hi: number, lo: number): LiveMapping | undefined {
    const found = this.#byPiece.find(hi, lo, 1, (mapping) => {
      const offset = offsetIn(mapping, hi, lo);
      return offset >= 0 && offset < mapping.size;
    });
    return held(found);
  }

  coveredBefore(hi: number, lo: number): PastUnmap | undefined {
    return this.#addresses.covering(hi, lo);
  }

  nearest(hi: number, lo: number, most: number): LiveMapping | undefined {
    return nearestIn(this.#byPiece, hi, lo, most);
  }

  /** Says what is wrong with the ranges. To be called once, if there are no events of the layer above. */
  end(goneAt: number): void {
    const { log } = this.#report;
    if (this.#attached.size <= 1) {
      for (const { event, mapping, other } of this.#twice) {
        log.add({
          kind: "double-map",
          severity: "error",
          ioba: startOf(mapping),
          pages: Math.ceil(mapping.size / 4096),
          places: [other, mapping],
          time: timeOf(event),
          task: this.#report.taskOf(mapping),
          message: `a range of ${mapping.size} bytes is mapped by ${this.#report.actText(mapping)} over one of ${other.size} bytes, mapped by ${this.#report.actText(other)}`,
        });
      }
    }
    if (this.#released === 0 || this.#released < (this.#released + this.live.size) * goneAt) return;
    for (const mapping of this.live) {
      log.add({
        kind: "leak",
        ioba: startOf(mapping),
        pages: Math.ceil(mapping.size / 4096),
        places: [mapping],
        time: timeOf(mapping),
        task: this.#report.taskOf(mapping),
        message: `a range of ${mapping.size} bytes, mapped by ${this.#report.actText(mapping)}, is alive at the end, while the last ${this.#released} others were given back`,
      });
    }
  }

  #mappingOf(event: KernelEvent, range: IommuRange): LiveMapping {
    const mapping = this.#spare.take();
    mapping.kind = DMA_MAP_PAGE;
    mapping.family = RANGE;
    mapping.device = -1;
    mapping.direction = BIDIRECTIONAL;
    mapping.dmaHi = range.iovaHi;
    mapping.dmaLo = range.iovaLo;
    mapping.size = sizeOf(range);
    mapping.event = event.number;
    mapping.line = event.line;
    mapping.seconds = event.seconds;
    mapping.nanoseconds = event.nanoseconds;
    mapping.task = event.task;
    mapping.pid = event.pid;
    mapping.sequence = this.maps;
    return mapping;
  }

  #overlapping(range: IommuRange): LiveMapping | undefined {
    const { iovaHi, iovaLo } = range;
    const size = sizeOf(range);
    this.#hi = iovaHi;
    this.#lo = iovaLo;
    this.#size = size;
    return this.#byPiece.find(iovaHi, iovaLo, size, this.#overlaps);
  }

  readonly #overlaps = (mapping: LiveMapping): boolean => {
    const offset = offsetIn(mapping, this.#hi, this.#lo);
    return offset < mapping.size && -offset < this.#size;
  };

  #add(mapping: LiveMapping): void {
    this.live.add(mapping);
    this.#byPiece.add(mapping.dmaHi, mapping.dmaLo, mapping.size, mapping);
    this.#addresses.add(mapping.dmaHi, mapping.dmaLo, mapping);
  }

  #remove(mapping: LiveMapping, event: KernelEvent): void {
    this.live.delete(mapping);
    this.#byPiece.remove(mapping.dmaHi, mapping.dmaLo, mapping.size, mapping);
    this.#addresses.undo(mapping.dmaHi, mapping.dmaLo, event, mapping);
  }
}

/** Bytes of a range, exact below 2^53. */
const sizeOf = ({ sizeHi, sizeLo }: IommuRange): number => numberOf(sizeHi, sizeLo);
const startOf = ({ dmaHi, dmaLo }: LiveMapping): bigint => toBig(dmaHi, dmaLo);
const halvesOf = (iova: bigint): { dmaHi: number; dmaLo: number } => ({
  dmaHi: hiOf(iova),
  dmaLo: loOf(iova),
});
