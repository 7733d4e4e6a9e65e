import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, DMA_LOST, LIST } from "../../formats/trace/dma-kinds.ts";
import type { KernelEvent } from "../../formats/trace/kernel-event.ts";
import type { CheckOptions } from "../check-options.ts";
import { type Judged, judgedWindows, type NotJudged, thatOccur } from "../findings/judged.ts";
import type { FindingKind } from "../findings/kinds.ts";
import type { FindingLog } from "../findings/log.ts";
import type { BouncedMaps } from "./bounces.ts";
import { CallerPatterns } from "./caller-patterns.ts";
import { Continuity } from "./continuity.ts";
import type { LinuxDevice } from "./device.ts";
import { DeviceCounts, type DeviceTally } from "./device-tally.ts";
import { stacksOf } from "./finding-stacks.ts";
import { KernelCheck } from "./kernel-check.ts";
import { findDmaLeaks } from "./leaks.ts";
import { unmapsNothing } from "./live-mapping.ts";
import { MapCheck } from "./map-check.ts";
import { MapFailures } from "./map-failures.ts";
import { DeviceMappings } from "./mappings.ts";
import { MissingSyncs } from "./missing-syncs.ts";
import { DmaReport } from "./report.ts";
import { checkListSync, checkSync } from "./sync-check.ts";
import { checkUnmap } from "./unmap-check.ts";

/** Findings that one event proves, and not a pair of them. */
const PROVED_ALONE: readonly FindingKind[] = ["map-failed", "io-fault", "beyond-mask"];

/** What the text says of the machine that it was recorded on. */
export interface RecordedPart {
  /** CPUs of the machine; 0 if nothing says. */
  readonly cpus: number;
  /** Entries that the buffer had, of all CPUs; 0 if nothing says. */
  readonly entries: number;
  /** Lines of entries that there are in the text. */
  readonly lines: number;
  /** Does it show that what was recorded on each CPU is there? */
  readonly isWhole: boolean;
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
  readonly #failures: MapFailures;
  readonly #kernel: KernelCheck;
  readonly #devices: LinuxDevice[] = [];
  readonly #continuity = new Continuity();
  readonly #counts = { maps: 0, unmaps: 0, syncs: 0, failed: 0, unknownUnmaps: 0 };
  /** What there was of each device that occurred, also before events were lost. */
  readonly #tallies: DeviceCounts[] = [];
  readonly #seen = new Set<number>();
  /** Pairs of events that were not judged, since the other CPUs' events are not there. */
  #withheld = 0;

  /** @param names by number; they grow while events come */
  constructor(names: DmaNames, options: CheckOptions) {
    this.#report = new DmaReport(names);
    this.#maps = new MapCheck(this.#report, options);
    this.#failures = new MapFailures(this.#report);
    this.#kernel = new KernelCheck(this.#report, this.#maps, this.#failures, this.#devices);
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
    const device = this.#device(event);
    switch (role) {
      case "none":
        this.#failed(event, device);
        break;
      case "map":
        if (event.failed) this.#failed(event, device);
        else this.#map(event, device);
        break;
      case "unmap":
        this.#counts.unmaps++;
        this.#tally(event).unmaps++;
        if (!unmapsNothing(event) && !checkUnmap(event, device, this.#report)) {
          this.#counts.unknownUnmaps++;
          this.#tally(event).unmappedUnknown(event);
        }
        if (family === ALLOCATION) device.syncs.freed();
        break;
      default:
        this.#counts.syncs++;
        if (family === LIST) checkListSync(event, device);
        else checkSync(event, device, this.#report);
    }
  }

  /**
   * Linux says something of DMA in another line.
   *
   * @param isElsewhere does the line stand in another file?
   */
  kernel(event: KernelEvent, isElsewhere = false): void {
    this.#report.advance(event.number);
    this.#kernel.handle(event, isElsewhere);
  }

  /** What went through bounce memory; to be asked after the end. */
  get bounced(): readonly BouncedMaps[] {
    return this.#kernel.bounces.rows;
  }

  #map(event: LinuxDmaEvent, device: LinuxDevice): void {
    this.#counts.maps++;
    this.#tally(event).maps++;
    const { bounces, faults } = this.#kernel;
    if (bounces.isWaiting) bounces.mapped(event, this.#report.devices[event.device]!);
    const mapping = this.#maps.map(event, device);
    if (!faults.isWaiting || mapping === undefined) return;
    mapping.isHeld = true;
    faults.mapped(mapping, this.#report.devices[event.device]!);
  }

  #failed(event: LinuxDmaEvent, { mappings }: LinuxDevice): void {
    this.#counts.failed++;
    this.#tally(event).failed++;
    this.#failures.failed(event, mappings);
  }

  /** Events are missing: from here on nothing is known, and what looked wrong shortly before may be explained. */
  lose(): void {
    this.#report.lose();
    this.#devices.forEach(({ mappings }, number) => {
      if (mappings.live.size > 0) this.#tallies[number]!.forget(mappings.live);
    });
    this.#devices.length = 0;
    this.#kernel.faults.lose();
  }

  /** To be called after the last event. */
  end(part: RecordedPart): void {
    this.#report.end();
    const { log, devices } = this.#report;
    this.#kernel.end(this.#options, this.#hasEvents);
    if (this.#isOneCpu(part)) this.#withheld = Math.max(1, log.withhold(PROVED_ALONE) + this.alive);
    else {
      this.#devices.forEach((device, number) => {
        device.syncs.report(devices[number]!, log);
        findDmaLeaks(device, devices[number]!, this.#options, this.#report);
      });
    }
    for (const finding of log.findings) finding.stack = stacksOf(finding, this.#report.stacks);
  }

  get #hasEvents(): boolean {
    const { maps, unmaps, failed } = this.#counts;
    return maps + unmaps + failed > 0;
  }

  /** What there was of each device, in the order in which they occurred. */
  get tallies(): DeviceTally[] {
    return [...this.#seen].map((number) => {
      const { maps, unmaps, failed, aliveBefore } = this.#tallies[number]!;
      const alive = aliveBefore + (this.#devices[number]?.mappings.live.size ?? 0);
      return { device: this.#report.devices[number]!, maps, unmaps, failed, alive };
    });
  }

  /** What was judged of so many events; to be asked after the end. */
  judged(events: number): Judged {
    const { maps, unmaps, syncs, failed } = this.#counts;
    const { ranges, count } = this.#kernel;
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
      kernelLines: count,
      ranges: ranges.maps,
      rangesAlive: ranges.live.size,
    };
  }

  /** What could not be judged; to be asked after the end. */
  notJudged(): NotJudged[] {
    const shared = this.#options.cacheLine === 0 ? this.#maps.shared : 0;
    return thatOccur([
      ...this.#kernel.notJudged(this.#hasEvents),
      {
        count: shared,
        reason:
          "maps that share 64 bytes of memory with another one, which is wrong where caches are not coherent (--cache-line)",
      },
      {
        count: this.#report.stacks.dropped,
        reason:
          "frames of call stacks, of which there are too many different ones to tell their callers apart",
      },
      { count: this.#counts.unknownUnmaps, reason: "unmaps of what the recording did not see mapped" },
      {
        count: this.#continuity.backwards,
        reason:
          "places where times go back (several recordings, or CPUs, one after the other): nothing is paired across them",
        // Two whole recordings, one after the other, want nothing.
        isMissing: this.#counts.unknownUnmaps > 0,
      },
      {
        count: this.#withheld,
        isMissing: true,
        reason: `mappings: ${oneCpuText(this.#continuity.cpus)}`,
      },
    ]);
  }

  /**
   * Is this of one of several CPUs (its own trace file, `trace-cmd report --cpu 0`, `trace-cmd split -C 0`), or the text of one after
   * the other? It is if the buffer had entries of which the text has no line; and where nothing says how many those were, or there
   * are several texts, if maps and unmaps do not fit, as those do not of which the other half ran elsewhere.
   */
  #isOneCpu({ cpus, entries, lines, isWhole }: RecordedPart): boolean {
    const texts = this.#continuity.cpus.length;
    if (cpus === 1 || texts === 0) return false;
    if (cpus > 0 && texts === 1 && (entries > 0 || isWhole)) return entries > lines;
    if (this.#counts.unknownUnmaps > 0) return true;
    return (
      cpus > 0 && texts === 1 && this.#report.log.findings.some(({ kind }) => !PROVED_ALONE.includes(kind))
    );
  }

  #tally({ device }: LinuxDmaEvent): DeviceCounts {
    return this.#tallies[device]!;
  }

  #device(event: LinuxDmaEvent): LinuxDevice {
    const device = this.#devices[event.device];
    if (device !== undefined) return device;
    this.#seen.add(event.device);
    while (this.#tallies.length <= event.device) this.#tallies.push(new DeviceCounts());
    while (this.#devices.length <= event.device) {
      this.#devices.push({
        mappings: new DeviceMappings(),
        syncs: new MissingSyncs(this.#options.pool),
        callers: new CallerPatterns(),
      });
    }
    return this.#devices[event.device]!;
  }
}

/** Why nothing is paired in texts of these CPUs. */
const oneCpuText = (cpus: readonly number[]): string =>
  cpus.length === 1
    ? `only events of CPU ${cpus[0]} are there, and what other CPUs mapped and unmapped is not`
    : `the events of each CPU (${cpus.join(", ")}) stand for themselves, and what one maps and another unmaps is not paired`;
