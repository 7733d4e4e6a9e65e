import { formatCount } from "../../base/units.ts";
import { costNotes, VirtualClock } from "../../lab/cost-model.ts";
import { type CreatedWindow, createHugeWindow, HUGE_GUEST } from "../../lab/huge-guest.ts";
import { LabMachine } from "../../lab/lab-machine.ts";
import {
  REPLAY_MODELS,
  type ReplayStrategyModel,
  type ReplayWork,
  type TableKind,
} from "../../lab/replay-costs.ts";
import type { ReplayReport } from "../../memory/iommu-hooks.ts";
import { IommuNotifier, NotifierFlag } from "../../memory/iommu-notifier.ts";
import { PageWalk } from "../../memory/page-walk.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import { Hcall } from "../../spapr/papr.ts";
import { replayByRuns } from "../../spapr/window-replay.ts";
import { NO_FD } from "../../spapr/window-table.ts";
import type { PassedThroughDevice } from "../../vfio/passed-through-device.ts";
import type { Act, Call, ReplayCase, Story } from "../stage-protocol.ts";

type Accel = Story["accel"];

/** What the guest has mapped when a device is plugged: a page in each 16th of the window. */
const MAPPINGS = 16;
const STRIDE = 2 ** (HUGE_GUEST.windowShift - HUGE_GUEST.pageShift) / MAPPINGS;
/** Targets lie two pages apart, so that no two mappings are one run. */
const targetOf = (i: number): bigint => 0x100_0000n + BigInt(i) * 2n * HUGE_GUEST.pageBytes;
/** The page that the guest maps afterwards: neither one of those, nor beside one. */
const LATER = { page: 3, target: 0x80_0000n };

/** Calls that the guest, or somebody at QEMU's monitor, makes. */
const CREATE = "ibm,create-pe-dma-window";
const PLUG = "device_add vfio-pci";
const PUT = "the first H_PUT_TCE";

const newNotifier = (): IommuNotifier =>
  new IommuNotifier({ name: "theatre", flags: NotifierFlag.IOTLB_EVENTS, notify: () => {} });

/** What the engine did in one case, on a machine that replays at once or at the first change. */
interface Played {
  readonly created: CreatedWindow;
  readonly window: DmaWindow;
  /** How the listener's replay went, of the one that is made at once. */
  readonly replay: ReplayReport | undefined;
  readonly mapCalls: number;
  readonly mappings: number;
  readonly reached: number;
  readonly reachedAfterPut: number;
  /** Of the H_PUT_TCE, too. */
  readonly mapCallsAfterPut: number;
  readonly putServedBy: "qemu" | "kvm";
  /** Pages that were mapped before it. */
  readonly found: readonly number[];
}

function machineOf(accel: Accel, lazyReplay: boolean): LabMachine {
  const context = { now: () => 0, profile: undefined, coherence: false, trace: { name: "", open: nothing } };
  return new LabMachine(context, accel.toUpperCase(), {
    accel,
    lazyReplay,
    ramSize: HUGE_GUEST.ramBytes,
    deviceRam: [{ address: HUGE_GUEST.gpuAddress, sizeBytes: HUGE_GUEST.gpuBytes }],
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const iovaOf = ({ start }: CreatedWindow, page: number): bigint =>
  start + BigInt(page) * HUGE_GUEST.pageBytes;

function put(lab: LabMachine, created: CreatedWindow, page: number, target: bigint): void {
  const { status } = lab.hosted.machine.call(
    Hcall.PUT_TCE,
    created.liobn,
    iovaOf(created, page),
    target | 3n,
  );
  if (status !== 0) throw new Error(`H_PUT_TCE of page ${page} answered ${status}`);
}

/** The machine up to the moment of which the story tells; the window is there then, or it was just made. */
function play(replay: ReplayCase, accel: Accel, lazyReplay: boolean): Played {
  const lab = machineOf(accel, lazyReplay);
  const { hosted } = lab;
  const { machine } = hosted;
  const mapped: { page: number; target: bigint }[] = [];
  let created: CreatedWindow;
  let device: PassedThroughDevice;
  if (replay === "new-window") {
    device = lab.plug(0);
    created = createHugeWindow(machine);
  } else {
    created = createHugeWindow(machine);
    for (let i = 0; i < MAPPINGS; i++) mapped.push({ page: i * STRIDE, target: targetOf(i) });
    for (const { page, target } of mapped) put(lab, created, page, target);
    device = lab.plug(0);
  }
  const { window } = created;
  const reachable = (): number =>
    mapped.filter(({ page, target }) => hosted.reach(device, iovaOf(created, page), true) === target).length;
  const report = window.lastReplay;
  const mapCalls = lab.requests("map");
  const reached = reachable();
  const found = mapped.map(({ page }) => page);
  // The walk of the first put is of what was mapped then.
  mapped.push(LATER);
  put(lab, created, LATER.page, LATER.target);
  const { servedBy } = machine;
  return {
    created,
    window,
    replay: report,
    mapCalls,
    mappings: found.length,
    reached,
    reachedAfterPut: reachable(),
    mapCallsAfterPut: lab.requests("map"),
    putServedBy: servedBy,
    found,
  };
}

/** A call in which the guest cannot run, of what the model spends in it. */
function callOf(name: string, spend: (clock: VirtualClock) => void, clocks: VirtualClock[]): Call {
  const clock = new VirtualClock();
  spend(clock);
  clocks.push(clock);
  const phases = clock.spent
    .filter(({ count }) => count > 0)
    .map(({ name: cost, count, seconds }) => ({ cost, count, seconds }));
  return { name, phases };
}

/**
 * The story of the seed change: how the mappings of a window of 128 TiB come to a device, in each of four ways. Windows,
 * mappings, replays and what the device reaches are those of the engine, run here; seconds are its counts times costs of
 * real systems.
 */
export function replayStory(replay: ReplayCase, accel: Accel): Story {
  const atOnce = play(replay, accel, false);
  const lazy = play(replay, accel, true);
  const { window, created } = atOnce;
  const { entries } = window;
  const isNew = replay === "new-window";
  const clocks: VirtualClock[] = [];
  // QEMU has the table in its own memory, and copies it, only where the kernel does not keep it (QEMU-WINDOW-6).
  const isCopied = window.fd === NO_FD;
  const work: ReplayWork = {
    entries,
    pages: atOnce.mappings,
    mapCalls: atOnce.mapCalls,
    pinnedPages: isNew ? 0 : Number(HUGE_GUEST.ramBytes / HUGE_GUEST.pageBytes),
  };
  const begin = (clock: VirtualClock, table: TableKind): void => {
    clock.spend("pagePinned", work.pinnedPages);
    if (table === "dense" && isCopied) clock.spend("tceCopied", entries);
  };
  const callWith = (model: ReplayStrategyModel, table: TableKind): Call =>
    callOf(
      isNew ? CREATE : PLUG,
      (clock) => {
        begin(clock, table);
        model.replay(clock, work, table);
      },
      clocks,
    );
  const [walk, flag, counted, wait] = REPLAY_MODELS;
  const reaches = (played: Played): Pick<Act, "reached" | "reachedAfterPut" | "mappings"> => ({
    reached: played.reached,
    reachedAfterPut: played.reachedAfterPut,
    mappings: played.mappings + 1,
  });
  const walked = {
    looked: entries,
    lookedAt: "TCEs",
    notifications: atOnce.mappings,
    found: atOnce.found,
    mapCalls: atOnce.mapCalls,
    ...reaches(atOnce),
  } as const;
  const isSkipped = atOnce.replay?.strategy === "skipped";
  const runs = replayedRuns(replay, atOnce);
  const waits = lazy.putServedBy === "qemu";
  // The first put of the window finds what was mapped before it, and what it maps itself.
  const laterWork = { ...work, mapCalls: lazy.mapCallsAfterPut };
  const acts: Act[] = [
    {
      name: "Page walk",
      whose: "QEMU before the change",
      says: `Every TCE of the window is translated: ${formatCount(entries)} of them, of which ${formatCount(atOnce.mappings)} are mapped.`,
      calls: [callWith(walk!, "dense")],
      ...walked,
    },
    isSkipped
      ? {
          name: "Skip flag",
          whose: "QEMU with the change",
          says: `The window is just being created (skipping_replay): it is empty, so nothing is walked.${isCopied ? " QEMU copies the table all the same." : ""}`,
          calls: [callWith(flag!, "dense")],
          ...walked,
          looked: 0,
          notifications: 0,
          mapCalls: 0,
        }
      : {
          name: "Skip flag",
          whose: "QEMU with the change",
          says: "The flag is set only while a window is being created. This one is there and in use: it is walked as before.",
          calls: [callWith(walk!, "dense")],
          ...walked,
        },
    {
      name: "Counted walk",
      whose: "this engine",
      says: `A table that counts what it holds has ${formatCount(runs)} ${runs === 1 ? "run" : "runs"} to go to.`,
      calls: [callWith(counted!, "counted")],
      ...walked,
      looked: runs,
      lookedAt: "runs",
      notifications: runs,
    },
    {
      name: "Wait for the first put",
      whose: "discarded by the change",
      says: waits
        ? "Nothing is replayed until QEMU handles an H_PUT_TCE; then the whole window is walked in that call."
        : `The kernel handles H_PUT_TCE, and QEMU never hears of one: there is no moment to replay at.${isNew ? " Here nothing was mapped before, so that nothing is missing." : " What was mapped before the plug never comes to the device."}`,
      calls: [
        callWith(wait!, "dense"),
        ...(waits ? [callOf(PUT, (clock) => wait!.later?.(clock, laterWork, "dense"), clocks)] : []),
      ],
      looked: waits ? entries : 0,
      lookedAt: "TCEs",
      notifications: waits ? lazy.mappings + 1 : 0,
      found: [...lazy.found, LATER.page].sort((a, b) => a - b),
      mapCalls: waits ? laterWork.mapCalls : 0,
      ...reaches(lazy),
    },
  ];
  return {
    replay,
    accel,
    entries,
    pageShift: window.pageShift,
    start: created.start,
    acts,
    notes: costNotes(clocks),
  };
}

/** Runs that the engine's replay looks at: of the listener, or of a notifier that comes to the window when it is there. */
function replayedRuns(replay: ReplayCase, { created, replay: report }: Played): number {
  if (replay === "hotplug") return report?.steps ?? 0;
  const fresh = machineOf("tcg", false);
  const { window } = createHugeWindow(fresh.hosted.machine);
  if (window.entries !== created.window.entries) throw new Error("the window is another one");
  return replayByRuns(window, newNotifier()).steps;
}

/** The generic replay of the window of a case, to be walked piece by piece. */
export function walkOf(replay: ReplayCase, accel: Accel): PageWalk {
  const lab = machineOf(accel, false);
  const created = createHugeWindow(lab.hosted.machine);
  if (replay === "hotplug") for (let i = 0; i < MAPPINGS; i++) put(lab, created, i * STRIDE, targetOf(i));
  lab.plug(0);
  return new PageWalk(created.window.iommu, newNotifier());
}
