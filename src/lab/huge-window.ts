import { hex64, toBig } from "../base/u64.ts";
import { formatCount, formatSize, formatTime } from "../base/units.ts";
import { type DmaFault, formatFault } from "../memory/dma-fault.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import { Machine } from "../spapr/machine.ts";
import { RtasToken } from "../spapr/papr.ts";
import { PciDevice } from "../spapr/pci-device.ts";
import { cells, mapDirect } from "./guest-calls.ts";
import { Mirror } from "./mirror.ts";
import type { ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

const TIB = 1n << 40n;
const GIB = 1n << 30n;
const RAM_BYTES = 4n * GIB;
/** NVLink2 GPU memory lies at 64 TiB, right above the PCI addresses. */
const GPU_ADDRESS = 64n * TIB;
const GPU_BYTES = 32n * GIB;
const PAGE_SHIFT = 16;
const PAGE_BYTES = 1n << BigInt(PAGE_SHIFT);
/** Pages of the generic replay that are really walked to measure its rate. */
const WALKED_PAGES = 2 ** 22;
/** A CPU that is stuck for this long makes Linux report an RCU stall (RCU_CPU_STALL_TIMEOUT). */
const RCU_STALL_SECONDS = 21;

/** Measured with QEMU 11.1.3 under TCG, windows up to 2^30 TCEs, one x86-64 machine; linear in the TCEs. */
const QEMU_PLUG_NS = [17, 33] as const;
const QEMU_CREATE_NS = 12.5;
const QEMU_BYTES_PER_TCE = 8;

/**
 * The case that the seed change is about: GPU memory at 64 TiB makes a guest
 * ask for a window of 128 TiB, with a device attached that mirrors it.
 */
export const hugeWindow: Scenario = {
  name: "huge-window",
  summary: "a window of 128 TiB appears in front of an attached device: what each way of replaying it costs",
  run: (context) => Promise.resolve(runHugeWindow(context)),
};

function runHugeWindow(context: ScenarioContext): ScenarioReport {
  const machine = new Machine({
    ramSize: RAM_BYTES,
    deviceRam: [{ address: GPU_ADDRESS, sizeBytes: GPU_BYTES }],
    ...(context.profile === undefined ? {} : { profile: context.profile }),
  });
  const [phb] = machine.phbs;
  const mirror = new Mirror("vfio");
  machine.memory.register(mirror, phb!.addressSpace);
  const faults: DmaFault[] = [];
  machine.memory.onDmaFault = (fault) => faults.push(fault);

  const buid = cells(phb!.buid);
  const [, , maxTces] = machine.rtas(RtasToken.QUERY_PE_DMA_WINDOW, [0, ...buid], 5);
  // The guest sizes its window as the next power of two above the highest memory address.
  const windowShift = (GPU_ADDRESS + GPU_BYTES - 1n).toString(2).length;
  const replaysBefore = mirror.replays.length;
  const started = context.now();
  const [status, liobn, startHi, startLo] = machine.rtas(
    RtasToken.CREATE_PE_DMA_WINDOW,
    [0, ...buid, PAGE_SHIFT, windowShift],
    4,
  );
  const createSeconds = context.now() - started;
  const created = mirror.replays.slice(replaysBefore);
  const start = toBig(startHi!, startLo!);
  const window = machine.env.liobns.find(0, liobn!)!;
  const entries = window.entries;

  const empty = measureReplays(context, window);
  const mapped = mapMemory(context, machine, liobn!, start);
  const dma = doDma(machine, start);
  const full = measureReplays(context, window);

  const live = window.table!.validCount;
  const walkSeconds = full.walkSecondsPerPage * entries;
  const tables: ReportTable[] = [
    {
      title: `Replaying the new, empty window of ${formatCount(entries)} TCEs (a device is attached, the guest creates the window)`,
      columns: ["strategy", "TCEs or runs looked at", "notifications", "time", "the guest"],
      rows: [
        walkRow(entries, 0, empty.walkSecondsPerPage * entries),
        [
          "skip flag (the seed change)",
          String(created[0]?.steps ?? 0),
          "0",
          formatTime(createSeconds),
          "goes on",
        ],
        ["counted walk (this engine)", "0", "0", formatTime(empty.countedSeconds), "goes on"],
      ],
    },
    {
      title: `Replaying it once ${formatCount(live)} pages are mapped (another device is plugged in: the flag does not apply)`,
      columns: ["strategy", "TCEs or runs looked at", "notifications", "time", "the guest"],
      rows: [
        walkRow(entries, live, walkSeconds),
        [
          "counted walk (this engine)",
          `${full.counted.steps} runs`,
          String(full.counted.notifications),
          formatTime(full.countedSeconds),
          "goes on",
        ],
      ],
    },
    {
      title:
        "For comparison, measured with real QEMU 11.1.3 (TCG, windows up to 2^30 TCEs; linear, scaled to this window)",
      columns: ["what", "per TCE", `for ${formatCount(entries)} TCEs`],
      rows: [
        [
          "plug a device into a bridge with the window",
          `${QEMU_PLUG_NS[0]}-${QEMU_PLUG_NS[1]} ns, ${QEMU_BYTES_PER_TCE} bytes`,
          `${QEMU_PLUG_NS.map((ns) => formatTime(ns * 1e-9 * entries)).join(" to ")}, ${formatSize(QEMU_BYTES_PER_TCE * entries)}`,
        ],
        [
          "create the window, device attached, replay skipped",
          `${QEMU_CREATE_NS} ns, ${QEMU_BYTES_PER_TCE} bytes`,
          `${formatTime(QEMU_CREATE_NS * 1e-9 * entries)}, ${formatSize(QEMU_BYTES_PER_TCE * entries)}`,
        ],
      ],
    },
  ];
  return {
    scenario: "huge-window",
    title: "A DMA window of 128 TiB appears while a device is attached",
    story: [
      `The guest has ${formatSize(RAM_BYTES)} of memory and ${formatSize(GPU_BYTES)} of GPU memory at ${hex64(GPU_ADDRESS)} (64 TiB). It asks its bridge (ibm,query-pe-dma-window: up to ${formatCount(maxTces!)} TCEs) for one window that covers both: 2^${windowShift} bytes in pages of 64 KiB are ${formatCount(entries)} TCEs.`,
      `A notifier is attached as VFIO does it. When the window appears, it asks for a replay of what is mapped. Nothing is: the window is new. Walking it all the same is what made guests report RCU stalls; "skipping_replay" avoids it; a table that counts what it holds has nothing to walk.`,
      `ibm,create-pe-dma-window answered ${status}: LIOBN 0x${liobn!.toString(16)} at ${hex64(start)}, in ${formatTime(createSeconds)} with the notifier attached and the table in place.`,
      `Then the guest mapped only what it needs: ${formatCount(mapped.pages)} pages with ${formatCount(mapped.calls)} H_PUT_TCE_INDIRECT in ${formatTime(mapped.seconds)}; the notifier heard ${formatCount(mirror.notifications)} runs. ${dma.story}`,
    ],
    tables,
    notes: [
      `The page walk was measured over ${formatCount(WALKED_PAGES)} TCEs (${formatTime(empty.walkSecondsPerPage)} each when empty, ${formatTime(full.walkSecondsPerPage)} later) and not run to its end; rows marked * are extrapolated from that.`,
      `Linux reports an RCU stall after ${RCU_STALL_SECONDS} s. The replay runs with QEMU's big lock held, so all of the guest stands still.`,
      `Waiting for the first H_PUT_TCE instead cannot work: under KVM that call is handled in the kernel, and user space never sees it.`,
    ],
    checks: [
      { name: "the window has 2^31 TCEs", ok: entries === 2 ** 31, detail: `${formatCount(entries)} TCEs` },
      {
        name: "the replay of the new window is skipped",
        ok: created.length === 1 && created[0]?.strategy === "skipped",
        detail: created.map((replay) => replay.strategy).join() || "no replay",
      },
      {
        name: "the flag is clear afterwards",
        ok: !window.skippingReplay,
        detail: String(window.skippingReplay),
      },
      {
        name: "the notifier heard of every page",
        ok: mirror.pages === mapped.pages,
        detail: `${formatCount(mirror.pages)} pages`,
      },
      {
        name: "a replay tells of every page",
        ok: full.countedPages === live && live === mapped.pages,
        detail: `${formatCount(full.countedPages)} pages in ${full.counted.notifications} runs`,
      },
      { name: "DMA reaches memory and GPU memory", ok: dma.ok, detail: dma.detail },
      {
        name: "DMA between them is refused",
        ok: faults.length === 1 && faults[0]?.reason === "unmapped",
        detail: faults.map(formatFault).join("; "),
      },
    ],
    data: {
      entries,
      liobn,
      start: hex64(start),
      createSeconds,
      mapped,
      livePages: live,
      empty,
      full,
      walkSecondsExtrapolated: walkSeconds,
      tableBytesInQemu: QEMU_BYTES_PER_TCE * entries,
    },
  };
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

interface Replays {
  readonly walkSecondsPerPage: number;
  readonly countedSeconds: number;
  readonly counted: { readonly steps: number; readonly notifications: number };
  readonly countedPages: number;
}

/** Replays the window by counts, and as much of it by pages as tells the rate. */
function measureReplays(context: ScenarioContext, window: DmaWindow): Replays {
  let pages = 0;
  const notifier = new IommuNotifier({
    name: "measurement",
    flags: NotifierFlag.IOTLB_EVENTS,
    notify: (run) => {
      pages += run.pages;
    },
  });
  const start = context.now();
  const counted = window.replayCounted(notifier);
  const countedSeconds = context.now() - start;
  const countedPages = pages;
  const walkStart = context.now();
  const walk = window.iommu.replayByPages(notifier, WALKED_PAGES);
  const walkSecondsPerPage = (context.now() - walkStart) / walk.steps;
  return { walkSecondsPerPage, countedSeconds, counted, countedPages };
}

/** What the guest maps: its memory and the GPU's, each where it lies, from the start of the window. */
function mapMemory(
  context: ScenarioContext,
  machine: Machine,
  liobn: number,
  start: bigint,
): { pages: number; calls: number; seconds: number } {
  const begin = context.now();
  let pages = 0;
  let calls = 0;
  for (const [address, bytes] of [
    [0n, RAM_BYTES],
    [GPU_ADDRESS, GPU_BYTES],
  ] as const) {
    const count = Number(bytes / PAGE_BYTES);
    calls += mapDirect(machine, liobn, PAGE_SHIFT, start + address, address, count);
    pages += count;
  }
  return { pages, calls, seconds: context.now() - begin };
}

/** A device writes to memory and to GPU memory, reads both back, and tries an address between them. */
function doDma(machine: Machine, start: bigint): { ok: boolean; detail: string; story: string } {
  const device = new PciDevice(machine.phbs[0]!, "gpu");
  device.setBusMaster(true);
  const sent = Uint8Array.from({ length: 200_000 }, (_, i) => i * 7);
  let ok = true;
  for (const address of [16n * (1n << 20n), GPU_ADDRESS + 5n * GIB - 100_000n]) {
    ok = device.write(start + address, sent) === 0 && ok;
    const back = new Uint8Array(sent.length);
    ok = device.read(start + address, back) === 0 && ok;
    const direct = new Uint8Array(sent.length);
    machine.systemMemory.read(address, direct, null);
    ok = back.every((byte, i) => byte === sent[i]) && direct.every((byte, i) => byte === sent[i]) && ok;
  }
  device.read(start + RAM_BYTES, new Uint8Array(64));
  return {
    ok,
    detail: `${formatCount(sent.length)} bytes each, written and read back across page borders`,
    story:
      "A device wrote to both through the window and read back what it wrote; a read between them was refused.",
  };
}
