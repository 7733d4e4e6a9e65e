import { formatSize } from "../base/units.ts";
import { Hcall, pciLiobn } from "../spapr/papr.ts";
import { LINUX_6_1, LINUX_6_12 } from "../vfio/host/profile.ts";
import type { HostedMachineConfig } from "../vfio/hosted-machine.ts";
import type { PassedThroughDevice } from "../vfio/passed-through-device.ts";
import { LabMachine } from "./lab-machine.ts";
import type { ReportCheck, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

/** LIOBN of the default window of a bridge. */
const liobnOf = (phb: number): number => pciLiobn(phb, 0);
const PAGES = 8;
const iovaOf = (page: number): bigint => BigInt(page) * 0x2_0000n;
const targetOf = (page: number): bigint => 0x100_0000n + BigInt(page) * 0x3_0000n;

/** Two IOMMU groups: behind one bridge they share a container, behind two they do not. */
export const twoGroups: Scenario = {
  name: "two-groups",
  summary: "two IOMMU groups in one container and in two, and what happens to one when the other leaves",
  run: (context) => Promise.resolve(runTwoGroups(context)),
};

interface Layout {
  readonly title: string;
  readonly config: HostedMachineConfig;
  /** The bridge of the second group. */
  readonly secondPhb: number;
  /** The host's kernel takes all mappings of the container away when a group leaves. */
  readonly cleared: boolean;
}

const BRIDGES = { phbs: [{ index: 0 }, { index: 1 }] };

const LAYOUTS: readonly Layout[] = [
  { title: "one container, Linux 6.12, TCG", config: { kernel: LINUX_6_12 }, secondPhb: 0, cleared: true },
  {
    title: "one container, Linux 6.12, KVM",
    config: { kernel: LINUX_6_12, accel: "kvm" },
    secondPhb: 0,
    cleared: true,
  },
  { title: "one container, Linux 6.1, TCG", config: { kernel: LINUX_6_1 }, secondPhb: 0, cleared: false },
  { title: "two containers, Linux 6.12, TCG", config: { kernel: LINUX_6_12 }, secondPhb: 1, cleared: false },
  {
    title: "two containers, Linux 6.12, KVM",
    config: { kernel: LINUX_6_12, accel: "kvm" },
    secondPhb: 1,
    cleared: false,
  },
];

interface Run {
  readonly layout: Layout;
  readonly lab: LabMachine;
  readonly containers: number;
  readonly lockedWithOne: number;
  readonly lockedWithTwo: number;
  /** Pages that each device reaches while both are there. */
  readonly both: readonly [number, number];
  /** MAP requests that were needed when the first group left. */
  readonly mapsAtLeaving: number;
  /** Pages that the device that stays reaches then, and the one that left. */
  readonly stays: number;
  readonly left: number;
  /** The device that stays follows the guest's next change. */
  readonly follows: boolean;
}

function runTwoGroups(context: ScenarioContext): ScenarioReport {
  const runs = LAYOUTS.map((layout) => runLayout(context, layout));
  return {
    scenario: "two-groups",
    title: "Two IOMMU groups in one container, and in two",
    story: [
      "All devices behind a bridge of the guest share its DMA windows, so QEMU puts their groups into one container: each mapping is made once and serves all of them. A second bridge has windows of its own and gets a container of its own.",
      `Here two devices are plugged, the guest maps ${PAGES} pages for each bridge that has one, then the first device leaves.`,
      "The kernel of the recordings (Linux 6.12) clears every mapping of a container when one of its groups leaves; the windows stay. The device that stays would then fault on everything that the guest has mapped, so the mappings are replayed at once. Under KVM the tables were tied to the guest's for each group of its own: those of the group that stays must remain tied.",
    ],
    tables: [
      {
        title: "What the devices reach",
        columns: [
          "layout",
          "containers",
          "locked with one device",
          "with both",
          "pages that each reaches",
          "one leaves: map calls",
          "the other reaches",
        ],
        rows: runs.map((run) => [
          run.layout.title,
          String(run.containers),
          formatSize(run.lockedWithOne),
          formatSize(run.lockedWithTwo),
          run.both.join(" and "),
          String(run.mapsAtLeaving),
          `${run.stays} of ${PAGES}`,
        ]),
      },
    ],
    notes: [
      "Guest memory is registered by each container, but counts as locked once for the process; a second container adds its own tables only.",
      "QEMU does not tie the windows that exist for a group that joins later, so that under KVM the host's tables would stay behind when the first group leaves; here they are tied.",
    ],
    checks: runs.flatMap(checksOf),
    data: {
      pages: PAGES,
      runs: runs.map(({ lab: _lab, layout, ...run }) => ({ layout: layout.title, ...run })),
    },
  };
}

function runLayout(context: ScenarioContext, layout: Layout): Run {
  const lab = new LabMachine(context, layout.title, { ...BRIDGES, ...layout.config });
  const { hosted } = lab;
  const { machine } = hosted;
  const { memory } = hosted.process;
  const reached = (device: PassedThroughDevice): number =>
    Array.from({ length: PAGES }, (_, page) => page).filter(
      (page) => hosted.reach(device, iovaOf(page), true) === targetOf(page),
    ).length;

  const first = lab.plug(0);
  const lockedWithOne = memory.lockedPages * memory.pageSize;
  for (let page = 0; page < PAGES / 2; page++) put(lab, 0, page);
  const second = lab.plug(1, layout.secondPhb);
  const lockedWithTwo = memory.lockedPages * memory.pageSize;
  for (let page = PAGES / 2; page < PAGES; page++) put(lab, 0, page);
  if (layout.secondPhb !== 0) for (let page = 0; page < PAGES; page++) put(lab, 1, page);
  const both = [reached(first), reached(second)] as const;
  const containers = hosted.connections.length;

  const maps = lab.requests("map");
  hosted.unplug(first);
  lab.after("unplug group 0");
  const mapsAtLeaving = lab.requests("map") - maps;
  const stays = reached(second);
  const left = Array.from({ length: PAGES }, (_, page) =>
    hosted.host.groups[0]!.iommu.translate(iovaOf(page), 1),
  ).filter((address) => address !== null).length;
  machine.call(Hcall.PUT_TCE, liobnOf(layout.secondPhb), iovaOf(0), targetOf(PAGES) | 3n);
  lab.after("H_PUT_TCE over a live mapping");
  const follows = hosted.reach(second, iovaOf(0), true) === targetOf(PAGES);
  return { layout, lab, containers, lockedWithOne, lockedWithTwo, both, mapsAtLeaving, stays, left, follows };
}

function put(lab: LabMachine, phb: number, page: number): void {
  lab.hosted.machine.call(Hcall.PUT_TCE, liobnOf(phb), iovaOf(page), targetOf(page) | 3n);
  lab.after(`H_PUT_TCE of page ${page} for bridge ${phb}`);
}

function checksOf(run: Run): ReportCheck[] {
  const { layout, lab } = run;
  const mapsWanted = layout.cleared ? PAGES : 0;
  return [
    {
      name: `${layout.title}: both devices reach all pages of their bridge`,
      ok: run.both.every((pages) => pages === PAGES),
      detail: run.both.join(" and "),
    },
    {
      name: `${layout.title}: as many containers as bridges in use`,
      ok: run.containers === (layout.secondPhb === 0 ? 1 : 2),
      detail: String(run.containers),
    },
    {
      name: `${layout.title}: the device that stays keeps its mappings and follows the guest`,
      ok: run.stays === PAGES && run.follows && run.mapsAtLeaving === mapsWanted,
      detail: `${run.stays} of ${PAGES}, ${run.mapsAtLeaving} map calls, expected ${mapsWanted}`,
    },
    {
      name: `${layout.title}: the device that left reaches nothing`,
      ok: run.left === 0,
      detail: `${run.left} pages`,
    },
    ...lab.coherenceChecks(),
  ];
}
