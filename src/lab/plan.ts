import { forecastMigration, forecastToJson, type WindowForecast } from "../check/forecast/forecast.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import type { Refusal, RuleId } from "../spapr/observer.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import { HostedMachine } from "../vfio/hosted-machine.ts";
import { configOfDescription, LinuxMachine } from "./linux-machine.ts";
import type { PlanNote } from "./plan-note.ts";
import {
  note,
  notesOfDrivers,
  notesOfHost,
  notesOfRefusals,
  notesOfTables,
  notesOfWindows,
} from "./plan-notes.ts";
import {
  type PlannedTable,
  type PlannedWindow,
  plannedTables,
  plannedWindows,
  plannedWindowToJson,
} from "./planned-windows.ts";

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
  migration: migration.map(forecastToJson),
});

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
      ...notesOfDrivers(model.assumed),
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
    .map(({ index }) => ({
      model: "vfio-pci",
      id: undefined,
      bridge: index,
      bus: 0,
      slot: 0,
      functionNumber: 0,
    }));
  return { ...description, pciDevices: [...pciDevices, ...added], modules: undefined, steps: [] };
}
