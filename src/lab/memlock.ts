import { formatSize } from "../base/units.ts";
import { Hcall, RtasToken } from "../spapr/papr.ts";
import type { HostedMachineConfig } from "../vfio/hosted-machine.ts";
import { cells } from "./guest-calls.ts";
import { LabMachine } from "./lab-machine.ts";
import type { ReportCheck, ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

const MIB = 1n << 20n;
const GIB = 1n << 30n;
const LIOBN = 0x8000_0000;
/** The second window: 4096 pages of 64 KiB. */
const WINDOW = { pageShift: 16, shift: 28 };
/** The window of 32 bits that ENABLE of version 1 counts, whatever is mapped. */
const V1_WINDOW: bigint = 2n * GIB;
/** Its table: 2^19 entries of 4 KiB pages, twice 8 bytes each. */
const V1_TABLE: bigint = 8n * MIB;
/** Tables that version 2 charges for: the default window of 1 GiB in 4 KiB pages, twice 8 bytes an entry. */
const V2_DEFAULT_TABLE: bigint = 4n * MIB;

/** Locked memory as users meet it: what is charged when, and what a limit that is too small says. */
export const memlock: Scenario = {
  name: "memlock",
  summary:
    "RLIMIT_MEMLOCK too small: what version 1 and 2 containers charge, when, and what users get to read",
  run: (context) => Promise.resolve(runMemlock(context)),
};

interface Machine {
  readonly container: "spapr-v1" | "spapr-v2";
  readonly accel: "tcg" | "kvm";
  readonly ramSize: bigint;
  /** The bridge offers dynamic windows; a user of version 1 has to switch them off. */
  readonly ddw: boolean;
}

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

/** A limit, and what comes of it. */
interface Trial {
  readonly machine: Machine;
  readonly limit: bigint;
  readonly why: string;
  readonly plug: string;
  readonly firstPut: string;
  readonly reached: boolean;
  readonly create: string;
  readonly expected: { readonly plug?: string; readonly firstPut?: string; readonly create?: string };
}

/** Where a limit may show, in order. */
const STEPS = [
  { key: "plug", title: "the plug" },
  { key: "firstPut", title: "the first H_PUT_TCE" },
  { key: "create", title: "a new window" },
] as const;

const SMALL: bigint = 256n * MIB;

const MACHINES: readonly Machine[] = [
  { container: "spapr-v1", accel: "tcg", ramSize: SMALL, ddw: false },
  { container: "spapr-v1", accel: "tcg", ramSize: 4n * GIB, ddw: false },
  { container: "spapr-v2", accel: "tcg", ramSize: SMALL, ddw: true },
  { container: "spapr-v2", accel: "tcg", ramSize: 4n * GIB, ddw: true },
  { container: "spapr-v2", accel: "kvm", ramSize: SMALL, ddw: true },
];

/** What users read; the parts that matter. */
const TRIALS: readonly Pick<Trial, "machine" | "limit" | "why" | "expected">[] = [
  {
    machine: MACHINES[0]!,
    limit: 8n * MIB,
    why: "the default of Linux",
    expected: { plug: "failed to enable container: ENOMEM" },
  },
  {
    machine: MACHINES[0]!,
    limit: V1_WINDOW,
    why: "the window, but not its table",
    expected: { firstPut: "vfio_container_dma_map at 0x0000000000010000 = ENOMEM" },
  },
  {
    machine: MACHINES[0]!,
    limit: V1_WINDOW + V1_TABLE,
    why: "enough",
    expected: {},
  },
  {
    machine: { ...MACHINES[0]!, ddw: true },
    limit: V1_WINDOW + V1_TABLE,
    why: "enough, but dynamic windows are on",
    expected: {
      create:
        "Region tce-iommu-80000001: Container can't map guest IOVA region 0x800000000000000..0x80000000fffffff",
    },
  },
  {
    machine: MACHINES[2]!,
    limit: 8n * MIB,
    why: "the default of Linux",
    expected: {
      plug: "RAM memory listener initialization failed: Memory registering failed: 0x100000000000, 0x10000000 bytes: ENOMEM",
    },
  },
  {
    machine: MACHINES[2]!,
    limit: SMALL,
    why: "the guest's memory, but no table",
    expected: {
      plug: "memory listener initialization failed: Region tce-iommu-80000000: Failed to create SPAPR window: Failed to create a window, ret = -1 (ENOMEM)",
    },
  },
  {
    machine: MACHINES[2]!,
    limit: SMALL + V2_DEFAULT_TABLE,
    why: "memory and the first table, but not the next",
    expected: {
      create:
        "Region tce-iommu-80000001: Failed to create SPAPR window: Failed to create a window, ret = -1 (ENOMEM)",
    },
  },
  { machine: MACHINES[2]!, limit: SMALL + 8n * MIB, why: "enough for both windows", expected: {} },
];

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

const nameOf = ({ container, accel, ramSize }: Machine): string =>
  `v${container.at(-1)}, ${accel.toUpperCase()}, ${formatSize(ramSize)} guest`;

const configOf = ({ ddw, ...machine }: Machine): HostedMachineConfig => ({
  ...machine,
  phbs: [{ index: 0, ddw }],
});

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

function createWindow({ hosted }: LabMachine): number {
  const { machine } = hosted;
  const args = [0, ...cells(machine.phb(0).buid), WINDOW.pageShift, WINDOW.shift];
  return machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4)[0]!;
}

function tryLimit(context: ScenarioContext, trial: (typeof TRIALS)[number]): Trial {
  const lab = new LabMachine(context, nameOf(trial.machine), {
    ...configOf(trial.machine),
    lockLimit: trial.limit,
  });
  const { hosted } = lab;
  const plugged = hosted.plug(0);
  if (!plugged.ok) {
    return { ...trial, plug: plugged.error, firstPut: "-", reached: false, create: "-" };
  }
  const said = (): string => hosted.messages.splice(0).join("; ") || "ok";
  const plug = said();
  hosted.machine.call(Hcall.PUT_TCE, LIOBN, 0x1_0000, 0x20_0003);
  const firstPut = said();
  const reached = hosted.reach(plugged.device, 0x1_0000n, true) === 0x20_0000n;
  if (!trial.machine.ddw) return { ...trial, plug, firstPut, reached, create: "-" };
  createWindow(lab);
  const create = [said(), ...lab.fatal].join("; then ");
  return { ...trial, plug, firstPut, reached, create };
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

function trialTable(trials: readonly Trial[]): ReportTable {
  return {
    title: "Limits, and what QEMU says",
    columns: ["container", "RLIMIT_MEMLOCK", "fails at", "message"],
    rows: trials.map((trial) => {
      const { machine, limit, why } = trial;
      const failed = STEPS.find(({ key }) => trial[key] !== "ok" && trial[key] !== "-");
      const where = failed === undefined ? ["-", "works"] : [failed.title, trial[failed.key]];
      return [nameOf(machine), `${formatSize(limit)}: ${why}`, ...where];
    }),
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

function trialCheck({ machine, limit, why, plug, firstPut, create, reached, expected }: Trial): ReportCheck {
  const said = { plug, firstPut, create };
  const wrong = STEPS.filter(({ key }) => {
    const text = expected[key];
    return text === undefined ? said[key] !== "ok" && said[key] !== "-" : !said[key].startsWith(text);
  });
  const mapsUnless = expected.plug !== undefined || expected.firstPut !== undefined;
  return {
    name: `${nameOf(machine)}, limit ${formatSize(limit)} (${why}): ${Object.keys(expected).length === 0 ? "works" : "fails where and as it should"}`,
    ok: wrong.length === 0 && reached === !mapsUnless,
    detail:
      wrong.length === 0
        ? (expected.plug ?? expected.firstPut ?? expected.create ?? "works")
        : wrong.map(({ key, title }) => `${title}: ${said[key]}`).join("; "),
  };
}
