import { counted, formatCount } from "../../base/units.ts";
import { costNotes, VirtualClock } from "../../lab/cost-model.ts";
import { HUGE_GUEST } from "../../lab/huge-guest.ts";
import {
  REPLAY_MODELS,
  type ReplayStrategyModel,
  type ReplayWork,
  type TableKind,
} from "../../lab/replay-costs.ts";
import type { Act, Call, ReplayCase, Story } from "../stage-protocol.ts";
import { PlayedCase } from "./replay-case.ts";

/** What the guest, or somebody at QEMU's monitor, does. */
const CALLS: Readonly<Record<ReplayCase, string>> = {
  "new-window": "ibm,create-pe-dma-window",
  hotplug: "device_add vfio-pci",
};
const PUT = "the first H_PUT_TCE";

const [WALK, FLAG, COUNTED, WAIT] = REPLAY_MODELS as readonly [
  ReplayStrategyModel,
  ReplayStrategyModel,
  ReplayStrategyModel,
  ReplayStrategyModel,
];

/**
 * The story of the seed change: how the mappings of a window of 128 TiB come to a device, in each of four ways. Windows,
 * mappings, replays and what the device reaches are those of the engine, run here; seconds are its counts times costs of
 * real systems.
 */
export function replayStory(replay: ReplayCase, accel: Story["accel"]): Story {
  const atOnce = new PlayedCase(replay, accel, false);
  const { window, start, runs } = atOnce;
  const { entries, pageShift } = window;
  const costs = new CallCosts(replay, atOnce);
  const mapped = atOnce.found.length;
  const { mapCalls, reached } = atOnce;
  const isSkipped = atOnce.replay?.strategy === "skipped";
  atOnce.putLater();
  const same = {
    found: atOnce.found,
    reached,
    reachedAfterPut: atOnce.reached,
    mappings: atOnce.pages.length,
  };
  const walked = { looked: entries, lookedAt: "TCEs", notifications: mapped, mapCalls, ...same } as const;
  const acts: Act[] = [
    {
      name: "Page walk",
      whose: "QEMU before the change",
      says: `Every TCE of the window is translated: ${formatCount(entries)} of them, of which ${formatCount(mapped)} are mapped.`,
      calls: [costs.replayed(WALK, "dense")],
      ...walked,
    },
    {
      name: "Skip flag",
      whose: "QEMU with the change",
      ...(isSkipped
        ? {
            says: `The window is just being created (skipping_replay): it is empty, so nothing is walked.${atOnce.isCopied ? " QEMU copies the table all the same." : ""}`,
            calls: [costs.replayed(FLAG, "dense")],
            ...walked,
            looked: 0,
          }
        : {
            says: "The flag is set only while a window is being created. This one is there and in use: it is walked as before.",
            calls: [costs.replayed(WALK, "dense")],
            ...walked,
          }),
    },
    {
      name: "Counted walk",
      whose: "this engine",
      says: `A table that counts what it holds has ${counted(runs, "run")} to go to.`,
      calls: [costs.replayed(COUNTED, "counted")],
      ...walked,
      looked: runs,
      lookedAt: "runs",
      notifications: runs,
    },
    waiting(replay, new PlayedCase(replay, accel, true), costs),
  ];
  return { replay, accel, entries, pageShift, start, acts, notes: costNotes(costs.clocks) };
}

/** The way that was discarded: replay when QEMU's notifiers first hear of a change, if they ever do. */
function waiting(replay: ReplayCase, lazy: PlayedCase, costs: CallCosts): Act {
  const { reached } = lazy;
  const isHeard = lazy.putLater() === "qemu";
  const { mapCalls, pages } = lazy;
  const without =
    replay === "new-window"
      ? "Here nothing was mapped before, so that nothing is missing."
      : "What was mapped before the plug never comes to the device.";
  return {
    name: "Wait for the first put",
    whose: "discarded by the change",
    says: isHeard
      ? "Nothing is replayed until QEMU handles an H_PUT_TCE; then the whole window is walked in that call."
      : `The kernel handles H_PUT_TCE, and QEMU never hears of one: there is no moment to replay at. ${without}`,
    calls: [costs.replayed(WAIT, "dense"), ...(isHeard ? [costs.later(WAIT, mapCalls)] : [])],
    looked: isHeard ? lazy.window.entries : 0,
    lookedAt: "TCEs",
    notifications: isHeard ? pages.length : 0,
    found: pages,
    mapCalls: isHeard ? mapCalls : 0,
    reached,
    reachedAfterPut: lazy.reached,
    mappings: pages.length,
  };
}

/** What calls of a case cost, each with a clock of its own: the guest cannot run until it is over. */
class CallCosts {
  readonly clocks: VirtualClock[] = [];
  readonly #replay: ReplayCase;
  readonly #work: ReplayWork;
  readonly #isCopied: boolean;

  constructor(replay: ReplayCase, { window, found, mapCalls, isCopied }: PlayedCase) {
    this.#replay = replay;
    this.#isCopied = isCopied;
    this.#work = {
      entries: window.entries,
      pages: found.length,
      mapCalls,
      // The first device has all of the guest's memory pinned.
      pinnedPages: replay === "hotplug" ? Number(HUGE_GUEST.ramBytes / HUGE_GUEST.pageBytes) : 0,
    };
  }

  /** The call in which VFIO comes to hear of the window. */
  replayed(model: ReplayStrategyModel, table: TableKind): Call {
    return this.#call(CALLS[this.#replay], (clock) => {
      clock.spend("pagePinned", this.#work.pinnedPages);
      if (table === "dense" && this.#isCopied) clock.spend("tceCopied", this.#work.entries);
      model.replay(clock, this.#work, table);
    });
  }

  /** The guest's next call, if it is then that QEMU replays. */
  later(model: ReplayStrategyModel, mapCalls: number): Call {
    return this.#call(PUT, (clock) => model.later?.(clock, { ...this.#work, mapCalls }, "dense"));
  }

  #call(name: string, spend: (clock: VirtualClock) => void): Call {
    const clock = new VirtualClock();
    spend(clock);
    this.clocks.push(clock);
    const phases = clock.spent
      .filter(({ count }) => count > 0)
      .map(({ name: cost, count, seconds }) => ({ cost, count, seconds }));
    return { name, phases };
  }
}
