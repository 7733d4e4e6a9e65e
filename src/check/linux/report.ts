import { toBig } from "../../base/u64.ts";
import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, LIST } from "../../formats/trace/dma-kinds.ts";
import type { FindingKind } from "../findings/kinds.ts";
import { FindingLog, type NewFinding } from "../findings/log.ts";
import { type Place, placeText } from "../findings/place.ts";
import { GuiltyCallers } from "./leaks.ts";
import type { LiveMapping } from "./live-mapping.ts";
import type { PastUnmap } from "./past-unmaps.ts";

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
  readonly causes: readonly Place[];
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
  /** Names of devices, by number; may grow while events come. */
  readonly names: readonly string[];
  #held: HeldFinding[] = [];

  constructor(names: readonly string[]) {
    this.names = names;
  }

  /** An error that an event shows. */
  add(event: LinuxDmaEvent, { kind, mapping, causes, message, stillMapped }: ShownError): void {
    this.guilty.add(event);
    this.#hold(
      event,
      {
        kind,
        severity: "error",
        device: this.names[event.device]!,
        ioba: mapping === undefined ? toBig(event.dmaHi, event.dmaLo) : toBig(mapping.dmaHi, mapping.dmaLo),
        pages: pagesOf(mapping?.size ?? event.size),
        places: [...causes, placeOfDma(event)],
        message,
      },
      stillMapped,
    );
  }

  /** A second unmap. */
  addDoubleUnmap(event: LinuxDmaEvent, past: PastUnmap): void {
    const made = { event: past.madeEvent, line: past.madeLine };
    this.guilty.add(event);
    this.#hold(event, {
      kind: "double-unmap",
      device: this.names[event.device]!,
      ...(DMA_KINDS[event.kind]!.family === LIST ? {} : { ioba: toBig(event.dmaHi, event.dmaLo) }),
      pages: pagesOf(event.size),
      places: [made, past, placeOfDma(event)],
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
  undone({ seconds, nanoseconds, ticks, cpu }: LinuxDmaEvent, mapping: LiveMapping): void {
    if (this.#held.length === 0) return;
    const hasNoOrder = (held: HeldFinding): boolean =>
      held.stillMapped === mapping &&
      (held.ticks === ticks || (held.seconds === seconds && held.nanoseconds === nanoseconds)) &&
      held.cpu !== cpu;
    this.#held = this.#held.filter((held) => !hasNoOrder(held));
  }

  /** Events are missing: what looked wrong shortly before may be explained. */
  lose(): void {
    this.#held = [];
    this.guilty.clear();
  }

  /** No event comes any more. */
  end(): void {
    this.#release(Number.POSITIVE_INFINITY);
  }

  #hold(event: LinuxDmaEvent, finding: NewFinding, stillMapped?: LiveMapping): void {
    const { number, seconds, nanoseconds, ticks, cpu } = event;
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

/** Where an event stands. */
export const placeOfDma = ({ number, line }: LinuxDmaEvent): Place => ({ event: number, line });

/** Pages of 4 KiB that so many bytes take. */
export const pagesOf = (bytes: number): number => Math.ceil(bytes / 4096);
