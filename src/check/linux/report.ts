import { toBig } from "../../base/u64.ts";
import type { CallStacks } from "../../formats/trace/call-stacks.ts";
import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, LIST } from "../../formats/trace/dma-kinds.ts";
import type { FindingKind } from "../findings/kinds.ts";
import { FindingLog, type NewFinding } from "../findings/log.ts";
import { type Place, placeText } from "../findings/place.ts";
import { GuiltyCallers } from "./guilty-callers.ts";
import { type LiveMapping, RANGE } from "./live-mapping.ts";
import type { PastUnmap } from "./used-addresses.ts";

/** Events of other CPUs that can stand before the line which says that some are missing. */
const BEFORE_LOST = 4096;

/** A finding that later events may explain. */
interface HeldFinding {
  readonly event: number;
  readonly finding: NewFinding;
  /** When and where its event was, and what was still mapped then, if that is what is wrong. */
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly ticks: number;
  readonly cpu: number;
  readonly stillMapped: LiveMapping | undefined;
}

/** An error that one event shows. */
interface ShownError {
  readonly kind: FindingKind;
  /** What it is about, if that is known. */
  readonly mapping?: LiveMapping;
  /** Places before the event that prove it. */
  readonly causes: readonly (Place | LiveMapping)[];
  readonly message: string;
  /** A mapping that should have been undone before the event. */
  readonly stillMapped?: LiveMapping;
}

/**
 * What is wrong in a recording of Linux. Findings are kept back until no lost
 * events can stand after them that would explain them.
 */
export class DmaReport {
  readonly log: FindingLog = new FindingLog();
  readonly guilty: GuiltyCallers = new GuiltyCallers();
  /** Of devices and tasks, by number; they grow while events come. */
  readonly #names: DmaNames;
  #held: HeldFinding[] = [];
  /** The last mistake of each PCI domain, `0003:`. */
  readonly #mistakes = new Map<string, Mistake>();

  constructor(names: DmaNames) {
    this.#names = names;
  }

  /** Names of devices, by number. */
  get devices(): readonly string[] {
    return this.#names.devices.names;
  }

  /** Who made an event: `rmmod-4411`; undefined where nothing tells. */
  taskOf({ task, pid }: Actor): string | undefined {
    const name = this.#names.tasks.names[task];
    if (name === undefined) return pid < 0 ? undefined : `process ${pid}`;
    return pid < 0 ? name : `${name}-${pid}`;
  }

  /** Call stacks of events. */
  get stacks(): CallStacks {
    return this.#names.stacks;
  }

  taskName(task: number): string | undefined {
    return this.#names.tasks.names[task];
  }

  /** The last mistake on a device of which the name begins so. */
  lastMistake(prefix: string): Mistake | undefined {
    return this.#mistakes.get(prefix);
  }

  /** `event 12 (line 13) of rmmod-4411`; events of the IOMMU have no number. */
  actText(
    act: Actor & Place & Pick<Partial<PastUnmap>, "mapping"> & Pick<Partial<LiveMapping>, "family">,
  ): string {
    const task = this.taskOf(act);
    const place = (act.mapping?.family ?? act.family) === RANGE ? `line ${act.line}` : placeText(act);
    return task === undefined ? place : `${place} of ${task}`;
  }

  /** An error that an event shows. */
  add(event: LinuxDmaEvent, { kind, mapping, causes, message, stillMapped }: ShownError): void {
    for (const cause of causes) if ("isHeld" in cause) cause.isHeld = true;
    this.guilty.add(event);
    this.#hold(
      event,
      {
        kind,
        severity: "error",
        device: this.devices[event.device]!,
        ioba: mapping === undefined ? toBig(event.dmaHi, event.dmaLo) : toBig(mapping.dmaHi, mapping.dmaLo),
        pages: pagesOf(mapping?.size ?? event.size),
        places: [...causes, placeOfDma(event)],
        time: timeOf(event),
        task: this.taskOf(event),
        message,
      },
      stillMapped,
    );
  }

  /** A second unmap. */
  addDoubleUnmap(event: LinuxDmaEvent, past: PastUnmap): void {
    const made = past.mapping;
    this.guilty.add(event);
    this.#hold(event, {
      kind: "double-unmap",
      device: this.devices[event.device]!,
      ...(DMA_KINDS[event.kind]!.family === LIST ? {} : { ioba: toBig(event.dmaHi, event.dmaLo) }),
      pages: pagesOf(event.size),
      places: [made, past, placeOfDma(event)],
      time: timeOf(event),
      task: this.taskOf(event),
      message: `the mapping made by ${placeText(made)} was undone by ${placeText(past)}, and is undone again`,
    });
  }

  /** Lets go of findings for which the event of this number comes too late to explain them. */
  advance(event: number): void {
    if (this.#held.length > 0) this.#release(event - BEFORE_LOST);
  }

  /**
   * A mapping is undone. Events of equal times on two CPUs have no order: what was said of it at the same time on
   * another CPU may have happened after this.
   */
  undone(event: LinuxDmaEvent, mapping: LiveMapping): void {
    if (this.#held.length === 0) return;
    const { seconds, nanoseconds, ticks, cpu } = event;
    const hasNoOrder = (held: HeldFinding): boolean =>
      held.stillMapped === mapping &&
      (held.ticks === ticks || (held.seconds === seconds && held.nanoseconds === nanoseconds)) &&
      held.cpu !== cpu;
    this.#held = this.#held.filter((held) => !hasNoOrder(held));
  }

  /** Events are missing: what looked wrong shortly before may be explained. */
  lose(): void {
    this.#held = [];
    this.#mistakes.clear();
    this.guilty.clear();
  }

  /** No event comes any more. */
  end(): void {
    this.#release(Number.POSITIVE_INFINITY);
  }

  #hold(event: LinuxDmaEvent, finding: NewFinding, stillMapped?: LiveMapping): void {
    const { number, seconds, nanoseconds, ticks, cpu } = event;
    const name = this.devices[event.device]!;
    this.#mistakes.set(name.slice(0, name.indexOf(":") + 1), {
      kind: finding.kind,
      event: number,
      line: event.line,
      seconds,
      nanoseconds,
    });
    this.#held.push({ event: number, finding, seconds, nanoseconds, ticks, cpu, stillMapped });
  }

  #release(before: number): void {
    let count = 0;
    while (count < this.#held.length && this.#held[count]!.event < before) {
      this.log.add(this.#held[count++]!.finding);
    }
    if (count > 0) this.#held = this.#held.slice(count);
  }
}

/** Who did something: numbers of a task's name and a process, -1 where nothing tells. */
interface Actor {
  readonly task: number;
  readonly pid: number;
}

/** When something was. */
export interface Moment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** An error that an event showed. */
interface Mistake extends Place, Moment {
  readonly kind: FindingKind;
}

/** Seconds as a finding has them; undefined where nothing tells. */
export const timeOf = ({ seconds, nanoseconds }: Moment): number | undefined =>
  Number.isNaN(seconds) ? undefined : seconds + nanoseconds / 1e9;

/** Seconds from one moment to another; NaN where one of them is not known. */
export const between = (from: Moment, to: Moment): number =>
  to.seconds - from.seconds + (to.nanoseconds - from.nanoseconds) / 1e9;

/** Where an event stands. */
export const placeOfDma = ({ number, line }: LinuxDmaEvent): Place => ({ event: number, line });

/** Pages of 4 KiB that so many bytes take. */
export const pagesOf = (bytes: number): number => Math.ceil(bytes / 4096);
