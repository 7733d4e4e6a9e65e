import type { Finding } from "../../check/findings/finding.ts";
import { type AliveMapping, spacesOf } from "../../check/lives/alive.ts";
import type { AddressRange, Life, LifeCall, LifeSink } from "../../check/lives/life.ts";
import { callersOf, LinuxLives } from "../../check/lives/linux-lives.ts";
import { MappingTravel } from "../../check/travel/mapping-travel.ts";
import { BEFORE_ALL } from "../../check/travel/written.ts";
import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, DMA_LOST, type DmaRole } from "../../formats/trace/dma-kinds.ts";
import { EVENT_CLASSES, type EventClass, type FileLine, type Space } from "../protocol.ts";
import type { Steps } from "./breathe.ts";
import type { Contents } from "./contents.ts";
import { EventRows } from "./event-rows.ts";
import type { LifeTaker } from "./life-picture.ts";
import { MAPPING_PAGE_SHIFT, MappingContents, pagesOf } from "./mapping-contents.ts";
import { type InstantState, type LifeLengths, type Recording, STEP_LIVES } from "./recording.ts";
import type { TraceLines } from "./trace-lines.ts";

const CLASS_OF: Readonly<Record<DmaRole, EventClass>> = {
  map: "map",
  unmap: "unmap",
  "sync-for-cpu": "use",
  "sync-for-device": "use",
  none: "refused",
};

/** Addresses that a device has in this recording. */
interface Device {
  readonly lane: number;
  first: bigint;
  last: bigint;
}

/** A recording of Linux' `dma:*` events: the addresses of each device are a space. */
export class LinuxRecording implements Recording, LifeSink {
  readonly format = "linux-dma";
  readonly rows: EventRows = new EventRows();
  readonly notes: string[] = [];
  readonly hasLines = true;
  readonly #travel: MappingTravel;
  readonly #lives: LinuxLives;
  readonly #names: DmaNames;
  readonly #lines: TraceLines;
  readonly #devices = new Map<string, Device>();
  /** Pages that are mapped, by lane. */
  readonly #mapped: number[] = [];
  #at: { event: number; rows: number; spaces: ReadonlyMap<string, readonly AliveMapping[]> } | undefined;

  constructor(names: DmaNames, lines: TraceLines) {
    this.#names = names;
    this.#lines = lines;
    this.#travel = new MappingTravel((event) => callersOf(names.stacks, event));
    this.#lives = new LinuxLives(this, names);
  }

  /** Takes one event; the object may be reused afterwards. */
  handle(event: LinuxDmaEvent): void {
    this.#lives.handle(event);
    if (event.kind === DMA_LOST) return;
    const device = this.#device(this.#names.devices.names[event.device]!);
    const kind = event.failed ? "refused" : CLASS_OF[DMA_KINDS[event.kind]!.role];
    const { line, seconds, nanoseconds } = event;
    const { lane } = device;
    this.rows.mapped(lane, this.#mapped[lane]!);
    if (this.rows.areTimed) this.rows.time(seconds, nanoseconds);
    this.rows.push(line, lane, EVENT_CLASSES.indexOf(kind));
  }

  begin(life: Life): void {
    this.#travel.begin(life);
    const device = this.#device(life.space);
    for (const { first, last } of life.stretches) {
      if (first < device.first) device.first = first;
      if (last > device.last) device.last = last;
    }
    this.#mapped[device.lane]! += pagesOf(life);
  }

  end(life: Life, gone: AddressRange | undefined, fate: string, call: LifeCall): void {
    this.#travel.end(life, gone, fate, call);
    this.#mapped[this.#device(life.space).lane]! -= pagesOf(life);
  }

  use(): void {}
  reached(): void {}

  #device(name: string): Device {
    let device = this.#devices.get(name);
    if (device === undefined) {
      device = { lane: this.rows.lane(name), first: 2n ** 64n, last: 0n };
      this.#mapped[device.lane] ??= 0;
      this.#devices.set(name, device);
    }
    return device;
  }

  get spaces(): Space[] {
    const shift = BigInt(MAPPING_PAGE_SHIFT);
    return [...this.#devices].map(([name, { lane, last }], number) => ({
      number,
      name,
      kind: "device",
      lane,
      start: 0n,
      pageShift: MAPPING_PAGE_SHIFT,
      pages: Number((last >> shift) + 1n),
      from: 0,
      until: Number.POSITIVE_INFINITY,
      assumed: [],
    }));
  }

  #spacesAt(event: number): ReadonlyMap<string, readonly AliveMapping[]> {
    const rows = this.rows.length;
    if (this.#at?.event !== event || this.#at.rows !== rows) {
      const spaces = spacesOf(this.#travel.at(event));
      this.#at = { event, rows, spaces: new Map(spaces.map(({ space, mappings }) => [space, mappings])) };
    }
    return this.#at.spaces;
  }

  contents({ name }: Space, event: number): Contents {
    return new MappingContents(this.#spacesAt(event).get(name) ?? []);
  }

  eventsOf({ events }: Finding): readonly number[] {
    return events;
  }

  stateAt(event: number): InstantState {
    return { windows: [], spaces: spacesOf(this.#travel.at(event)) };
  }

  *draw({ name }: Space, picture: LifeTaker): Steps<void> {
    const { lives } = this.#travel;
    for (let from = 0; from < lives.length; from += STEP_LIVES) {
      const some = { from, to: Math.min(lives.length, from + STEP_LIVES) };
      lives.forEachPages(name, MAPPING_PAGE_SHIFT, some, (life, first, pages) => {
        const end = lives.endOf(life);
        picture.add(lives.startOf(life), end === BEFORE_ALL ? Number.POSITIVE_INFINITY : end, first, pages);
      });
      yield;
    }
  }

  lengths({ name }: Space, from: number, to: number, first: number, end: number): LifeLengths {
    const { lives } = this.#travel;
    const lengths: number[] = [];
    let counted = -1;
    lives.forEachPages(name, MAPPING_PAGE_SHIFT, { from: 0, to: lives.length }, (life, at, pages) => {
      const [start, ended] = [lives.startOf(life), lives.endOf(life)];
      if (life === counted || start < 0 || ended < from || ended > to) return;
      if (at >= end || at + pages <= first) return;
      counted = life;
      lengths.push(ended - start);
    });
    return lengths;
  }

  lines(event: number, before: number, after: number): Promise<FileLine[]> {
    return this.#lines.around(this.rows, event, before, after);
  }

  linesOf(events: readonly number[]): Promise<FileLine[]> {
    return this.#lines.of(this.rows, events);
  }

  find(text: string, event: number, limit: number, goesOn: () => boolean): Promise<FileLine[]> {
    return this.#lines.find(this.rows, text, event, limit, goesOn);
  }
}
