import { hex64 } from "../base/u64.ts";
import { formatCount, formatSize, formatTime } from "../base/units.ts";
import { type DmaFault, formatFault } from "../memory/dma-fault.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import type { Machine } from "../spapr/machine.ts";
import { RtasToken } from "../spapr/papr.ts";
import { PciDevice } from "../spapr/pci-device.ts";
import { cells, mapDirect } from "./guest-calls.ts";
import {
  type CreatedWindow,
  createHugeWindow,
  HUGE_GUEST,
  QEMU_MEASURED,
  RCU_STALL_SECONDS,
  WALKED_PAGES,
  walkSecondsPerPage,
} from "./huge-guest.ts";
import { LabMachine } from "./lab-machine.ts";
import type { ReportCheck, ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

const MIB = 1n << 20n;
const { ramBytes, gpuAddress, gpuBytes, pageShift, pageBytes, windowShift } = HUGE_GUEST;

/**
 * The case that the seed change is about: GPU memory at 64 TiB makes a guest
 * ask for a window of 128 TiB, with a device attached.
 */
export const hugeWindow: Scenario = {
  name: "huge-window",
  summary: "a window of 128 TiB appears in front of an attached device: what each way of replaying it costs",
  run: (context) => Promise.resolve(runHugeWindow(context)),
};

/** What one machine went through. */
interface Run {
  readonly lab: LabMachine;
  readonly created: CreatedWindow;
  /** The TCEs that the bridge offered. */
  readonly maxTces: number;
  readonly createSeconds: number;
  /** How the listener's replay of the new window went. */
  readonly newReplay: string;
  readonly mapCallsAtCreate: number;
  readonly empty: Replays;
  readonly full: Replays;
  readonly mapped: { readonly pages: number; readonly calls: number; readonly seconds: number };
  readonly mapCalls: number;
  readonly servedBy: "qemu" | "kvm";
  /** Bytes that the process of QEMU has locked: guest memory, the host's tables, KVM's. */
  readonly lockedBytes: number;
  readonly dma: Dma;
  /** The device of the host gets at memory and GPU memory, and not between them. */
  readonly reach: readonly boolean[];
}

function runHugeWindow(context: ScenarioContext): ScenarioReport {
  const runs = (["tcg", "kvm"] as const).map((accel) => runMachine(context, accel));
  const [tcg] = runs;
  const { created, empty, full, mapped } = tcg!;
  const { entries } = created.window;
  return {
    scenario: "huge-window",
    title: "A DMA window of 128 TiB appears while a device is attached",
    story: [
      `The guest has ${formatSize(ramBytes)} of memory and ${formatSize(gpuBytes)} of GPU memory at ${hex64(gpuAddress)} (64 TiB). A device of the host is plugged into its bridge: VFIO mirrors the bridge's windows into the tables of the host. The guest asks its bridge (ibm,query-pe-dma-window: up to ${formatCount(tcg!.maxTces)} TCEs) for one window that covers both: 2^${windowShift} bytes in pages of 64 KiB are ${formatCount(entries)} TCEs.`,
      'When the window appears, VFIO\'s listener makes a window of the host for it and asks for a replay of what is mapped. Nothing is: the window is new. Walking it all the same is what made guests report RCU stalls; "skipping_replay" avoids it; a table that counts what it holds has nothing to walk.',
      `ibm,create-pe-dma-window answered ${created.status}: LIOBN 0x${created.liobn.toString(16)} at ${hex64(created.start)}, in ${formatTime(tcg!.createSeconds)} with the container and both tables in place.`,
      `Then the guest mapped only what it needs: ${formatCount(mapped.pages)} pages with ${formatCount(mapped.calls)} H_PUT_TCE_INDIRECT. ${tcg!.dma.story}`,
    ],
    tables: [...replayTables(entries, tcg!), machineTable(runs), qemuTable(entries)],
    notes: [
      `The page walk was measured over ${formatCount(WALKED_PAGES)} TCEs (${formatTime(empty.walkSecondsPerPage)} each when empty, ${formatTime(full.walkSecondsPerPage)} later) and not run to its end; rows marked * are extrapolated from that.`,
      `Linux reports an RCU stall after ${RCU_STALL_SECONDS} s. The replay runs with QEMU's big lock held, so all of the guest stands still.`,
      "Waiting for the first H_PUT_TCE instead cannot work: see the scenario lazy-replay.",
      "Locked memory: guest memory; for each host window twice 8 bytes a TCE, as if all levels were full, though only the first is allocated; under KVM 8 bytes a TCE for the guest's table. GPU memory is its driver's.",
    ],
    checks: [
      { name: "the window has 2^31 TCEs", ok: entries === 2 ** 31, detail: `${formatCount(entries)} TCEs` },
      ...runs.flatMap(checksOf),
    ],
    data: {
      entries,
      liobn: created.liobn,
      start: hex64(created.start),
      livePages: mapped.pages,
      walkSecondsExtrapolated: full.walkSecondsPerPage * entries,
      tableBytesInQemu: QEMU_MEASURED.bytesPerTce * entries,
      runs: runs.map(({ lab, created: _created, dma: _dma, ...numbers }) => ({
        machine: lab.title,
        ...numbers,
      })),
    },
  };
}

function runMachine(context: ScenarioContext, accel: "tcg" | "kvm"): Run {
  const lab = new LabMachine(context, accel.toUpperCase(), {
    accel,
    ramSize: ramBytes,
    deviceRam: [{ address: gpuAddress, sizeBytes: gpuBytes }],
  });
  const { hosted } = lab;
  const { machine } = hosted;
  const faults: DmaFault[] = [];
  machine.memory.onDmaFault = (fault) => faults.push(fault);
  const device = lab.plug(0);
  const buid = cells(machine.phbs[0]!.buid);
  const [, , maxTces] = machine.rtas(RtasToken.QUERY_PE_DMA_WINDOW, [0, ...buid], 5);

  const started = context.now();
  const created = createHugeWindow(machine);
  const createSeconds = context.now() - started;
  lab.after("ibm,create-pe-dma-window");
  const { window, start } = created;
  const newReplay = window.lastReplay?.strategy ?? "none";
  const mapCallsAtCreate = lab.requests("map");

  const empty = measureReplays(context, window);
  const mapped = mapMemory(context, lab, created);
  const { servedBy } = machine;
  const full = measureReplays(context, window);
  const reaches = (address: bigint): boolean => hosted.reach(device, start + address, true) === address;
  return {
    lab,
    created,
    maxTces: maxTces!,
    createSeconds,
    newReplay,
    mapCallsAtCreate,
    empty,
    full,
    mapped,
    mapCalls: lab.requests("map") - mapCallsAtCreate,
    servedBy,
    lockedBytes: hosted.process.memory.lockedPages * hosted.process.memory.pageSize,
    dma: doDma(machine, start, faults),
    reach: [
      reaches(ramBytes - 1n),
      reaches(gpuAddress + gpuBytes - 1n),
      hosted.reach(device, start + ramBytes, false) === undefined,
    ],
  };
}

// ------------------------------------------------------------------ report

function replayTables(entries: number, { createSeconds, empty, full, mapped }: Run): ReportTable[] {
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
  const guest =
    stalls === 0 ? "stands still" : `stands still: ${stalls} RCU stall report${stalls === 1 ? "" : "s"}`;
  return [
    "page walk (before the change)",
    formatCount(entries),
    formatCount(notifications),
    `${formatTime(seconds)} *`,
    guest,
  ];
}

function machineTable(runs: readonly Run[]): ReportTable {
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

function checksOf({ lab, created, newReplay, mapCallsAtCreate, mapped, ...run }: Run): ReportCheck[] {
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
      name: `${title}: a replay tells of every page`,
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

// ------------------------------------------------------------- measurements

interface Replays {
  readonly walkSecondsPerPage: number;
  readonly countedSeconds: number;
  readonly counted: { readonly steps: number; readonly notifications: number };
  readonly countedPages: number;
}

/** Replays the window by counts, and as much of it by pages as tells the rate. */
function measureReplays(context: ScenarioContext, window: DmaWindow): Replays {
  let countedPages = 0;
  const notifier = new IommuNotifier({
    name: "measurement",
    flags: NotifierFlag.IOTLB_EVENTS,
    notify: (run) => {
      countedPages += run.pages;
    },
  });
  const start = context.now();
  const counted = window.replayCounted(notifier);
  const countedSeconds = context.now() - start;
  return { walkSecondsPerPage: walkSecondsPerPage(context, window), countedSeconds, counted, countedPages };
}

/** What the guest maps: its memory and the GPU's, each where it lies, from the start of the window. */
function mapMemory(
  context: ScenarioContext,
  lab: LabMachine,
  { liobn, start }: CreatedWindow,
): Run["mapped"] {
  const begin = context.now();
  let pages = 0;
  let calls = 0;
  for (const [address, bytes] of [
    [0n, ramBytes],
    [gpuAddress, gpuBytes],
  ] as const) {
    const count = Number(bytes / pageBytes);
    calls += mapDirect(lab.hosted.machine, liobn, pageShift, start + address, address, count, () =>
      lab.after("H_PUT_TCE_INDIRECT"),
    );
    pages += count;
  }
  return { pages, calls, seconds: context.now() - begin };
}

interface Dma {
  readonly ok: boolean;
  readonly detail: string;
  readonly story: string;
}

/** An emulated device writes to memory and to GPU memory, reads both back, and tries an address between them. */
function doDma(machine: Machine, start: bigint, faults: readonly DmaFault[]): Dma {
  const device = new PciDevice(machine.phbs[0]!, "gpu");
  device.setBusMaster(true);
  const sent = Uint8Array.from({ length: 200_000 }, (_, i) => i * 7);
  let ok = true;
  for (const address of [16n * MIB, gpuAddress + 5n * 1024n * MIB - 100_000n]) {
    ok = device.write(start + address, sent) === 0 && ok;
    const back = new Uint8Array(sent.length);
    ok = device.read(start + address, back) === 0 && ok;
    const direct = new Uint8Array(sent.length);
    machine.systemMemory.read(address, direct, null);
    ok = back.every((byte, i) => byte === sent[i]) && direct.every((byte, i) => byte === sent[i]) && ok;
  }
  device.read(start + ramBytes, new Uint8Array(64));
  return {
    ok: ok && faults.length === 1 && faults[0]?.reason === "unmapped",
    detail: `${formatCount(sent.length)} bytes each, written and read back across page borders; between them: ${faults.map(formatFault).join("; ")}`,
    story:
      "A device wrote to both through the window and read back what it wrote; a read between them was refused.",
  };
}
