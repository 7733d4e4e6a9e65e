import { type Permission, permText } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import { GET, type QemuTraceEvent, STUFF, XLATE } from "../../formats/trace/trace-event.ts";
import { traceEventName } from "../../formats/trace/trace-schema.ts";
import { isPciLiobn } from "../../spapr/papr.ts";
import { LifetimeTracker } from "../lifetimes/qemu-lifetimes.ts";
import { type EventStamp, type Fate, type Mapping, stampOf } from "../lifetimes/qemu-mapping.ts";
import type { Rebuild } from "../rebuild/rebuild.ts";
import type { AddressRange, Life, LifeCall, LifeSink } from "./life.ts";

/** Follows the mappings of a trace of QEMU: the addresses of each window are a space of their own, named by its LIOBN. */
export class QemuLives {
  readonly #sink: LifeSink;
  readonly #tracker: LifetimeTracker;
  /** Those that are alive, by the number of their mapping. */
  readonly #lives = new Map<number, Life>();

  /** @param rebuild as it is before the first event */
  constructor(sink: LifeSink, rebuild: Rebuild) {
    this.#sink = sink;
    this.#tracker = new LifetimeTracker(
      {
        begin: (mapping) => this.#begin(mapping),
        end: (mapping, first, pages, fate, moment) => this.#end(mapping, { first, pages }, fate, moment),
      },
      rebuild,
    );
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: QemuTraceEvent): void {
    this.#tracker.handle(event);
    if (event.kind === XLATE || event.kind === GET) this.#use(event);
  }

  /** To be called before an event, for who wants to know what is alive there. */
  settle(next: QemuTraceEvent): void {
    this.#tracker.settle(next);
  }

  /** A translation is of a page: devices ask once, and remember it. */
  #use(event: QemuTraceEvent): void {
    const rebuilt = this.#tracker.rebuild.windows.get(event.liobn);
    if (rebuilt === undefined || (event.kind === GET && event.failed)) return;
    const { busOffset, pageShift } = rebuilt.window;
    const offset = toBig(event.iobaHi, event.iobaLo);
    const address = event.kind === GET ? offset : busOffset + offset;
    const mask = (1n << BigInt(pageShift)) - 1n;
    const kind = event.kind === GET ? "read back" : event.perm === 0 ? "faulted" : "translated";
    const call = (): LifeCall => callOf(stampOf(event), event.liobn);
    this.#sink.use(hex(event.liobn), address & ~mask, address | mask, kind, call);
  }

  #begin(mapping: Mapping): void {
    const { number, window, first, pages, tce, perm, constant, inferred, made } = mapping;
    const range = rangeOf(mapping, { first, pages });
    const bytes = range.last - range.first + 1n;
    const pageBytes = 1n << BigInt(window.pageShift);
    const life: Life = {
      number,
      space: hex(window.liobn),
      stretches: [
        {
          ...range,
          target: tce === undefined ? undefined : tce & ~(pageBytes - 1n),
          repeats: constant ? pageBytes : undefined,
        },
      ],
      bytes,
      access: permText(perm as Permission),
      made: callOf(made, window.liobn),
      inferred,
      entries: [],
      truncated: false,
    };
    this.#lives.set(number, life);
    this.#sink.begin(life);
  }

  #end(mapping: Mapping, piece: Pages, fate: Fate, moment: EventStamp | undefined): void {
    if (moment === undefined) return;
    const life = this.#lives.get(mapping.number)!;
    const gone = rangeOf(mapping, piece);
    if (mapping.left === 0) this.#lives.delete(mapping.number);
    this.#sink.end(life, gone, fate, callOf(moment, mapping.window.liobn));
  }
}

interface Pages {
  readonly first: number;
  readonly pages: number;
}

/** The addresses of entries of a mapping's window. */
function rangeOf({ window }: Mapping, { first, pages }: Pages): AddressRange {
  const shift = BigInt(window.pageShift);
  const at = window.busOffset + (BigInt(first) << shift);
  return { first: at, last: at + (BigInt(pages) << shift) - 1n };
}

function callOf(
  { kind, event, position, seconds, nanoseconds, thread }: EventStamp,
  liobn: number,
): LifeCall {
  return {
    name: traceEventName({ kind, pci: kind <= STUFF && isPciLiobn(liobn) } as QemuTraceEvent),
    event,
    line: position,
    seconds,
    nanoseconds,
    cpu: undefined,
    pid: Number.isNaN(thread) ? undefined : thread,
    task: undefined,
  };
}
