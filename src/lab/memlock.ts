import { formatSize } from "../base/units.ts";
import { Hcall } from "../spapr/papr.ts";
import { LabMachine } from "./lab-machine.ts";
import {
  configOf,
  createWindow,
  LIOBN,
  MACHINES,
  type Machine,
  MIB,
  nameOf,
  SMALL,
  V1_WINDOW,
  V2_DEFAULT_TABLE,
} from "./memlock-machines.ts";
import { TRIALS, trialCheck, trialTable, tryLimit } from "./memlock-trials.ts";
import type { ReportCheck, ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

/** Locked memory as users meet it: what is charged when, and what a limit that is too small says. */
export const memlock: Scenario = {
  name: "memlock",
  summary:
    "RLIMIT_MEMLOCK too small: what version 1 and 2 containers charge, when, and what users get to read",
  run: (context) => Promise.resolve(runMemlock(context)),
};

/** Bytes locked after each step. */
interface Account {
  readonly machine: Machine;
  readonly lab: LabMachine;
  readonly started: bigint;
  readonly plugged: bigint;
  readonly mapped: bigint;
  readonly created: bigint;
  readonly unplugged: bigint;
}

function runMemlock(context: ScenarioContext): ScenarioReport {
  const accounts = MACHINES.map((machine) => keepAccount(context, machine));
  const trials = TRIALS.map((trial) => tryLimit(context, trial));
  return {
    scenario: "memlock",
    title: "Locked memory: what a container charges, and what happens when the limit is too small",
    story: [
      "A device may get at guest memory at any moment, so the host must not swap it out: the kernel counts it as locked, against RLIMIT_MEMLOCK of QEMU's process. What exactly it counts depends on the version of the container.",
      `Version 1 pins page by page when the guest maps. Nobody can tell beforehand how much that will be, so VFIO_IOMMU_ENABLE charges the whole 32-bit window at once: ${formatSize(V1_WINDOW)}, even if the guest has ${formatSize(SMALL)}. The table of the window comes on top with the first MAP.`,
      "Version 2 registers all of the guest's memory once (VFIO_IOMMU_SPAPR_REGISTER_MEMORY), which charges its size; mapping is free then. Each window that is created charges for its table, twice 8 bytes an entry, all levels as if they were full: the second half keeps user addresses.",
      "KVM's in-kernel tables count as well, 8 bytes an entry, for each window of the guest and before any device is there.",
    ],
    tables: [accountTable(accounts), trialTable(trials)],
    notes: [
      'With version 2 real QEMU ends the first of its messages with "Operation not permitted" instead of the reason: it passes on the -1 of the system call (errno 1) instead of errno. We name the reason.',
      "QEMU has no way on when a window cannot be created while the guest runs; the same at the plug only fails the plug. So a limit should have room for all windows that the guest may ask for.",
      "Version 1 has no dynamic windows at all: a guest that creates one stops QEMU whatever the limit. Such a bridge needs ddw=off.",
    ],
    checks: [
      ...accounts.flatMap(accountChecks),
      ...trials.map(trialCheck),
      ...accounts.flatMap(({ lab }) => lab.coherenceChecks()),
    ],
    data: {
      accounts: accounts.map(({ lab: _lab, machine, ...bytes }) => ({ ...machine, ...bytes })),
      trials: trials.map(({ expected: _expected, machine, ...trial }) => ({ ...machine, ...trial })),
    },
  };
}

function keepAccount(context: ScenarioContext, machine: Machine): Account {
  const lab = new LabMachine(context, nameOf(machine), configOf(machine));
  const { hosted } = lab;
  const locked = (): bigint => BigInt(hosted.process.memory.lockedPages * hosted.process.memory.pageSize);
  const started = locked();
  const device = lab.plug(0);
  const plugged = locked();
  hosted.machine.call(Hcall.PUT_TCE, LIOBN, 0x1_0000, 0x20_0003);
  lab.after("H_PUT_TCE");
  const mapped = locked();
  if (machine.ddw) createWindow(lab);
  lab.after("ibm,create-pe-dma-window");
  const created = locked();
  hosted.unplug(device);
  lab.after("unplug");
  return { machine, lab, started, plugged, mapped, created, unplugged: locked() };
}

function accountTable(accounts: readonly Account[]): ReportTable {
  return {
    title: "Locked memory of QEMU's process after each step (no limit)",
    columns: ["container", "start", "plug", "first H_PUT_TCE", "window of 2^12 pages", "unplug"],
    rows: accounts.map(({ machine, started, plugged, mapped, created, unplugged }) => [
      nameOf(machine),
      ...[started, plugged, mapped, machine.ddw ? created : null, unplugged].map((bytes) =>
        bytes === null ? "not possible" : formatSize(bytes),
      ),
    ]),
  };
}

function accountChecks({ machine, started, plugged, mapped, unplugged }: Account): ReportCheck[] {
  const isV1 = machine.container === "spapr-v1";
  const charged = plugged - started;
  const wanted = isV1 ? V1_WINDOW : machine.ramSize + V2_DEFAULT_TABLE;
  return [
    {
      name: `${nameOf(machine)}: the plug charges ${isV1 ? "the window, whatever the guest has" : "the guest's memory and the table"}`,
      ok: charged === wanted,
      detail: `${formatSize(charged)}, expected ${formatSize(wanted)}`,
    },
    {
      name: `${nameOf(machine)}: the first mapping charges ${isV1 ? "the table" : "nothing"}`,
      ok: isV1 === mapped > plugged,
      detail: formatSize(mapped - plugged),
    },
    {
      name: `${nameOf(machine)}: nothing of the container stays charged`,
      // What stays under KVM are the tables of the guest's windows.
      ok: machine.accel === "kvm" ? unplugged < MIB * 4n : unplugged === started,
      detail: `${formatSize(unplugged)} locked at the end`,
    },
  ];
}
