import { hex, toBig } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, DIRECTION_NAMES, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, DMA_MAP_RESOURCE, LIST } from "../../formats/trace/dma-kinds.ts";
import type { KernelEvent, KernelStatement } from "../../formats/trace/kernel-event.ts";
import type { Finding } from "../findings/finding.ts";
import type { Place } from "../findings/place.ts";
import type { LiveList } from "./live-list.ts";
import { FAMILY_NAMES, type LiveMapping } from "./live-mapping.ts";
import type { DeviceMappings } from "./mappings.ts";
import { type DmaReport, pagesOf, placeOfDma, timeOf } from "./report.ts";

/** Bytes of a page of the addresses that Linux hands out, at least. */
const PAGE = 4096;
/** Bytes of a slot of bounce memory (`IO_TLB_SIZE`). */
const SLOT = 2048;

/** Names of the errors that maps return. */
const ERRORS: Readonly<Record<number, string>> = {
  [-5]: "EIO",
  [-12]: "ENOMEM",
  [-22]: "EINVAL",
  [-121]: "EREMOTEIO",
};

/** Calls of the DMA API that failed: one finding for a device, with its state when the first of them did. */
export class MapFailures {
  readonly #report: DmaReport;
  /** By device, of events; or by the kernel's message and device. */
  readonly #findings = new Map<string, Finding>();
  readonly #fragmented = new Set<number>();

  constructor(report: DmaReport) {
    this.#report = report;
  }

  /** A device's own registers cannot always be mapped; for memory it means that no address is left. */
  failed(event: LinuxDmaEvent, mappings: DeviceMappings): void {
    if (isResource(event)) return;
    const { family, name } = DMA_KINDS[event.kind]!;
    const key = `event ${event.device}`;
    const known = this.#findings.get(key);
    if (known !== undefined) {
      this.#report.log.extend(known, [placeOfDma(event)]);
      return;
    }
    const what =
      family === LIST
        ? `a list of ${Math.max(event.totalEntries, event.entries.length)} entries`
        : `${event.size} bytes`;
    const way = family === ALLOCATION ? "" : ` ${DIRECTION_NAMES[event.direction]}`;
    const error = event.error === 0 ? "" : `, ${ERRORS[event.error] ?? `error ${event.error}`}`;
    const finding = this.#report.log.add({
      kind: "map-failed",
      device: this.#report.devices[event.device]!,
      places: [placeOfDma(event)],
      time: timeOf(event),
      task: this.#report.taskOf(event),
      message: `no address for ${what}${way} (${name}${error}), while the device has ${stateOf(mappings.live)}`,
    });
    this.#findings.set(key, finding);
    this.#lookAtHoles(event, mappings);
  }

  /** The kernel says that something failed. */
  said(event: KernelEvent, what: KernelStatement, place: Place, live: DeviceMappings | undefined): void {
    const text = textOf(what);
    if (text === undefined) return;
    const device = "device" in what ? what.device : undefined;
    const key = `${what.type} ${device}`;
    const known = this.#findings.get(key);
    const places = [place];
    if (known !== undefined) {
      known.message = text + stateText(live);
      this.#report.log.extend(known, places);
      return;
    }
    const finding = this.#report.log.add({
      kind: "map-failed",
      ...(device === undefined ? {} : { device }),
      places,
      time: timeOf(event),
      message: text + stateText(live),
    });
    this.#findings.set(key, finding);
  }

  /** Is what is free between the addresses in use enough, and only cut into pieces? */
  #lookAtHoles(event: LinuxDmaEvent, { live, lowest, highest }: DeviceMappings): void {
    if (this.#fragmented.has(event.device) || event.size === 0) return;
    const wanted = Math.ceil(event.size / PAGE) * PAGE;
    const { free, largest } = holesOf(live, lowest, highest);
    if (largest >= wanted || free < wanted) return;
    this.#fragmented.add(event.device);
    this.#report.log.add({
      kind: "fragmented",
      device: this.#report.devices[event.device]!,
      ioba: BigInt(lowest),
      pages: pagesOf(highest - lowest),
      places: [placeOfDma(event)],
      time: timeOf(event),
      task: this.#report.taskOf(event),
      message: `${event.size} bytes fail while ${free} bytes are free between the addresses that were used (${hex(lowest)} to ${hex(highest)}), the largest piece of them of ${largest} bytes`,
    });
  }
}

export const isResource = (event: LinuxDmaEvent): boolean =>
  event.kind === DMA_MAP_RESOURCE || (event.attributes & ATTRIBUTE_BITS.MMIO!) !== 0;

const stateText = (mappings: DeviceMappings | undefined): string =>
  mappings === undefined ? "" : `; the device has ${stateOf(mappings.live)}`;

/** `508 live mappings of 4,550,000 bytes, 500 of them single maps of 9100 bytes FROM_DEVICE`. */
function stateOf(live: LiveList<LiveMapping>): string {
  if (live.size === 0) return "no live mapping";
  const patterns = new Map<string, number>();
  let bytes = 0;
  for (const { family, direction, size } of live) {
    bytes += size;
    const way = family === ALLOCATION ? "" : ` ${DIRECTION_NAMES[direction]}`;
    const pattern = `${FAMILY_NAMES[family]!.replace(/^an? /, "")}s of ${size} bytes${way}`;
    patterns.set(pattern, (patterns.get(pattern) ?? 0) + 1);
  }
  let [largest, most] = ["", 0];
  for (const [pattern, count] of patterns) if (count > most) [largest, most] = [pattern, count];
  const mappings = live.size === 1 ? "1 live mapping" : `${live.size} live mappings`;
  return `${mappings} of ${bytes} bytes, ${most} of them ${largest}`;
}

/** What the kernel's message means, in words; undefined for one that tells of no failure. */
function textOf(what: KernelStatement): string | undefined {
  if (what.type === "alloc-failed") {
    return `no run of ${what.pages} free IOMMU pages (iommu_alloc failed): the window is full or fragmented`;
  }
  if (what.type !== "bounce-full") return undefined;
  const { size, slots, used } = what;
  const wanted = Math.ceil(size / SLOT);
  if (slots === 0) return `no bounce memory for ${size} bytes: it is used up`;
  const free = slots - used;
  const why =
    free >= wanted
      ? `${free} are free, but not ${wanted} in a row where the device can use them`
      : `${free} are free, and ${wanted} are needed`;
  return `no bounce memory for ${size} bytes: of ${slots} slots of ${SLOT} bytes ${used} are used, ${why}`;
}

/** Bytes that are free in `[lowest, highest)`, and the largest piece of them. */
function holesOf(
  live: LiveList<LiveMapping>,
  lowest: number,
  highest: number,
): { free: number; largest: number } {
  const taken = [...live]
    .map(({ dmaHi, dmaLo, size }) => {
      const first = Number(toBig(dmaHi, dmaLo));
      return [Math.floor(first / PAGE) * PAGE, Math.ceil((first + size) / PAGE) * PAGE] as const;
    })
    .sort(([a], [b]) => a - b);
  let at = lowest;
  let free = 0;
  let largest = 0;
  for (const [first, end] of [...taken, [highest, highest] as const]) {
    if (first > at) {
      free += first - at;
      largest = Math.max(largest, first - at);
    }
    at = Math.max(at, end);
  }
  return { free, largest };
}
