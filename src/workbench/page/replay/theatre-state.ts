import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { RCU_STALL_SECONDS, WATCHDOG_THRESH } from "../../../lab/cost-model.ts";
import type { ReplayReport } from "../../../memory/iommu-hooks.ts";
import { secondsOfAct, stopsOf } from "../../maths/stage-time.ts";
import type { ReplayCase, StageMessage, Story } from "../../stage-protocol.ts";
import { room, writeAddress } from "../rooms.ts";
import { StageClient } from "../stage-client.ts";

/** Seconds of the guest for each one that passes here. */
export const SPEEDS = [1, 5, 10, 30] as const;
/** Seconds after which Linux reports what it cannot run. */
export const REPORTS: readonly { readonly at: number; readonly what: string }[] = [
  { at: 2 * WATCHDOG_THRESH, what: "soft lockup" },
  { at: RCU_STALL_SECONDS, what: "RCU stall" },
];
/** Pages of a piece of the real walk: a tenth of a second or so. */
const PIECE = 2 ** 21;
/** Milliseconds that a moment is shown where nothing may move. */
const HOLD_MS = 1500;

/** The walk that is really done in the page. */
export interface RealWalk {
  readonly isWalking: boolean;
  readonly report: ReplayReport;
  /** Seconds that it took so far. */
  readonly seconds: number;
}

/** The story that is shown, and where it is. */
export class TheatreState {
  readonly replay: Signal<ReplayCase> = signal("new-window");
  readonly accel: Signal<"tcg" | "kvm"> = signal("tcg");
  readonly speed: Signal<number> = signal(10);
  readonly second: Signal<number> = signal(0);
  readonly isPlaying: Signal<boolean> = signal(false);
  readonly story: Signal<Story | undefined> = signal(undefined);
  readonly walk: Signal<RealWalk | undefined> = signal(undefined);
  readonly failure: Signal<string> = signal("");

  readonly length: ReadonlySignal<number> = computed(() =>
    Math.max(0, ...(this.story.value?.acts ?? []).map(secondsOfAct)),
  );
  /** Moments at which stepping stops. */
  readonly stops: ReadonlySignal<readonly number[]> = computed(() => {
    const story = this.story.value;
    return story === undefined
      ? [0]
      : stopsOf(
          story,
          REPORTS.map(({ at }) => at),
        );
  });

  readonly #stage = new StageClient();
  /** It was told to play before there was a story. */
  #playsAtOnce = false;
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor() {
    this.#read();
    addEventListener("hashchange", () => this.#read());
    effect(() => this.#ask(this.replay.value, this.accel.value));
    effect(() => this.#write());
  }

  #ask(replay: ReplayCase, accel: "tcg" | "kvm"): void {
    this.#stage.end();
    this.isPlaying.value = false;
    this.second.value = 0;
    this.walk.value = undefined;
    this.failure.value = "";
    this.#stage.ask({ ask: "story", replay, accel }, (message) => {
      if (message.what === "story") {
        this.story.value = message.story;
        this.#goToWanted();
        if (this.#playsAtOnce) this.play();
        this.#playsAtOnce = false;
      } else if (message.what === "failed") this.failure.value = message.message;
    });
  }

  /** Plays, or pauses; where the machines are still being set up, it plays when they are. */
  play(): void {
    if (this.story.value === undefined) {
      this.#playsAtOnce = !this.#playsAtOnce;
      return;
    }
    if (this.isPlaying.value) {
      this.isPlaying.value = false;
      return;
    }
    if (this.second.value >= this.length.value) this.second.value = 0;
    this.isPlaying.value = true;
    if (this.#still.matches) this.#hold();
    else this.#run(performance.now());
  }

  #run(before: number): void {
    requestAnimationFrame((now) => {
      if (!this.isPlaying.value || room.value !== "replay") {
        this.isPlaying.value = false;
        return;
      }
      this.go(this.second.value + (this.speed.value * Math.max(0, now - before)) / 1000, true);
      if (this.isPlaying.value) this.#run(now);
    });
  }

  /** Where nothing may move, the story goes from moment to moment. */
  #hold(): void {
    setTimeout(() => {
      if (!this.isPlaying.value || room.value !== "replay") {
        this.isPlaying.value = false;
        return;
      }
      this.step(1, true);
      if (this.isPlaying.value) this.#hold();
    }, HOLD_MS);
  }

  /** @param plays it is the story that goes there, not a person */
  go(second: number, plays = false): void {
    const at = Math.max(0, Math.min(this.length.value, second));
    this.second.value = at;
    if (!plays || at >= this.length.value) this.isPlaying.value = false;
  }

  /** To the next moment at which something happens, or the one before. */
  step(by: 1 | -1, plays = false): void {
    const at = this.second.value;
    const stops = this.stops.value;
    const next = by > 0 ? stops.find((stop) => stop > at + 1e-9) : stops.findLast((stop) => stop < at - 1e-9);
    this.go(next ?? at, plays);
  }

  /** Walks the window for real, piece by piece, until it is told to pause. */
  walkOn(pieces = Number.POSITIVE_INFINITY): void {
    const before = this.walk.value;
    if (before?.isWalking === true || before?.report.complete === true) return;
    const report: ReplayReport = { strategy: "page-walk", steps: 0, notifications: 0, complete: false };
    this.walk.value = { report, seconds: 0, ...before, isWalking: true };
    this.#piece(pieces);
  }

  #piece(left: number): void {
    this.#stage.ask({ ask: "walk", steps: PIECE }, (message: StageMessage) => {
      const walk = this.walk.value;
      if (message.what === "failed") this.failure.value = message.message;
      if (message.what !== "walked" || walk === undefined) return;
      const isWalking = walk.isWalking && left > 1 && !message.report.complete && room.value === "replay";
      this.walk.value = { isWalking, report: message.report, seconds: walk.seconds + message.seconds };
      if (isWalking) this.#piece(left - 1);
    });
  }

  pauseWalk(): void {
    if (this.walk.value !== undefined) this.walk.value = { ...this.walk.value, isWalking: false };
  }

  #write(): void {
    const second = this.isPlaying.value ? 0 : this.second.value;
    writeAddress("replay", {
      case: this.replay.value,
      on: this.accel.value,
      ...(second > 0 ? { at: String(Number(second.toFixed(6))) } : {}),
    });
  }

  #read(): void {
    if (room.value !== "replay") return;
    const parts = new URLSearchParams(location.hash.slice(1));
    this.replay.value = parts.get("case") === "hotplug" ? "hotplug" : "new-window";
    this.accel.value = parts.get("on") === "kvm" ? "kvm" : "tcg";
    const at = Number(parts.get("at") ?? 0);
    this.#wanted = Math.max(at, 0);
    const { replay, accel } = this.story.value ?? {};
    if (replay === this.replay.value && accel === this.accel.value) this.#goToWanted();
  }

  /** Where the address says that the story is. */
  #wanted = 0;

  #goToWanted(): void {
    this.go(this.#wanted);
    this.#wanted = 0;
  }
}

export const theatre: TheatreState = new TheatreState();
