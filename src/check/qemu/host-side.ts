import { hex } from "../../base/u64.ts";
import { formatSize } from "../../base/units.ts";
import type { HostEvent } from "../../formats/trace/host-event.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { type Place, placeText } from "../findings/place.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Windows of the host that are kept. */
const MAX_WINDOWS = 10_000;
/** Pages of findings that name no window. */
const PAGE = 4096n;

/**
 * A window of the host, as QEMU's `vfio_*` events tell of it.
 *
 * @public
 */
export interface HostWindow {
  readonly busOffset: bigint;
  /** Undefined where only its end is told. */
  readonly bytes: bigint | undefined;
  readonly pageShift: number | undefined;
  readonly levels: number | undefined;
  /** Undefined if it was there before. */
  readonly createdAt: Place | undefined;
  removedAt: Place | undefined;
}

/** Follows the host's side of a trace, and compares it with the guest's. */
export class HostSide {
  readonly windows: HostWindow[] = [];
  readonly #log: FindingLog;
  /** Failures by call, range and reason. */
  readonly #failures = new Map<string, Finding>();
  /** The failure that was told last, with nothing behind it: QEMU says with two lines what failed. */
  #last: { readonly event: number; readonly call: string; readonly finding: Finding } | undefined;

  constructor(log: FindingLog) {
    this.#log = log;
  }

  handle(event: HostEvent): void {
    if (event.kind !== "failed") this.#last = undefined;
    if (event.kind === "create-window") this.#add(event);
    else if (event.kind === "remove-window") this.#remove(event);
    else if (event.kind === "failed") this.#failed(event, event.call!, event.why ?? "no reason is printed");
    else if (event.kind === "register" && event.errno !== 0)
      this.#failed(event, "register memory", `errno ${event.errno}`);
  }

  #add(event: HostEvent): void {
    if (this.windows.length >= MAX_WINDOWS) return;
    const { start, bytes, pageShift, levels } = event;
    this.windows.push({
      busOffset: start!,
      bytes,
      pageShift,
      levels,
      createdAt: placeOfHost(event),
      removedAt: undefined,
    });
  }

  #remove(event: HostEvent): void {
    const place = placeOfHost(event);
    const known = this.windows.findLast(
      ({ busOffset, removedAt }) => busOffset === event.start && removedAt === undefined,
    );
    if (known !== undefined) known.removedAt = place;
    else if (this.windows.length < MAX_WINDOWS)
      this.windows.push({
        busOffset: event.start!,
        bytes: undefined,
        pageShift: undefined,
        levels: undefined,
        createdAt: undefined,
        removedAt: place,
      });
  }

  #failed(event: HostEvent, call: string, why: string): void {
    const { start, bytes = 0n } = event;
    const place = placeOfHost(event);
    const last = this.#last;
    // `VFIO_MAP_DMA failed: why` goes before the line that names the range.
    if (last?.event === event.event && last.call === call && last.finding.ioba === undefined) {
      last.finding.ioba = start;
      last.finding.pages = Number(bytes / PAGE);
      last.finding.message = failureText(event, call, why);
      this.#log.extend(last.finding, [place], 0, 0);
      this.#last = undefined;
      return;
    }
    const key = `${call} ${start} ${bytes} ${why}`;
    const known = start === undefined ? undefined : this.#failures.get(key);
    if (known !== undefined) {
      this.#log.extend(known, [place]);
      return;
    }
    const finding = this.#log.add({
      kind: "map-failed",
      ...(start === undefined ? {} : { ioba: start }),
      pages: Number(bytes / PAGE),
      places: [place],
      message: failureText(event, call, why),
    });
    this.#failures.set(key, finding);
    this.#last = { event: event.event, call, finding };
  }

  /** To be called after the last event: compares windows that are there with those of the guest. */
  end(guest: Iterable<RebuiltWindow>): void {
    if (this.windows.length === 0) return;
    const all = [...guest].filter(({ window }) => window.isPci);
    for (const host of this.windows) {
      const { busOffset, bytes, pageShift, createdAt, removedAt } = host;
      if (bytes === undefined || createdAt === undefined || removedAt !== undefined) continue;
      const rebuilt = all.find(({ window }) => window.busOffset === busOffset);
      if (rebuilt === undefined || rebuilt.evidence.size !== "told") continue;
      const { window } = rebuilt;
      const why =
        window.sizeBytes !== bytes
          ? `has ${formatSize(Number(bytes))}, the guest's ${formatSize(Number(window.sizeBytes))}`
          : pageShift !== undefined && pageShift > window.pageShift
            ? `has pages of ${formatSize(2 ** pageShift)}, the guest's of ${formatSize(2 ** window.pageShift)}`
            : undefined;
      if (why === undefined) continue;
      this.#log.add({
        kind: "mismatch",
        liobn: window.liobn,
        ioba: busOffset,
        places: [...(rebuilt.createdAt === undefined ? [] : [rebuilt.createdAt]), createdAt],
        message: `the host's window of ${placeText(createdAt)} ${why}: what the guest maps does not all reach the device`,
      });
    }
  }
}

/** Where an event of the host's side stands. */
const placeOfHost = ({ event, line }: HostEvent): Place => ({ event, line });

function failureText({ start, bytes, kind }: HostEvent, call: string, why: string): string {
  const size = bytes === undefined ? "" : `${formatSize(Number(bytes))} at `;
  const what =
    start === undefined ? "" : ` ${size}${kind === "register" ? "user address " : ""}${hex(start)}`;
  return `the host refused to ${call}${what}: ${why}`;
}

/** A window of the host in the shape of the JSON output. */
export function hostWindowToJson(window: HostWindow): Record<string, unknown> {
  const { busOffset, bytes, pageShift, levels, createdAt, removedAt } = window;
  return {
    busOffset: hex(busOffset),
    bytes: bytes === undefined ? null : hex(bytes),
    pageShift: pageShift ?? null,
    levels: levels ?? null,
    createdAt: createdAt?.line ?? null,
    removedAt: removedAt?.line ?? null,
  };
}
