import { hex64 } from "../base/u64.ts";
import { counted, formatCount, formatSize, formatTime } from "../base/units.ts";
import { RCU_STALL_SECONDS } from "./cost-model.ts";
import { HUGE_GUEST, QEMU_MEASURED, WALKED_PAGES } from "./huge-guest.ts";
import { type HugeWindowRun, runHugeWindow } from "./huge-window-run.ts";
import {
  type ModelledReplay,
  modelData,
  modelNotes,
  modelReplays,
  modelTable,
  pathTable,
  REPLAY_MODELS,
} from "./replay-costs.ts";
import type { ReportCheck, ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

const { ramBytes, gpuAddress, gpuBytes, windowShift } = HUGE_GUEST;

/**
 * The case that the seed change is about: GPU memory at 64 TiB makes a guest
 * ask for a window of 128 TiB, with a device attached.
 */
export const hugeWindow: Scenario = {
  name: "huge-window",
  summary: "a window of 128 TiB appears in front of an attached device: what each way of replaying it costs",
  run: (context) => Promise.resolve(report(context)),
};

function report(context: ScenarioContext): ScenarioReport {
  const runs = (["tcg", "kvm"] as const).map((accel) => runHugeWindow(context, accel));
  const [tcg] = runs;
  const { created, empty, full, mapped } = tcg!;
  const { entries } = created.window;
  const atCreate = modelReplays({ entries, pages: 0, mapCalls: 0, pinnedPages: 0 }, REPLAY_MODELS);
  const later = modelReplays(
    { entries, pages: mapped.pages, mapCalls: full.counted.notifications, pinnedPages: 0 },
    REPLAY_MODELS.filter(({ finds }) => finds),
  );
  return {
    scenario: "huge-window",
    title: "A DMA window of 128 TiB appears while a device is attached",
    story: [
      `The guest has ${formatSize(ramBytes)} of memory and ${formatSize(gpuBytes)} of GPU memory at ${hex64(gpuAddress)} (64 TiB). A device of the host is plugged into its bridge: VFIO mirrors the bridge's windows into the tables of the host. The guest asks its bridge (ibm,query-pe-dma-window: up to ${formatCount(tcg!.maxTces)} TCEs) for one window that covers both: 2^${windowShift} bytes in pages of 64 KiB are ${formatCount(entries)} TCEs.`,
      'When the window appears, VFIO\'s listener makes a window of the host for it and asks for a replay of what is mapped. Nothing is: the window is new. Walking it all the same is what made guests report RCU stalls; "skipping_replay" avoids it; a table that counts what it holds has nothing to walk.',
      `ibm,create-pe-dma-window answered ${created.status}: LIOBN 0x${created.liobn.toString(16)} at ${hex64(created.start)}, in ${formatTime(tcg!.createSeconds)} with the container and both tables in place.`,
      `Then the guest mapped only what it needs: ${formatCount(mapped.pages)} pages with ${formatCount(mapped.calls)} H_PUT_TCE_INDIRECT. ${tcg!.dma.story}`,
    ],
    tables: [
      ...replayTables(entries, tcg!),
      modelTable("ibm,create-pe-dma-window with a device attached", atCreate),
      modelTable(`The replay once ${formatCount(mapped.pages)} pages are mapped`, later),
      pathTable(mapped.calls, mapped.pages),
      machineTable(runs),
      qemuTable(entries),
    ],
    notes: [
      `The page walk was measured over ${formatCount(WALKED_PAGES)} TCEs (${formatTime(empty.walkSecondsPerPage)} each when empty, ${formatTime(full.walkSecondsPerPage)} later) and not run to its end; rows marked * are extrapolated from that.`,
      `Linux reports an RCU stall after ${RCU_STALL_SECONDS} s. The replay runs with QEMU's big lock held, so all of the guest stands still.`,
      "Waiting for the first H_PUT_TCE instead cannot work: see the scenario lazy-replay.",
      ...modelNotes([...atCreate, ...later]),
      "Locked memory: guest memory; for each host window twice 8 bytes a TCE, as if all levels were full, though only the first is allocated; under KVM 8 bytes a TCE for the guest's table. GPU memory is its driver's.",
    ],
    checks: [
      { name: "the window has 2^31 TCEs", ok: entries === 2 ** 31, detail: `${formatCount(entries)} TCEs` },
      ...runs.flatMap(checksOf),
      modelCheck(atCreate),
    ],
    data: {
      entries,
      liobn: created.liobn,
      start: hex64(created.start),
      livePages: mapped.pages,
      walkSecondsExtrapolated: full.walkSecondsPerPage * entries,
      modelled: { atCreate: modelData(atCreate), later: modelData(later) },
      tableBytesInQemu: QEMU_MEASURED.bytesPerTce * entries,
      runs: runs.map(({ lab, created: _created, dma: _dma, ...numbers }) => ({
        machine: lab.title,
        ...numbers,
      })),
    },
  };
}

/** What the change is about, as the model sees it. */
function modelCheck(replays: readonly ModelledReplay[]): ReportCheck {
  const blocked = (strategy: number, table: string): number =>
    replays.filter(
      (replay) => replay.strategy === REPLAY_MODELS[strategy]!.name && replay.table === table,
    )[0]!.clock.longestBlock;
  const [walk, flag, counted] = [blocked(0, "dense"), blocked(1, "dense"), blocked(2, "counted")];
  return {
    name: "modelled: a page walk makes Linux report an RCU stall; a counted table with a counted walk does not stop the guest",
    ok: walk >= RCU_STALL_SECONDS && counted < 0.001 && flag < walk,
    detail: `${formatTime(walk)}; skip flag ${formatTime(flag)}, all of it the copy of a dense table; counted ${formatTime(counted)}`,
  };
}

function replayTables(entries: number, { createSeconds, empty, full, mapped }: HugeWindowRun): ReportTable[] {
  const columns = ["strategy", "TCEs or runs looked at", "notifications", "time", "the guest"];
  return [
    {
      title: `Replaying the new, empty window of ${formatCount(entries)} TCEs (a device is attached, the guest creates the window)`,
      columns,
      rows: [
        walkRow(entries, 0, empty.walkSecondsPerPage * entries),
        ["skip flag (the seed change)", "0", "0", formatTime(createSeconds), "goes on"],
        ["counted walk (this engine)", "0", "0", formatTime(empty.countedSeconds), "goes on"],
      ],
    },
    {
      title: `Replaying it once ${formatCount(mapped.pages)} pages are mapped (another device is plugged in: the flag does not apply)`,
      columns,
      rows: [
        walkRow(entries, mapped.pages, full.walkSecondsPerPage * entries),
        [
          "counted walk (this engine)",
          `${full.counted.steps} runs`,
          String(full.counted.notifications),
          formatTime(full.countedSeconds),
          "goes on",
        ],
      ],
    },
  ];
}

function walkRow(entries: number, notifications: number, seconds: number): string[] {
  const stalls = Math.floor(seconds / RCU_STALL_SECONDS);
  const guest = stalls === 0 ? "stands still" : `stands still: ${counted(stalls, "RCU stall report")}`;
  return [
    "page walk (before the change)",
    formatCount(entries),
    formatCount(notifications),
    `${formatTime(seconds)} *`,
    guest,
  ];
}

function machineTable(runs: readonly HugeWindowRun[]): ReportTable {
  return {
    title: "The window through the container, under TCG and under KVM",
    columns: ["what", ...runs.map(({ lab }) => lab.title)],
    rows: [
      ["create the window, device attached", ...runs.map((run) => formatTime(run.createSeconds))],
      ["its replay", ...runs.map((run) => run.newReplay)],
      ["map calls to the host meanwhile", ...runs.map((run) => String(run.mapCallsAtCreate))],
      [
        "H_PUT_TCE_INDIRECT served by",
        ...runs.map((run) => (run.servedBy === "kvm" ? "the kernel" : "QEMU")),
      ],
      [
        "map calls to the host for all memory",
        ...runs.map((run) =>
          run.servedBy === "kvm" ? "0 (the kernel's handlers map)" : formatCount(run.mapCalls),
        ),
      ],
      ["time to map all memory", ...runs.map((run) => formatTime(run.mapped.seconds))],
      ["locked memory then", ...runs.map((run) => formatSize(run.lockedBytes))],
    ],
  };
}

function qemuTable(entries: number): ReportTable {
  const { plugNs, plugSeconds, createNs, bytesPerTce } = QEMU_MEASURED;
  const copy = formatSize(bytesPerTce * entries);
  return {
    title:
      "For comparison, measured with real QEMU 11.1.3 (TCG, windows up to 2^30 TCEs; linear, scaled to this window)",
    columns: ["what", "per TCE", `for ${formatCount(entries)} TCEs`],
    rows: [
      [
        "plug a device into a bridge with the window",
        `${plugNs.join("-")} ns, ${bytesPerTce} bytes`,
        `${plugSeconds.join("-")} s, ${copy}`,
      ],
      [
        "create the window, device attached, replay skipped",
        `${createNs} ns, ${bytesPerTce} bytes`,
        `${formatTime(createNs * 1e-9 * entries)}, ${copy}`,
      ],
    ],
  };
}

function checksOf({
  lab,
  created,
  newReplay,
  mapCallsAtCreate,
  mapped,
  ...run
}: HugeWindowRun): ReportCheck[] {
  const { title } = lab;
  // The kernel maps what its own handlers are asked for; QEMU is asked for a list at a time.
  const calls = run.servedBy === "kvm" ? 0 : mapped.calls;
  return [
    {
      name: `${title}: the replay of the new window is skipped, and nothing is mapped`,
      ok: newReplay === "skipped" && mapCallsAtCreate === 0,
      detail: `${newReplay}, ${mapCallsAtCreate} map calls`,
    },
    {
      name: `${title}: the flag is clear afterwards`,
      ok: !created.window.skippingReplay,
      detail: String(created.window.skippingReplay),
    },
    {
      name: `${title}: the host maps a list of 512 TCEs with one call, or in the kernel`,
      ok: run.mapCalls === calls,
      detail: `${formatCount(mapped.pages)} pages, ${formatCount(run.mapCalls)} map calls`,
    },
    {
      name: `${title}: a replay notifies of every page`,
      ok: run.full.countedPages === mapped.pages,
      detail: `${formatCount(run.full.countedPages)} pages in ${run.full.counted.notifications} runs`,
    },
    {
      name: `${title}: the host's device gets at memory and GPU memory, and nowhere between`,
      ok: run.reach.every(Boolean),
      detail: run.reach.join(", "),
    },
    { name: `${title}: DMA of an emulated device does, too`, ok: run.dma.ok, detail: run.dma.detail },
    ...lab.coherenceChecks(),
  ];
}
