import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, DMA_LOST, LIST } from "../../formats/trace/dma-kinds.ts";
import type { CheckOptions } from "../check-options.ts";
import type { FindingLog } from "../findings/finding.ts";
import type { LinuxDevice } from "./device.ts";
import { findDmaLeaks } from "./leaks.ts";
import { unmapsNothing } from "./live-mapping.ts";
import { MapCheck } from "./map-check.ts";
import { DeviceMappings } from "./mappings.ts";
import { MissingSyncs } from "./missing-syncs.ts";
import { DmaReport } from "./report.ts";
import { checkListSync, checkSync } from "./sync-check.ts";
import { checkUnmap } from "./unmap-check.ts";

/**
 * Checks Linux' `dma:*` events: what is mapped is unmapped once, with the same
 * size and direction, by the call that belongs to it, and synced as its driver
 * does it otherwise.
 *
 * A recording may begin when drivers run already: an unmap of what it never saw
 * mapped says nothing. The same holds after lost events.
 */
export class DmaCheck {
  readonly #report: DmaReport;
  readonly #options: CheckOptions;
  readonly #maps: MapCheck;
  readonly #devices: LinuxDevice[] = [];

  /** @param names of devices, by number; may grow while events come */
  constructor(names: readonly string[], options: CheckOptions) {
    this.#report = new DmaReport(names);
    this.#maps = new MapCheck(this.#report);
    this.#options = options;
  }

  get log(): FindingLog {
    return this.#report.log;
  }

  /** Mappings that are alive now. */
  get alive(): number {
    return this.#devices.reduce((sum, { mappings }) => sum + mappings.live.size, 0);
  }

  handle(event: LinuxDmaEvent): void {
    this.#report.advance(event.number);
    if (event.kind === DMA_LOST) {
      this.lose();
      return;
    }
    const { role, family } = DMA_KINDS[event.kind]!;
    if (role === "none") return;
    const device = this.#device(event);
    switch (role) {
      case "map":
        if (event.failed) this.#maps.failed(event, device);
        else this.#maps.map(event, device);
        break;
      case "unmap":
        if (!unmapsNothing(event)) checkUnmap(event, device, this.#report);
        if (family === ALLOCATION) device.syncs.freed();
        break;
      default:
        if (family === LIST) checkListSync(event, device);
        else checkSync(event, device, this.#report);
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

  #device(event: LinuxDmaEvent): LinuxDevice {
    const device = this.#devices[event.device];
    if (device !== undefined) return device;
    while (this.#devices.length <= event.device) {
      this.#devices.push({ mappings: new DeviceMappings(), syncs: new MissingSyncs(this.#options.pool) });
    }
    return this.#devices[event.device]!;
  }
}
