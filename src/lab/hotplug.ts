import { hex64 } from "../base/u64.ts";
import { formatCount, formatSize, formatTime } from "../base/units.ts";
import type { Machine } from "../spapr/machine.ts";
import { Hcall } from "../spapr/papr.ts";
import type { PassedThroughDevice } from "../vfio/passed-through-device.ts";
import {
  createHugeWindow,
  HUGE_GUEST,
  QEMU_MEASURED,
  WALKED_PAGES,
  walkSecondsPerPage,
} from "./huge-guest.ts";
import { LabMachine } from "./lab-machine.ts";
import { modelData, modelNotes, modelReplays, modelTable, REPLAY_MODELS } from "./replay-costs.ts";
import type { ReportCheck, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

/** Live mappings: one in each 16th of the window. */
const MAPPINGS = 16;
const STRIDE: bigint = 1n << BigInt(HUGE_GUEST.windowShift - 4);
/** Where in guest memory the page of the first mapping lies. */
const FIRST_TARGET = 0x100_0000n;

/** Case 1 of the listener: everything that the guest has mapped before the device came must be replayed. */
export const hotplug: Scenario = {
  name: "hotplug",
  summary:
    "a device is plugged into a bridge whose window of 128 TiB has 16 live mappings: all must be replayed",
  run: (context) => Promise.resolve(runHotplug(context)),
};

/** What one machine went through. */
interface Run {
  readonly lab: LabMachine;
  readonly entries: number;
  readonly plugSeconds: number;
  readonly secondPlugSeconds: number;
  readonly mapCalls: number;
  readonly secondMapCalls: number;
  readonly replaySteps: number;
  /** Mappings that the device reaches after the plug. */
  readonly reached: number;
  /** Addresses beside the mappings that the device reaches, which it must not. */
  readonly strays: number;
  /** Mappings after the guest has changed one of them, and who served that call. */
  readonly reachedAfterChange: boolean;
  readonly servedBy: string;
  /** Mappings that the device reaches once it is unplugged. */
  readonly leftBehind: number;
  readonly walkSeconds: number;
}

function runHotplug(context: ScenarioContext): ScenarioReport {
  const runs = (["tcg", "kvm"] as const).map((accel) => runMachine(context, accel));
  const { entries } = runs[0]!;
  const title = (run: Run): string => run.lab.title;
  const [tcg] = runs;
  const modelled = modelReplays(
    {
      entries,
      pages: MAPPINGS,
      mapCalls: tcg!.mapCalls,
      // All memory of the guest is registered with the container.
      pinnedPages: Number(HUGE_GUEST.ramBytes / HUGE_GUEST.pageBytes),
    },
    REPLAY_MODELS.filter(({ finds }) => finds),
  );
  return {
    scenario: "hotplug",
    title: "A device is plugged into a bridge whose window is huge and in use",
    story: [
      `The guest has created a window of ${formatSize(entries * 2 ** HUGE_GUEST.pageShift)} (${formatCount(entries)} TCEs) and uses ${MAPPINGS} of its pages, far from each other. Now a device of the host is plugged in.`,
      `VFIO opens the device's group, makes a container, registers the guest's memory with it, and creates a host window for each window of the guest. The host windows are empty: whatever the guest has mapped already, in calls that nobody will repeat, must be mapped now. That is the replay, and here, unlike for a window that was just created, it cannot be skipped.`,
      `QEMU translates every page of the window to find the ${MAPPINGS}. A table that counts what it holds goes straight to them: one VFIO_IOMMU_MAP_DMA each.`,
    ],
    tables: [
      {
        title: "The plug, step by step",
        columns: ["what", ...runs.map(title)],
        rows: [
          ["TCEs or runs that the replay looked at", ...runs.map((run) => formatCount(run.replaySteps))],
          ["map calls to the host's kernel", ...runs.map((run) => formatCount(run.mapCalls))],
          ["mappings that the device reaches", ...runs.map((run) => `${run.reached} of ${MAPPINGS}`)],
          ["time of the plug", ...runs.map((run) => formatTime(run.plugSeconds))],
          [
            "time of the replay if every page were walked *",
            ...runs.map((run) => formatTime(run.walkSeconds)),
          ],
          ["a second device joins: map calls", ...runs.map((run) => formatCount(run.secondMapCalls))],
          ["a second device joins: time", ...runs.map((run) => formatTime(run.secondPlugSeconds))],
          ["the next H_PUT_TCE is served by", ...runs.map((run) => run.servedBy)],
        ],
      },
      modelTable("The plug, by strategy", modelled),
      {
        title: `For comparison, measured with real QEMU 11.1.3 (TCG, windows up to 2^30 TCEs), scaled to ${formatCount(entries)} TCEs`,
        columns: ["what", "per TCE", "this window"],
        rows: [
          [
            "plug the first device",
            `${QEMU_MEASURED.plugNs.join("-")} ns, ${QEMU_MEASURED.bytesPerTce} bytes`,
            `${QEMU_MEASURED.plugSeconds.join("-")} s, ${formatSize(QEMU_MEASURED.bytesPerTce * entries)}`,
          ],
        ],
      },
    ],
    notes: [
      ...modelNotes(modelled),
      `* measured over ${formatCount(WALKED_PAGES)} TCEs and extrapolated.`,
      "QEMU also copies the whole table when VFIO comes to need it; here the table stays where it is. A second device joins the container, whose tables it shares, so nothing has to be mapped for it.",
      "Under KVM the guest's table is tied to the host's during the plug: later calls are done by the kernel, and QEMU does not see them.",
    ],
    checks: runs.flatMap(checksOf),
    data: {
      entries,
      mappings: MAPPINGS,
      modelled: modelData(modelled),
      runs: runs.map(({ lab, ...numbers }) => ({ machine: lab.title, ...numbers })),
    },
  };
}

function runMachine(context: ScenarioContext, accel: "tcg" | "kvm"): Run {
  const lab = new LabMachine(context, accel.toUpperCase(), {
    accel,
    ramSize: HUGE_GUEST.ramBytes,
    deviceRam: [{ address: HUGE_GUEST.gpuAddress, sizeBytes: HUGE_GUEST.gpuBytes }],
  });
  const { hosted } = lab;
  const { machine } = hosted;
  const { liobn, start, window } = createHugeWindow(machine);
  for (let i = 0; i < MAPPINGS; i++) {
    put(machine, liobn, iovaOf(start, i), targetOf(i));
    lab.after(`H_PUT_TCE ${i}`);
  }

  const [plugSeconds, device] = timed(context, () => lab.plug(0));
  const mapCalls = lab.requests("map");
  const replaySteps = window.lastReplay?.steps ?? 0;
  const indexes = Array.from({ length: MAPPINGS }, (_, i) => i);
  const reaches = (which: PassedThroughDevice, i: number): boolean =>
    hosted.reach(which, iovaOf(start, i) + 0x123n, true) === targetOf(i) + 0x123n;
  const reached = indexes.filter((i) => reaches(device, i)).length;
  const strays = indexes.filter(
    (i) => hosted.reach(device, iovaOf(start, i) + HUGE_GUEST.pageBytes, false) !== undefined,
  ).length;

  const [secondPlugSeconds, second] = timed(context, () => lab.plug(1));
  const secondMapCalls = lab.requests("map") - mapCalls;
  put(machine, liobn, iovaOf(start, 1), targetOf(100));
  const { servedBy } = machine;
  lab.after("H_PUT_TCE over a live mapping");
  const changed = (which: PassedThroughDevice): boolean =>
    hosted.reach(which, iovaOf(start, 1), true) === targetOf(100);
  const reachedAfterChange = changed(device) && changed(second);
  const walkSeconds = walkSecondsPerPage(context, window) * window.entries;

  hosted.unplug(device);
  lab.after("unplug group 0");
  const leftBehind = indexes.filter(
    (i) => hosted.host.groups[0]!.iommu.translate(iovaOf(start, i), 1) !== null,
  );
  return {
    lab,
    entries: window.entries,
    plugSeconds,
    secondPlugSeconds,
    mapCalls,
    secondMapCalls,
    replaySteps,
    reached,
    strays,
    reachedAfterChange,
    servedBy: servedBy === "kvm" ? "the kernel" : "QEMU",
    leftBehind: leftBehind.length,
    walkSeconds,
  };
}

function checksOf(run: Run): ReportCheck[] {
  const { title } = run.lab;
  return [
    {
      name: `${title}: the device reaches every live mapping, and nothing beside them`,
      ok: run.reached === MAPPINGS && run.strays === 0,
      detail: `${run.reached} of ${MAPPINGS}, ${run.strays} strays`,
    },
    {
      name: `${title}: one map call for each mapping`,
      ok: run.mapCalls === MAPPINGS,
      detail: `${formatCount(run.mapCalls)} map calls, ${run.replaySteps} runs looked at`,
    },
    {
      name: `${title}: both devices follow the guest's next change`,
      ok: run.reachedAfterChange,
      detail: `${hex64(targetOf(100))}, put by a call that ${run.servedBy} served`,
    },
    {
      name: `${title}: an unplugged device reaches nothing`,
      ok: run.leftBehind === 0,
      detail: `${run.leftBehind} mappings left`,
    },
    ...run.lab.coherenceChecks(),
  ];
}

const iovaOf = (start: bigint, i: number): bigint => start + BigInt(i) * STRIDE;
/** Targets lie two pages apart, so that no two mappings could be one run. */
const targetOf = (i: number): bigint => FIRST_TARGET + BigInt(i) * 2n * HUGE_GUEST.pageBytes;

function put(machine: Machine, liobn: number, ioba: bigint, target: bigint): void {
  const { status } = machine.call(Hcall.PUT_TCE, liobn, ioba, target | 3n);
  if (status !== 0) throw new Error(`H_PUT_TCE at ${hex64(ioba)} answered ${status}`);
}

function timed<T>(context: ScenarioContext, work: () => T): [seconds: number, result: T] {
  const start = context.now();
  const result = work();
  return [context.now() - start, result];
}
