import { hiOf, loOf } from "../../base/u64.ts";
import { counted, formatCount, formatTime } from "../../base/units.ts";
import type { KernelEvent, KernelStatement } from "../../formats/trace/kernel-event.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingKind } from "../findings/kinds.ts";
import { type Place, placeText } from "../findings/place.ts";
import type { LinuxDevice } from "./device.ts";
import { reportLeaks } from "./leaks.ts";
import { type MapCheck, sharedText } from "./map-check.ts";
import { OfferedWindows } from "./refused-window.ts";
import { between, type DmaReport, timeOf } from "./report.ts";

type Said<T extends KernelStatement["type"]> = Extract<KernelStatement, { readonly type: T }>;

/** Our kind for a verdict of CONFIG_DMA_API_DEBUG, or of a map that failed, by its words. */
const KINDS: readonly (readonly [words: RegExp, kind: FindingKind])[] = [
  [/cacheline/, "cache-line-shared"],
  [/different size|outside allocated|out of range/, "size-mismatch"],
  [/different direction|read-only|write-only/, "direction-mismatch"],
  [/frees DMA memory it has not allocated|free DMA memory it has not allocated/, "double-unmap"],
  [/sync DMA memory it has not allocated/, "dma-after-unmap"],
  [/of DMA mask/, "beyond-mask"],
];

/** Verdicts of the kernel itself, joined with what the events say. */
export class KernelVerdicts {
  readonly #report: DmaReport;
  readonly #maps: MapCheck;
  /** By kind and device. */
  readonly #findings = new Map<string, Finding>();
  readonly #offers = new OfferedWindows();

  constructor(report: DmaReport, maps: MapCheck) {
    this.#report = report;
    this.#maps = maps;
  }

  /** A driver went: what its device has mapped now leaked. */
  pending(
    event: KernelEvent,
    { device: name, count }: Said<"pending">,
    place: Place,
    device: LinuxDevice | undefined,
  ): void {
    const left = [...(device?.mappings.live ?? [])];
    const places = [place];
    const known = left.length === count ? "" : `, ${formatCount(left.length)} of them in this recording`;
    const why = `was left when its driver went; the kernel counts ${formatCount(count)}${known} ("pending DMA allocations")`;
    if (left.length === 0) {
      this.#report.log.add({
        kind: "leak",
        device: name,
        places,
        time: timeOf(event),
        message: `the driver went and left ${counted(count, "mapping")}, says the kernel ("pending DMA allocations"): ${count === 1 ? "its map is" : "their maps are"} not in this recording`,
      });
      return;
    }
    for (const finding of reportLeaks(left, name, why, this.#report))
      this.#report.log.extend(finding, places, 0, 0);
    device!.mappings.forget();
  }

  verdict(
    event: KernelEvent,
    { device: name, address, text }: Said<"verdict">,
    place: Place,
    device: LinuxDevice | undefined,
  ): void {
    const kind = KINDS.find(([words]) => words.test(text))?.[1] ?? "mismatch";
    const key = `${kind} ${name}`;
    const known = this.#findings.get(key);
    const places = [place];
    if (known !== undefined) {
      this.#report.log.extend(known, places);
      return;
    }
    const shared = kind === "cache-line-shared" ? this.#maps.lastShared : undefined;
    const mapping =
      address === undefined ? undefined : device?.mappings.covering(hiOf(address), loOf(address));
    const joined =
      shared !== undefined
        ? `: ${sharedText(shared, this.#report)}`
        : mapping === undefined
          ? ""
          : `: mapped by ${this.#report.actText(mapping)}`;
    const of = shared === undefined ? name : this.#report.devices[shared[1].device];
    const finding = this.#report.log.add({
      kind,
      ...(of === undefined ? {} : { device: of }),
      ...(address === undefined ? {} : { ioba: address }),
      places: [...(shared ?? (mapping === undefined ? [] : [mapping])), ...places],
      time: timeOf(event),
      message: `the kernel says "${text}"${joined}`,
    });
    this.#findings.set(key, finding);
  }

  windowsOffered(what: Said<"windows-offered">): void {
    this.#offers.offered(what);
  }

  /** A hypervisor refused a dynamic window. */
  windowAsked(event: KernelEvent, what: Said<"window-asked">, place: Place): void {
    const { device, pageShift, windowShift, status } = what;
    if (status === 0) return;
    const refusal = this.#offers.refusalOf(what);
    const why = refusal === undefined ? "" : `: ${refusal.rule} (${refusal.id})`;
    this.#report.log.add({
      kind: "refused-call",
      device,
      places: [place],
      time: timeOf(event),
      message: `ibm,create-pe-dma-window for 2^${windowShift} bytes in pages of 2^${pageShift} bytes returns ${status}${why}`,
    });
  }

  /** EEH stopped devices of a bridge; the address is not told, but mistakes before it may explain it. */
  frozen(event: KernelEvent, { domain, endpoint }: Said<"frozen">, place: Place): void {
    const prefix = `${domain.toString(16).padStart(4, "0")}:`;
    const mistake = this.#report.lastMistake(prefix);
    const devices = this.#report.devices.filter((name) => name.startsWith(prefix));
    const since = mistake === undefined ? Number.NaN : between(mistake, event);
    const before = since > 0 ? `, ${formatTime(since)} before` : "";
    const why =
      mistake === undefined
        ? "no mistake of its devices is in this recording before it"
        : `the last mistake of its devices is ${mistake.kind} at ${placeText(mistake)}${before}`;
    this.#report.log.add({
      kind: "io-fault",
      ...(devices.length === 1 ? { device: devices[0]! } : {}),
      places: [...(mistake === undefined ? [] : [mistake]), place],
      time: timeOf(event),
      message: `EEH froze PE#${endpoint} of PHB#${domain.toString(16)}: a device used an address that is not mapped, or not so; ${why}`,
    });
  }
}
