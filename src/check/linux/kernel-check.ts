import type { KernelEvent } from "../../formats/trace/kernel-event.ts";
import type { CheckOptions } from "../check-options.ts";
import { type NotJudged, thatOccur } from "../findings/judged.ts";
import type { Place } from "../findings/place.ts";
import { Bounces } from "./bounces.ts";
import type { LinuxDevice } from "./device.ts";
import { type FaultSpaces, IoFaults } from "./io-faults.ts";
import { IommuRanges } from "./iommu-ranges.ts";
import { KernelVerdicts } from "./kernel-verdicts.ts";
import type { LiveMapping } from "./live-mapping.ts";
import type { MapCheck } from "./map-check.ts";
import type { MapFailures } from "./map-failures.ts";
import type { AddressSpace } from "./mappings.ts";
import type { DmaReport } from "./report.ts";

/** Judges what Linux says of DMA besides the `dma:*` events, and ties it to these. */
export class KernelCheck implements FaultSpaces {
  readonly bounces: Bounces = new Bounces();
  readonly ranges: IommuRanges;
  readonly faults: IoFaults;
  /** Statements that were judged. */
  count = 0;
  readonly #report: DmaReport;
  readonly #verdicts: KernelVerdicts;
  readonly #failures: MapFailures;
  /** Devices by the numbers of the events; replaced when events are missing. */
  readonly #devices: readonly LinuxDevice[];

  constructor(report: DmaReport, maps: MapCheck, failures: MapFailures, devices: readonly LinuxDevice[]) {
    this.#report = report;
    this.#devices = devices;
    this.#failures = failures;
    this.ranges = new IommuRanges(report);
    this.faults = new IoFaults(report, this);
    this.#verdicts = new KernelVerdicts(report, maps);
  }

  /** @param isElsewhere does it stand in a file of its own? */
  handle(event: KernelEvent, isElsewhere = false): void {
    this.count++;
    const { what, number, line } = event;
    const place: Place = { event: number, line, isInLog: isElsewhere };
    const device = "device" in what ? this.#deviceOf(what.device) : undefined;
    switch (what.type) {
      case "fault":
        this.faults.fault(event, what, place);
        break;
      case "frozen":
        this.#verdicts.frozen(event, what, place);
        break;
      case "bounced":
        this.bounces.bounced(what);
        break;
      case "iommu-map":
        this.ranges.map(event, what);
        break;
      case "iommu-unmap":
        this.ranges.unmap(event, what);
        break;
      case "attached":
        this.ranges.attached(what.device);
        break;
      case "pending":
        this.#verdicts.pending(event, what, place, device);
        break;
      case "windows-offered":
        this.#verdicts.windowsOffered(what);
        break;
      case "window-trouble":
        // `plan --from` explains it; it is nothing of the DMA API.
        break;
      case "window-asked":
        this.#verdicts.windowAsked(event, what, place);
        break;
      case "verdict":
        this.#verdicts.verdict(event, what, place, device);
        break;
      default:
        this.#failures.said(event, what, place, device?.mappings);
    }
  }

  /** To be called after the last event; `dma` events are the layer above the IOMMU's, and judged instead of these. */
  end({ goneAt }: CheckOptions, hasEvents: boolean): void {
    this.bounces.end();
    if (!hasEvents) this.ranges.end(goneAt);
  }

  /** What could not be judged. */
  notJudged(hasEvents: boolean): NotJudged[] {
    const { maps, unmaps } = this.ranges;
    return thatOccur([
      { count: this.faults.beyond, reason: "faults after the first 10,000" },
      {
        count: hasEvents ? maps + unmaps : 0,
        reason: "events of the IOMMU, since those of the DMA API above them are there",
      },
    ]);
  }

  spaceOf(name: string | undefined): AddressSpace | undefined {
    const device = this.#deviceOf(name)?.mappings;
    return device ?? (this.ranges.maps > 0 ? this.ranges : undefined);
  }

  knowsOthersThan(name: string | undefined): boolean {
    return this.#report.devices.length > 0 && this.#deviceOf(name) === undefined;
  }

  otherWith(
    name: string | undefined,
    hi: number,
    lo: number,
  ): { name: string; mapping: LiveMapping } | undefined {
    for (const [number, other] of this.#report.devices.entries()) {
      const mapping = other === name ? undefined : this.#devices[number]?.mappings.covering(hi, lo);
      if (mapping !== undefined) return { name: other, mapping };
    }
    return undefined;
  }

  #deviceOf(name: string | undefined): LinuxDevice | undefined {
    return name === undefined ? undefined : this.#devices[this.#report.devices.indexOf(name)];
  }
}
