import { hex } from "../base/u64.ts";
import { counted } from "../base/units.ts";
import { Rebuild } from "../check/rebuild/rebuild.ts";
import type { ToldWindow } from "../formats/machine/told-window.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import type { PhbConfig } from "../spapr/phb.ts";
import { describeState, type LiveState } from "./live-state.ts";
import { LogFollower } from "./log-follower.ts";

/** After so long without anything new the last event is taken for one that no other belongs to. */
const QUIET_MS = 1000;
/** Lines without an event of DMA windows after which that is said. */
const FOREIGN_LINES = 20;
const NEWLINE: Uint8Array = Uint8Array.of(0x0a);

/** What is known before the log is read. */
export interface LiveStart {
  readonly log: string;
  /** Where in the log to begin. */
  readonly offset: number;
  readonly profile: string | undefined;
  readonly bridges: readonly PhbConfig[];
  readonly told?: readonly ToldWindow[];
}

/** The state of a running machine by its log, and what in the log cannot be trusted. */
export class LiveLog {
  readonly rebuild: Rebuild;
  readonly #reader: QemuLogReader;
  readonly #follower: LogFollower;
  readonly #onDoubt: (doubt: string) => void;
  /** Lines that could not be read, when that was last looked at. */
  #unreadable = 0;
  /** When something was read last; infinite when that has been settled. */
  #readAt = Number.POSITIVE_INFINITY;
  #settled = 0;

  /** @param onDoubt called with each thing that is not known; the same may come again */
  constructor(start: LiveStart, onDoubt: (doubt: string) => void) {
    this.rebuild = new Rebuild(start.profile, null, start.told);
    for (const bridge of start.bridges) this.rebuild.knowBridge(bridge);
    this.#reader = new QemuLogReader((event) => this.rebuild.handle(event));
    this.#onDoubt = onDoubt;
    this.#follower = new LogFollower(start.log, start.offset, (what, lost) => {
      if (lost) this.#lose(`${what}: events may be missing`);
      else onDoubt(what);
    });
  }

  /** Grows with each change of the state. */
  get changes(): number {
    return this.#reader.counts.events + this.#settled;
  }

  get offset(): number {
    return this.#follower.offset;
  }

  /** Reads what is there now. @throws IommuError BAD_FILE if the log cannot be read */
  async read(): Promise<void> {
    const any = await this.#follower.poll((chunk) => this.#reader.push(chunk));
    const now = performance.now();
    if (any) {
      this.#readAt = now;
      this.#judge();
    } else if (now - this.#readAt > QUIET_MS) this.settle();
  }

  /** Nothing that belongs to the last event follows it. */
  settle(): void {
    this.#readAt = Number.POSITIVE_INFINITY;
    this.#settled++;
    this.rebuild.end();
  }

  /** To be called after the last event. */
  end(): void {
    this.#reader.end();
    this.settle();
    this.#judge();
  }

  async close(): Promise<void> {
    await this.#follower.close();
  }

  /** @param withMappings all runs of all windows as well */
  state(withMappings: boolean): LiveState {
    const { events, damaged, long } = this.#reader.counts;
    return describeState(this.rebuild, { events, damaged: damaged + long }, withMappings);
  }

  #judge(): void {
    const { events, damaged, long, text, otherEvents } = this.#reader.counts;
    const unreadable = damaged + long;
    if (unreadable > this.#unreadable) {
      this.#unreadable = unreadable;
      this.#lose("lines of the log that should be events of DMA windows cannot be read: events are missing");
    }
    if (events === 0 && text + otherEvents >= FOREIGN_LINES) {
      this.#onDoubt(
        `there is no event of DMA windows in the first ${counted(text + otherEvents, "line")} of the log`,
      );
    }
    for (const [liobn, { assumed }] of this.rebuild.windows) {
      if (assumed)
        this.#onDoubt(`nothing tells where window ${hex(liobn)} is, which is used: its place is assumed`);
    }
    if (this.rebuild.counts.undetermined > 0) {
      this.#onDoubt("there are calls for windows of which nothing tells: their entries are not shown");
    }
  }

  /** From here on nothing is known but what missing events cannot have changed. */
  #lose(doubt: string): void {
    // What was read of a line is not continued by what comes next.
    this.#reader.push(NEWLINE);
    this.rebuild.lose();
    this.#onDoubt(doubt);
  }
}
