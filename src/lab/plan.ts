import { hex, hex64, log2 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import { forecastMigration, type WindowForecast } from "../check/forecast/forecast.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import type { Refusal, RuleId } from "../spapr/observer.ts";
import { DDW_PAGE_BITS } from "../spapr/papr.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import { HostedMachine } from "../vfio/hosted-machine.ts";
import { TYPE1_MAX_MAPPINGS } from "../vfio/type1-container.ts";
import { QEMU_MEASURED } from "./huge-guest.ts";
import { configOfDescription, LinuxMachine } from "./linux-machine.ts";
import type { PlanNote } from "./plan-note.ts";

/**
 * What a plan is made for.
 *
 * @public
 */
export interface PlanOptions {
  /** Name or version of the guest's kernel, if the description does not say it. */
  readonly kernel?: string | undefined;
  /** How devices of the host are passed through; default version 2 of the sPAPR containers. */
  readonly container?: "spapr-v1" | "spapr-v2";
  /** A device of the host is behind every bridge, not only behind those that the description names `vfio-pci` for. */
  readonly passThrough?: boolean;
}

/**
 * A window that the guest asks for, or that is there from the start.
 *
 * @public
 */
export interface PlannedWindow {
  /** `bridge 0`, or `spapr-vlan 0x71000001`. */
  readonly owner: string;
  readonly liobn: number;
  readonly busOffset: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly pageShift: number;
  readonly entries: number;
  /** Entries that are mapped after the boot: all memory, in a window that maps it directly. */
  readonly mapped: number;
}

/**
 * A table that the host's kernel has for a window.
 *
 * @public
 */
export interface PlannedTable {
  readonly owner: string;
  readonly busOffset: bigint;
  /** log2 of its pages: not larger than those of the guest's window and of the guest's memory. */
  readonly pageShift: number;
  /** Bytes that count as locked: entries, twice, and all levels as if they were full. */
  readonly bytes: bigint;
}

/**
 * What will come of a machine: its windows, and what they cost the host.
 *
 * @public
 */
export interface Plan {
  readonly kernel: string;
  readonly windows: readonly PlannedWindow[];
  /** Windows that the guest asks for and does not get. */
  readonly refused: readonly { readonly call: string; readonly rule: string; readonly id: RuleId }[];
  /** Bytes that QEMU's process has locked, by what for; nothing is without a device of the host. */
  readonly locked: {
    readonly container: "spapr-v1" | "spapr-v2";
    readonly atStart: bigint;
    readonly withDevices: bigint;
    readonly afterBoot: bigint;
    /** After the boot, and with all memory that can be plugged. */
    readonly most: bigint;
    readonly tables: readonly PlannedTable[];
  } | null;
  readonly migration: readonly WindowForecast[];
  readonly notes: readonly PlanNote[];
}

/**
 * A plan as its JSON.
 *
 * @public
 */
export const planToJson = ({ windows, migration, ...plan }: Plan): Record<string, unknown> => ({
  ...plan,
  windows: windows.map(plannedWindowToJson),
  migration: migration.map((forecast) => ({
    ...forecast,
    liobn: hex(forecast.liobn),
    busOffset: hex(forecast.busOffset),
  })),
});

/** A window of a plan as a row. */
export const plannedWindowToJson = (window: PlannedWindow): Record<string, unknown> => ({
  ...window,
  liobn: hex(window.liobn),
});

/** Below this QEMU's own plug of a device is not worth a word. */
const SLOW_PLUG_SECONDS = 1;

/**
 * Foretells which DMA windows a machine's guest will ask for, which it gets, and what they cost: the machine is built,
 * with the kernels of guest and host as models, and boots.
 *
 * @throws IommuError BAD_ARGUMENT if nobody says the guest's kernel
 * @public
 */
export function planMachine(description: MachineDescription, options: PlanOptions = {}): Plan {
  const { container = "spapr-v2", passThrough = false } = options;
  const passed = description.bridges.filter(
    ({ index }) =>
      passThrough ||
      description.pciDevices.some(({ bridge, model }) => bridge === index && model === "vfio-pci"),
  );
  const hosted = new HostedMachine({
    ...configOfDescription(description),
    accel: description.accelerator,
    container,
    groups: Math.max(1, passed.length),
  });
  const { machine } = hosted;
  const refusals: Refusal[] = [];
  const fatal: string[] = [];
  const events: TraceEvent[] = [];
  machine.observer.refusal = (refusal) => refusals.push(refusal);
  machine.observer.hazard = ({ what }) => fatal.push(what);
  const locked = (): bigint =>
    BigInt(hosted.process.memory.lockedPages) * BigInt(hosted.process.memory.pageSize);
  const atStart = locked();
  const notPlugged = passed.flatMap(({ index }, group) => {
    const result = hosted.plug(group, index);
    return result.ok ? [] : [`bridge ${index}: ${result.error}`];
  });
  const withDevices = locked();
  const log: string[] = [];
  const model = new LinuxMachine(withAssumed(description, passed), {
    machine,
    kernel: options.kernel,
    assumesDrivers: true,
    trace: (event) => {
      if (event.name !== "spapr_iommu_xlate") events.push(event);
    },
    log: (line) => log.push(line),
  });
  machine.observer.trace = (event) => events.push(event);
  model.run();
  const afterBoot = locked();
  const windows = plannedWindows(hosted);
  const most =
    afterBoot + (container === "spapr-v2" ? BigInt(description.maxRamBytes - description.ramBytes) : 0n);
  return {
    kernel: model.kernel.name,
    windows,
    refused: refusals.map(({ call, rule, id }) => ({ call, rule, id })),
    locked:
      passed.length === 0
        ? null
        : { container, atStart, withDevices, afterBoot, most, tables: plannedTables(hosted) },
    migration: forecastMigration(
      machine.phbs.flatMap((phb) =>
        phb.windows.map(({ liobn, busOffset, pageShift, table }) => ({ liobn, busOffset, pageShift, table })),
      ),
    ),
    notes: [
      ...notesOfWindows(description, events),
      ...notesOfRefusals(description, model, refusals),
      ...(description.qemuVersion === undefined
        ? [
            note(
              "info",
              "nobody says the version of QEMU: taken as 7.2, which says less of memory than 10.0",
              "QEMU-TREE-4",
            ),
          ]
        : []),
      ...notesOfTables(hosted, windows),
      ...notesOfHost(hosted, { notPlugged, fatal, passed: passed.length, windows }),
      ...model.notFollowed.map((text) => note("warning", text, "QEMU-TREE-2")),
      ...description.remarks.map((text) => ({ severity: "info" as const, text, rules: [] })),
    ],
  };
}

/** The description as it is planned for: the drivers of all its devices are there, and nothing happens after the boot. */
function withAssumed(
  description: MachineDescription,
  passed: MachineDescription["bridges"],
): MachineDescription {
  const { pciDevices } = description;
  const added = passed
    .filter(({ index }) => !pciDevices.some(({ bridge }) => bridge === index))
    .map(({ index }) => ({ model: "vfio-pci", id: undefined, bridge: index, slot: 0, functionNumber: 0 }));
  return { ...description, pciDevices: [...pciDevices, ...added], modules: undefined, steps: [] };
}

function plannedWindows({ machine }: HostedMachine): PlannedWindow[] {
  const owned = [
    ...machine.phbs.flatMap((phb) => phb.windows.map((window) => ({ owner: `bridge ${phb.index}`, window }))),
    ...machine.vio.devices.flatMap(({ name, window }) => (window === null ? [] : [{ owner: name, window }])),
  ];
  return owned
    .filter(({ window }) => window.enabled)
    .map(({ owner, window }) => ({
      owner,
      liobn: window.liobn,
      busOffset: window.busOffset,
      size: window.sizeBytes,
      pageShift: window.pageShift,
      entries: window.entries,
      mapped: window.table?.validCount ?? 0,
    }));
}

function plannedTables({ host, devices, process }: HostedMachine): PlannedTable[] {
  const pageSize = BigInt(process.memory.pageSize);
  return devices.flatMap(({ group, phb }) =>
    host.groups[group]!.iommu.windows.flatMap((table) =>
      table === null
        ? []
        : [
            {
              owner: `bridge ${phb.index}`,
              busOffset: table.start,
              pageShift: log2(BigInt(table.pageSize)),
              bytes: BigInt(table.chargedPages) * pageSize,
            },
          ],
    ),
  );
}

const note = (severity: PlanNote["severity"], text: string, ...rules: string[]): PlanNote => ({
  severity,
  text,
  rules,
});

/** Why windows are as they are. */
function notesOfWindows(description: MachineDescription, events: readonly TraceEvent[]): PlanNote[] {
  const { ramBytes, maxRamBytes, persistentMemory } = description;
  const notes: PlanNote[] = [];
  for (const event of events) {
    if (event.name !== "spapr_iommu_ddw_create") continue;
    const query = events.findLast(
      (other) => other.name === "spapr_iommu_ddw_query" && other.buid === event.buid,
    );
    const offered = query?.name === "spapr_iommu_ddw_query" ? query.pageSizes : 0;
    const larger = DDW_PAGE_BITS.filter(
      ([shift, bit]) => 1n << BigInt(shift) > event.pageSize && (offered & bit) === 0,
    );
    const largerText = larger.map(([shift]) => formatSize(2 ** shift)).join(", ");
    const covers = persistentMemory
      ? "holds all memory and what is persistent"
      : maxRamBytes > ramBytes
        ? "holds all memory, and what can be plugged"
        : "holds all memory";
    notes.push(
      note(
        "info",
        `window ${hex64(event.busOffset)} of bridge ${event.buid & 0xffn}: ${formatSize(event.windowSize)} ${covers}, mapped directly; ` +
          `${formatSize(event.pageSize)} are the largest pages that the bridge offers${largerText === "" ? "" : ` (its pgsz has no ${largerText})`}`,
        "LINUX-DDW-2",
        "LINUX-DDW-1",
        "QEMU-QUERY-2",
      ),
    );
  }
  return notes;
}

/** What becomes of a guest whose window is refused, and what helps. */
function notesOfRefusals(
  { ramBytes, maxRamBytes }: MachineDescription,
  { kernel }: LinuxMachine,
  refusals: readonly Refusal[],
): PlanNote[] {
  return refusals
    .filter(({ call }) => call === "ibm,create-pe-dma-window")
    .flatMap(({ rule, id }) => {
      const notes = [note("warning", `the guest's window is refused: ${rule}`, id)];
      if (maxRamBytes === ramBytes && !kernel.sizeCoversMemory) {
        notes.push(
          note(
            "warning",
            `${kernel.name} asks for a window of 1 byte, as this QEMU does not say how much memory there can be; -m with slots=1 and a maxmem above the memory, or QEMU 10.0 or later, gives the guest its window`,
            "QEMU-TREE-4",
            "LINUX-DDW-2",
          ),
        );
      }
      const text = kernel.alwaysLimitsBus
        ? `${kernel.name} then takes buffers of a device with a mask of 64 bits for directly mapped: it never unmaps them, or hands out addresses that are not mapped, until the device stops; disable_ddw in the guest's command line keeps it from asking`
        : "devices use the default window: each buffer is mapped and unmapped by a hypercall";
      notes.push(note("warning", text, "LINUX-DDW-6", ...(kernel.alwaysLimitsBus ? ["LINUX-LIMIT-1"] : [])));
      return notes;
    });
}

/** Windows whose host tables have smaller pages than the guest's: these are many times as large. */
function notesOfTables(hosted: HostedMachine, windows: readonly PlannedWindow[]): PlanNote[] {
  return plannedTables(hosted).flatMap(({ owner, busOffset, pageShift, bytes }) => {
    const window = windows.find((one) => one.owner === owner && one.busOffset === busOffset);
    if (window === undefined || window.pageShift <= pageShift) return [];
    return [
      note(
        "info",
        `the host's table of window ${hex64(busOffset)} of ${owner} has pages of ${formatSize(2 ** pageShift)}, as the guest's memory has, and takes ${formatSize(bytes)}; with memory in huge pages it is up to ${formatCount(2 ** (window.pageShift - pageShift))} times smaller`,
        "QEMU-CONTAINER-5",
      ),
    ];
  });
}

/** What the host makes of it. */
function notesOfHost(
  hosted: HostedMachine,
  {
    notPlugged,
    fatal,
    passed,
    windows,
  }: {
    readonly notPlugged: readonly string[];
    readonly fatal: readonly string[];
    readonly passed: number;
    readonly windows: readonly PlannedWindow[];
  },
): PlanNote[] {
  const notes: PlanNote[] = [];
  for (const text of notPlugged) notes.push(note("error", `a device cannot be passed through: ${text}`));
  for (const text of [...new Set(fatal)])
    notes.push(note("error", `QEMU stops when the guest does this: ${text}`));
  for (const text of [...new Set(hosted.messages)]) notes.push(note("error", `QEMU says: ${text}`));
  if (passed === 0) return notes;
  const mapped = windows.reduce((sum, window) => sum + window.mapped, 0);
  notes.push(
    note(
      mapped > TYPE1_MAX_MAPPINGS ? "warning" : "info",
      `${formatCount(mapped)} mappings after the boot; on a host with a type1 IOMMU (TCG on another architecture) a container takes ${formatCount(TYPE1_MAX_MAPPINGS)}`,
      "VFIO-IOVA-1",
    ),
  );
  const entries = Math.max(...windows.map((window) => window.entries));
  const [least = 0, most = 0] = QEMU_MEASURED.plugNs.map((ns) => (ns * entries) / 1e9);
  if (most > SLOW_PLUG_SECONDS) {
    notes.push(
      note(
        "warning",
        `plugging a device while the guest runs replays its largest window of ${formatCount(entries)} entries, mapped or not: ${least.toFixed(0)} s to ${most.toFixed(0)} s in QEMU 11.1.3`,
        "QEMU-REPLAY-1",
      ),
    );
  }
  return notes;
}
