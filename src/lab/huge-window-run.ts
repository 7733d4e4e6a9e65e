import { formatCount } from "../base/units.ts";
import { mapMemory } from "../guest/direct-map.ts";
import { cells, GuestCalls } from "../guest/guest-calls.ts";
import { GuestWindow } from "../guest/guest-window.ts";
import { type DmaFault, formatFault } from "../memory/dma-fault.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import type { Machine } from "../spapr/machine.ts";
import { RtasToken } from "../spapr/papr.ts";
import { PciDevice } from "../spapr/pci-device.ts";
import { replayByRuns } from "../spapr/window-replay.ts";
import { type CreatedWindow, createHugeWindow, HUGE_GUEST, walkSecondsPerPage } from "./huge-guest.ts";
import { LabMachine } from "./lab-machine.ts";
import type { ScenarioContext } from "./scenario.ts";

const MIB = 1n << 20n;
const { ramBytes, gpuAddress, gpuBytes, pageShift } = HUGE_GUEST;

/** What one machine went through. */
export interface HugeWindowRun {
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

/** Lets a guest create its huge window in front of a plugged device, fill it and use it, and measures all of it. */
export function runHugeWindow(context: ScenarioContext, accel: "tcg" | "kvm"): HugeWindowRun {
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
  const mapped = mapAll(context, lab, created);
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

interface Replays {
  readonly walkSecondsPerPage: number;
  readonly countedSeconds: number;
  readonly counted: { readonly steps: number; readonly notifications: number };
  readonly countedPages: number;
}

/** Replays the window by counts, and as much of it by pages as shows the rate. */
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
  const counted = replayByRuns(window, notifier);
  const countedSeconds = context.now() - start;
  return { walkSecondsPerPage: walkSecondsPerPage(context, window), countedSeconds, counted, countedPages };
}

/** What the guest maps: its memory and the GPU's, each where it lies, from the start of the window. */
function mapAll(
  context: ScenarioContext,
  lab: LabMachine,
  { liobn, start: busOffset }: CreatedWindow,
): HugeWindowRun["mapped"] {
  const begin = context.now();
  const guest = new GuestCalls(lab.hosted.machine);
  const window = new GuestWindow(liobn, busOffset, pageShift);
  let pages = 0;
  let calls = 0;
  for (const [start, size] of [
    [0n, ramBytes],
    [gpuAddress, gpuBytes],
  ] as const) {
    const range = { start: Number(start), size: Number(size) };
    const after = (): void => lab.after("H_PUT_TCE_INDIRECT");
    const mapped = mapMemory(guest, window, range, true, after);
    if (mapped.status !== 0) throw new Error(`a direct map was refused: ${mapped.status}`);
    calls += mapped.calls;
    pages += mapped.pages;
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
