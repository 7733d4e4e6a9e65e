import { toBig } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, type LinuxDmaEvent, TO_DEVICE } from "../../formats/trace/dma-event.ts";
import { SINGLE } from "../../formats/trace/dma-kinds.ts";
import type { CheckOptions } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import type { LinuxDevice } from "./device.ts";
import type { LiveMapping } from "./live-mapping.ts";
import { isResource } from "./map-failures.ts";
import { type DmaReport, pagesOf, timeOf } from "./report.ts";

/** The driver says that it knows. */
const CACHELINES_OVERLAP = ATTRIBUTE_BITS.CACHELINES_OVERLAP!;

/** Bytes of a cache line on most machines, for what is counted where no size is given. */
const USUAL_LINE = 64;

/** Checks maps: of memory that a device can write twice, in one cache line, or at addresses that it cannot use. */
export class MapCheck {
  /** Maps that share a cache line with another one, where nobody said that caches are not coherent. */
  shared = 0;
  /** The last two that did. */
  lastShared: readonly [LiveMapping, LiveMapping] | undefined;
  readonly #report: DmaReport;
  readonly #options: CheckOptions;
  readonly #line: number;
  /** First address beyond the mask, in 2^32; and its low half. */
  readonly #limitHi: number;
  readonly #limitLo: number;
  /** By device. */
  readonly #beyond = new Map<number, Finding>();
  readonly #sharing = new Map<number, Finding>();

  constructor(report: DmaReport, options: CheckOptions) {
    this.#report = report;
    this.#options = options;
    this.#line = options.cacheLine === 0 ? USUAL_LINE : options.cacheLine;
    const bits = options.dmaMask;
    this.#limitHi = bits >= 32 ? 2 ** (bits - 32) : 0;
    this.#limitLo = bits >= 32 ? 0 : 2 ** bits;
  }

  map(event: LinuxDmaEvent, { mappings, syncs }: LinuxDevice): LiveMapping | undefined {
    const mapping = mappings.map(event);
    if (mapping === undefined) return undefined;
    syncs.mapped();
    if (this.#options.dmaMask > 0) this.#checkMask(mapping);
    if (mapping.family !== SINGLE || mapping.direction === TO_DEVICE || isResource(event)) return mapping;
    const other = mappings.addWritable(mapping, this.#line);
    if (other !== undefined) {
      const text = `the device can write the same memory through two mappings, of ${this.#report.actText(other)} and ${this.#report.actText(mapping)}`;
      this.#report.add(event, {
        kind: "double-map",
        mapping,
        causes: [other],
        message: text,
        stillMapped: other,
      });
    } else if (mappings.sharesLine !== undefined && (event.attributes & CACHELINES_OVERLAP) === 0)
      this.#shares(mapping, mappings.sharesLine);
    return mapping;
  }

  #shares(mapping: LiveMapping, other: LiveMapping): void {
    this.shared++;
    mapping.isHeld = true;
    other.isHeld = true;
    this.lastShared = [other, mapping];
    if (this.#options.cacheLine === 0) return;
    const known = this.#sharing.get(mapping.device);
    if (known !== undefined) {
      this.#report.log.extend(known, [other, mapping]);
      return;
    }
    const finding = this.#report.log.add({
      kind: "cache-line-shared",
      device: this.#report.devices[mapping.device]!,
      ioba: toBig(mapping.dmaHi, mapping.dmaLo),
      pages: pagesOf(mapping.size),
      places: [other, mapping],
      time: timeOf(mapping),
      task: this.#report.taskOf(mapping),
      message: `${sharedText([other, mapping], this.#report)} share a cache line of ${this.#line} bytes`,
    });
    this.#sharing.set(mapping.device, finding);
  }

  #checkMask(mapping: LiveMapping): void {
    const { dmaHi, dmaLo, size } = mapping;
    const end = dmaLo + Math.max(size, 1) - 1;
    const endHi = dmaHi + Math.floor(end / 2 ** 32);
    if (endHi < this.#limitHi || (endHi === this.#limitHi && end % 2 ** 32 < this.#limitLo)) return;
    mapping.isHeld = true;
    const known = this.#beyond.get(mapping.device);
    if (known !== undefined) {
      this.#report.log.extend(known, [mapping]);
      return;
    }
    const finding = this.#report.log.add({
      kind: "beyond-mask",
      device: this.#report.devices[mapping.device]!,
      ioba: toBig(dmaHi, dmaLo),
      pages: pagesOf(size),
      places: [mapping],
      time: timeOf(mapping),
      task: this.#report.taskOf(mapping),
      message: `${this.#report.actText(mapping)} maps ${size} bytes at an address of more than ${this.#options.dmaMask} bits, which the device cannot use`,
    });
    this.#beyond.set(mapping.device, finding);
  }
}

/** `48 bytes mapped by event 0 (line 12) and 1448 bytes mapped by event 1 (line 13)`. */
export const sharedText = ([a, b]: readonly [LiveMapping, LiveMapping], report: DmaReport): string =>
  `${a.size} bytes mapped by ${report.actText(a)} and ${b.size} bytes mapped by ${report.actText(b)}`;
