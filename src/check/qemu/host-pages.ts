import { hex } from "../../base/u64.ts";
import type { HostEvent } from "../../formats/trace/host-event.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { TceTable } from "../../tce/tce-table.ts";
import { type Finding, pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { placeOf } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Addresses that are followed together have so many pages at most: of larger regions larger pages are compared. */
const MAX_PAGES_SHIFT = 31;
const SMALLEST_PAGE_SHIFT = 12;
/** Regions that are followed at one time. */
const MAX_REGIONS = 1000;
const MAPPED = 3;

/** A region of the guest's IOMMU that the host follows, and what it was told to map there. */
interface Followed {
  readonly start: bigint;
  readonly last: bigint;
  readonly pageShift: number;
  readonly told: TceTable;
  /** Was it told anything? A log may have no events of that. */
  isTold: boolean;
}

/**
 * Compares the host's side with the guest's, page by page: QEMU tells the host of each entry before the guest's call is
 * done and traced (QEMU-NOTIFY-1). So when the call is read, the host must have been told of its pages.
 */
export class HostPages {
  readonly #log: FindingLog;
  #regions: Followed[] = [];
  /** Findings by window and what is wrong. */
  readonly #found = new Map<string, Finding>();

  constructor(log: FindingLog) {
    this.#log = log;
  }

  /** Takes an event of the host's side. */
  handle({ kind, start, bytes }: HostEvent): void {
    if (start === undefined || bytes === undefined || bytes <= 0n) return;
    if (kind === "add-iommu") this.#follow(start, bytes);
    else if (kind === "remove-range") this.#regions = this.#regions.filter((one) => one.start !== start);
    else if (kind === "map" || kind === "unmap") this.#tell(start, bytes, kind === "map" ? MAPPED : 0);
  }

  /** Events are missing: what the host was told is not known any more. */
  lose(): void {
    this.#regions = [];
  }

  /** The guest mapped or unmapped entries. */
  changing(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number, maps: boolean): void {
    if (this.#regions.length === 0) return;
    const { liobn, pageShift } = rebuilt.window;
    const start = rebuilt.iobaOf(first);
    const bytes = BigInt(count) << BigInt(pageShift);
    const region = this.#regionOf(start, bytes);
    // Pages that are smaller than those that are compared share one.
    if (region === undefined || !region.isTold || pageShift < region.pageShift) return;
    const [from, pages] = pagesOf(region, start, bytes);
    const mapped = region.told.count(from, from + pages);
    const wrong = maps ? pages - mapped : mapped;
    if (wrong === 0) return;
    const entries = Math.ceil(wrong / 2 ** (pageShift - region.pageShift));
    const key = `${liobn} ${maps}`;
    const known = this.#found.get(key);
    if (known !== undefined) {
      this.#log.extend(known, [placeOf(event)], entries);
      return;
    }
    const what = maps
      ? `maps ${pagesText(entries)} at ${hex(start)}, and the host was not told to: the device cannot reach them`
      : `unmaps ${pagesText(entries)} at ${hex(start)}, and the host was not told to: the device still reaches what they mapped`;
    const finding = this.#log.add({
      kind: "mismatch",
      liobn,
      ioba: start,
      pages: entries,
      places: [placeOf(event)],
      message: `the guest ${what}`,
    });
    this.#found.set(key, finding);
  }

  #follow(start: bigint, bytes: bigint): void {
    if (this.#regions.length >= MAX_REGIONS) return;
    const last = start + bytes - 1n;
    const pageShift = Math.max(SMALLEST_PAGE_SHIFT, (bytes - 1n).toString(2).length - MAX_PAGES_SHIFT);
    const length = Number((bytes - 1n) >> BigInt(pageShift)) + 1;
    const told = new TceTable({ length, pageShift: 0 });
    this.#regions = this.#regions.filter((one) => one.start !== start);
    this.#regions.push({ start, last, pageShift, told, isTold: false });
  }

  #tell(start: bigint, bytes: bigint, value: number): void {
    const region = this.#regionOf(start, bytes);
    if (region === undefined) return;
    region.isTold = true;
    const [from, pages] = pagesOf(region, start, bytes);
    region.told.fill(from, pages, 0, value);
  }

  #regionOf(start: bigint, bytes: bigint): Followed | undefined {
    return this.#regions.find((one) => start >= one.start && start + bytes - 1n <= one.last);
  }
}

/** First page of addresses in a region, and how many pages. */
function pagesOf(
  { start, pageShift }: Followed,
  first: bigint,
  bytes: bigint,
): [first: number, pages: number] {
  const shift = BigInt(pageShift);
  const from = Number((first - start) >> shift);
  return [from, Number((first + bytes - 1n - start) >> shift) - from + 1];
}
