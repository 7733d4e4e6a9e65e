import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, DMA_LOST, LIST } from "../../formats/trace/dma-kinds.ts";
import type { CheckOptions } from "../check-options.ts";
import { type Judged, judgedWindows, type NotJudged, thatOccur } from "../findings/judged.ts";
import type { FindingKind } from "../findings/kinds.ts";
import type { FindingLog } from "../findings/log.ts";
import { Continuity } from "./continuity.ts";
import type { LinuxDevice } from "./device.ts";
import { findDmaLeaks } from "./leaks.ts";
import { unmapsNothing } from "./live-mapping.ts";
import { MapCheck } from "./map-check.ts";
import { DeviceMappings } from "./mappings.ts";
import { MissingSyncs } from "./missing-syncs.ts";
import { DmaReport } from "./report.ts";
import { checkListSync, checkSync } from "./sync-check.ts";
import { checkUnmap } from "./unmap-check.ts";

/** Findings that one event proves, and not a pair of them. */
const PROVED_ALONE: readonly FindingKind[] = ["window-full"];

/** What the text says of the machine that it was recorded on. */
export interface RecordedPart {
  /** CPUs of the machine; 0 if nothing says. */
  readonly cpus: number;
  /** Entries that the buffer had, of all CPUs; 0 if nothing says. */
  readonly entries: number;
  /** Lines of entries that there are in the text. */
  readonly lines: number;
}

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
  readonly #continuity = new Continuity();
  readonly #counts = { maps: 0, unmaps: 0, syncs: 0, failed: 0, unknownUnmaps: 0 };
  /** Devices that occurred. */
  readonly #seen = new Set<number>();
  /** Pairs of events that were not judged, since the other CPUs' events are not there. */
  #withheld = 0;

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
    if (this.#continuity.breaks(event)) this.lose();
    const { role, family } = DMA_KINDS[event.kind]!;
    if (role === "none") {
      this.#counts.failed++;
      return;
    }
    const device = this.#device(event);
    switch (role) {
      case "map":
        if (event.failed) {
          this.#counts.failed++;
          this.#maps.failed(event, device);
        } else {
          this.#counts.maps++;
          this.#maps.map(event, device);
        }
        break;
      case "unmap":
        this.#counts.unmaps++;
        if (!unmapsNothing(event) && !checkUnmap(event, device, this.#report)) this.#counts.unknownUnmaps++;
        if (family === ALLOCATION) device.syncs.freed();
        break;
      default:
        this.#counts.syncs++;
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
  end(part: RecordedPart): void {
    this.#report.end();
    const { log, names, guilty } = this.#report;
    if (this.#isOneCpu(part)) {
      this.#withheld = Math.max(1, log.withhold(PROVED_ALONE) + this.alive);
      return;
    }
    this.#devices.forEach(({ mappings, syncs }, number) => {
      syncs.report(names[number]!, log);
      findDmaLeaks(mappings, names[number]!, guilty, this.#options, log);
    });
  }

  /** What was judged of so many events; to be asked after the end. */
  judged(events: number): Judged {
    const { maps, unmaps, syncs, failed } = this.#counts;
    const patterns = new Set<string>();
    for (const { mappings } of this.#devices) {
      for (const { device, family, direction, size } of mappings.live) {
        patterns.add(`${device} ${family} ${direction} ${size}`);
      }
    }
    return {
      ...judgedWindows(events, 0, 0),
      devices: this.#seen.size,
      maps,
      unmaps,
      syncs,
      failed,
      alive: this.alive,
      alivePatterns: patterns.size,
    };
  }

  /** What could not be judged; to be asked after the end. */
  notJudged(): NotJudged[] {
    return thatOccur([
      { count: this.#counts.unknownUnmaps, reason: "unmaps of what the recording did not see mapped" },
      {
        count: this.#continuity.backwards,
        reason:
          "places where times go back (several recordings, or CPUs, one after the other): nothing is paired across them",
      },
      {
        count: this.#withheld,
        reason: `mappings: only events of CPU ${this.#continuity.cpu} are there, and what other CPUs mapped and unmapped is not`,
      },
    ]);
  }

  /**
   * Is this the text of one of several CPUs? It is if the buffer had entries of which the text has no line; where
   * nothing says anything of the buffer, also if things are unmapped that nobody mapped.
   */
  #isOneCpu({ cpus, entries, lines }: RecordedPart): boolean {
    if (cpus === 1 || !(this.#continuity.cpu >= 0)) return false;
    return cpus === 0 ? this.#counts.unknownUnmaps > 0 : entries > lines;
  }

  #device(event: LinuxDmaEvent): LinuxDevice {
    const device = this.#devices[event.device];
    if (device !== undefined) return device;
    this.#seen.add(event.device);
    while (this.#devices.length <= event.device) {
      this.#devices.push({ mappings: new DeviceMappings(), syncs: new MissingSyncs(this.#options.pool) });
    }
    return this.#devices[event.device]!;
  }
}
