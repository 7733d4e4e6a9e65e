import { hex } from "../base/u64.ts";
import { counted } from "../base/units.ts";
import { DEFAULT_CHECK_OPTIONS } from "../check/check-options.ts";
import { LifetimeTracker } from "../check/lifetimes/qemu-lifetimes.ts";
import { TraceFindings } from "../check/qemu/trace-findings.ts";
import { Rebuild } from "../check/rebuild/rebuild.ts";
import type { ToldWindow } from "../formats/machine/told-window.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import type { QemuTraceEvent } from "../formats/trace/trace-event.ts";
import type { PhbConfig } from "../spapr/phb.ts";
import { AlivePatterns } from "./alive-patterns.ts";
import { describeFindings } from "./live-findings.ts";
import { describeState, type LiveSnapshot, type LiveWindow } from "./live-state.ts";
import { LogFollower } from "./log-follower.ts";
import type { Lag } from "./read-lag.ts";
import { Traffic } from "./traffic.ts";

/** After so long without anything new the last event is taken for one that no other belongs to. */
const QUIET_MS = 1000;
/** Lines without an event of DMA windows after which that is said. */
const FOREIGN_LINES = 20;
/** Mappings that are kept apart, some 300 bytes each. */
const MAX_ALIVE = 2 ** 20;
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
  readonly #findings = new TraceFindings(DEFAULT_CHECK_OPTIONS);
  readonly #traffic = new Traffic();
  readonly #alive = new AlivePatterns();
  /** Undefined when more is alive than can be kept apart. */
  #tracker: LifetimeTracker | undefined;
  readonly #reader: QemuLogReader;
  readonly #follower: LogFollower;
  readonly #onDoubt: (doubt: string) => void;
  /** Lines that could not be read, when that was last looked at. */
  #unreadable = 0;
  /** When something was read last; infinite when that has been settled. */
  #readAt = Number.POSITIVE_INFINITY;
  #settled = 0;
  #beganAt = performance.now();

  /** @param onDoubt called with each thing that is not known; the same may come again */
  constructor(start: LiveStart, onDoubt: (doubt: string) => void) {
    this.rebuild = new Rebuild(start.profile, this.#findings, start.told);
    this.#tracker = new LifetimeTracker(this.#alive, this.rebuild);
    for (const bridge of start.bridges) this.rebuild.knowBridge(bridge);
    this.#reader = new QemuLogReader(
      (event) => this.#handle(event),
      (event) => this.#findings.host(event),
    );
    this.#onDoubt = onDoubt;
    this.#follower = new LogFollower(start.log, start.offset, (what, lost) => {
      if (lost) this.#lose(`${what}: events may be missing`);
      else onDoubt(what);
    });
  }

  /** Grows with each change of the state, but for that of rates. */
  get changes(): number {
    return this.#reader.counts.events + this.#settled;
  }

  /** How far it was behind at the last look. */
  get lag(): Lag {
    return this.#follower.lag;
  }

  /** Are all rates 0, and nothing is left to be read? */
  get isQuiet(): boolean {
    return this.#traffic.isQuiet && this.lag.bytes === 0;
  }

  get offset(): number {
    return this.#follower.offset;
  }

  /** What was read so far is past: time and rates begin here. */
  begin(): void {
    this.#beganAt = performance.now();
    this.#traffic.begin(this.#beganAt);
  }

  /**
   * Reads what is there now.
   *
   * @param limit bytes after which that is enough for once
   * @returns false if that was not all
   * @throws IommuError BAD_FILE if the log cannot be read
   */
  async read(limit: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    const bytes = await this.#follower.poll((chunk) => {
      this.#alive.now = performance.now();
      this.#reader.push(chunk);
    }, limit);
    const now = performance.now();
    this.#traffic.look(now);
    if (bytes > 0) {
      this.#readAt = now;
      this.#judge();
    } else if (now - this.#readAt > QUIET_MS) this.settle();
    return bytes < limit;
  }

  /** Nothing that belongs to the last event follows it. */
  settle(): void {
    this.#readAt = Number.POSITIVE_INFINITY;
    this.#settled++;
    if (this.#tracker === undefined) this.rebuild.end();
    else this.#tracker.pause();
  }

  /** To be called after the last event. */
  end(): void {
    this.#reader.end();
    this.settle();
    this.#findings.end(this.#reader.counts.events);
    this.#judge();
  }

  async close(): Promise<void> {
    await this.#follower.close();
  }

  /**
   * @param withMappings all runs of all windows as well
   * @param doubts what is not known
   */
  snapshot(withMappings: boolean, doubts: readonly string[]): LiveSnapshot {
    const { events, damaged, long } = this.#reader.counts;
    const now = performance.now();
    const state = describeState(this.rebuild, { events, damaged: damaged + long }, withMappings);
    return {
      seconds: Math.round(now - this.#beganAt) / 1000,
      lag: this.lag,
      ...state,
      eventsPerSecond: this.#traffic.eventsPerSecond(now),
      traffic: this.#traffic.windows(now),
      alive: this.#describeAlive(state.windows, now),
      findings: describeFindings(this.#findings.log),
      doubts,
    };
  }

  #describeAlive(windows: readonly LiveWindow[], now: number): LiveSnapshot["alive"] {
    if (this.#tracker === undefined) return null;
    const { shown, more } = this.#alive.patterns(now);
    const mapped = windows.reduce((sum, window) => sum + window.mapped, 0);
    return { patterns: shown, more, earlierPages: Math.max(0, mapped - this.#alive.pages) };
  }

  #handle(event: QemuTraceEvent): void {
    this.#traffic.count(event);
    if (this.#tracker === undefined) this.rebuild.handle(event);
    else this.#tracker.handle(event);
    this.#findings.tidy(event.number);
    if (this.#alive.count <= MAX_ALIVE) return;
    this.#tracker = undefined;
    this.#alive.clear();
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
    this.#findings.lose();
    this.#alive.clear();
    this.#onDoubt(doubt);
  }
}
