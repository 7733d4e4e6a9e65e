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
  V1_TABLE,
  V1_WINDOW,
  V2_DEFAULT_TABLE,
} from "./memlock-machines.ts";
import type { ReportCheck, ReportTable, ScenarioContext } from "./scenario.ts";

/** A limit, and what comes of it. */
export interface Trial {
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

/** What users read; the parts that matter. */
export const TRIALS: readonly Pick<Trial, "machine" | "limit" | "why" | "expected">[] = [
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

/** Plugs a device, maps and creates a window under a limit. */
export function tryLimit(context: ScenarioContext, trial: (typeof TRIALS)[number]): Trial {
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

export function trialTable(trials: readonly Trial[]): ReportTable {
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

export function trialCheck({
  machine,
  limit,
  why,
  plug,
  firstPut,
  create,
  reached,
  expected,
}: Trial): ReportCheck {
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
