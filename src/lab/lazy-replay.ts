import { cells } from "../guest/guest-calls.ts";
import { Hcall, RtasToken } from "../spapr/papr.ts";
import type { HostedMachineConfig } from "../vfio/hosted-machine.ts";
import type { PassedThroughDevice } from "../vfio/passed-through-device.ts";
import { formatIncoherence, LabMachine } from "./lab-machine.ts";
import type { ReportCheck, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

const LIOBN = 0x8000_0000;
/** What the guest had mapped when the device came. */
const EARLY = { iova: 0x1_0000n, target: 0x20_0000n };
/** What it maps first, when the device is there. */
const LATE = { iova: 0x5_0000n, target: 0x30_0000n };
/** And in a window that it creates then. */
const NEW_WINDOW = { start: 1n << 59n, pageShift: 16, shift: 30, target: 0x40_0000n };

/** The idea that the seed change discarded: replay when the guest's first H_PUT_TCE is notified. */
export const lazyReplay: Scenario = {
  name: "lazy-replay",
  summary: "why the replay cannot wait for the first H_PUT_TCE: under KVM nobody in QEMU is notified of it",
  run: (context) => Promise.resolve(runLazyReplay(context)),
};

interface Variant {
  readonly accel: "tcg" | "kvm";
  readonly lazy: boolean;
  /** KVM without KVM_CAP_SPAPR_TCE_VFIO keeps tables in user space once VFIO needs them. */
  readonly ties?: boolean;
  /** Does the device get everything once the guest has made its first call? */
  readonly works: boolean;
}

const VARIANTS: readonly Variant[] = [
  { accel: "tcg", lazy: false, works: true },
  { accel: "tcg", lazy: true, works: true },
  { accel: "kvm", lazy: false, works: true },
  { accel: "kvm", lazy: true, works: false },
  { accel: "kvm", lazy: true, ties: false, works: true },
];

interface Run {
  readonly variant: Variant;
  readonly lab: LabMachine;
  /** Does the device get at EARLY once it is plugged, before the guest makes a call? */
  readonly early: boolean;
  /** And after the first H_PUT_TCE, which maps LATE. */
  readonly earlyAfterPut: boolean;
  readonly late: boolean;
  readonly servedBy: "qemu" | "kvm";
  readonly newWindowReplay: string;
  /** A page of a window that was created with the device attached. */
  readonly newWindow: boolean;
}

function runLazyReplay(context: ScenarioContext): ScenarioReport {
  const runs = VARIANTS.map((variant) => runVariant(context, variant));
  return {
    scenario: "lazy-replay",
    title: "Why the replay cannot wait for the guest's first H_PUT_TCE",
    story: [
      'Replaying a huge window takes long. An obvious idea: do not replay when the listener hears of a window, but when the guest first changes it. The author of the seed change considered it and chose a flag instead that is set only while a window is being created ("skipping_replay").',
      `Five machines go through the same. The guest has mapped page A (bus address 0x${EARLY.iova.toString(16)}); a device is plugged; the guest maps page B by H_PUT_TCE; then it creates a window and maps page C in it. After each step the device tries to get at the pages.`,
      "Under TCG QEMU handles H_PUT_TCE itself, tells its notifiers, and a lazy replay can happen there: page A arrives late, but it arrives. Under KVM the kernel handles the call. It updates the guest's table and the host's, and QEMU never learns of it: there is no moment at which it could replay. The device has page B and faults on page A, for ever.",
    ],
    tables: [
      {
        title: "What the device gets at",
        columns: [
          "machine",
          "replay",
          "A, after the plug",
          "H_PUT_TCE of B is served by",
          "A, after that call",
          "B",
          "C, in a new window",
        ],
        rows: runs.map((run) => [
          machineOf(run.variant),
          run.variant.lazy ? "lazy: at the first change" : "when the region appears",
          show(run.early),
          run.servedBy === "kvm" ? "the kernel" : "QEMU",
          show(run.earlyAfterPut),
          show(run.late),
          show(run.newWindow),
        ]),
      },
    ],
    notes: [
      `Page C works everywhere: a window that was just created is empty, so there is nothing to replay. With the flag its replay was "${runs[0]!.newWindowReplay}"; that is all that the seed change relies on.`,
      "A device that is plugged under TCG with a lazy replay faults until the guest happens to make a call. A driver that uses only what was mapped before would wait for ever, too.",
      "A host without KVM_CAP_SPAPR_TCE_VFIO cannot tie tables: QEMU takes them into user space when VFIO needs them, every call reaches it, and the lazy replay works, slowly.",
    ],
    checks: runs.flatMap(checksOf),
    data: { runs: runs.map(({ lab: _lab, variant, ...results }) => ({ ...variant, ...results })) },
  };
}

function runVariant(context: ScenarioContext, variant: Variant): Run {
  const config: HostedMachineConfig = {
    accel: variant.accel,
    lazyReplay: variant.lazy,
    kvmTiesTables: variant.ties ?? true,
  };
  const lab = new LabMachine(context, `${machineOf(variant)}, ${variant.lazy ? "lazy" : "at once"}`, config);
  const { hosted } = lab;
  const { machine } = hosted;
  const put = (liobn: number, iova: bigint, target: bigint): void => {
    machine.call(Hcall.PUT_TCE, liobn, iova, target | 3n);
    lab.after(`H_PUT_TCE at 0x${iova.toString(16)}`);
  };
  const gets = (device: PassedThroughDevice, { iova, target }: typeof EARLY): boolean =>
    hosted.reach(device, iova, true) === target;

  put(LIOBN, EARLY.iova, EARLY.target);
  const device = lab.plug(0);
  const early = gets(device, EARLY);
  put(LIOBN, LATE.iova, LATE.target);
  const { servedBy } = machine;
  const earlyAfterPut = gets(device, EARLY);
  const late = gets(device, LATE);

  const { start, pageShift, shift, target } = NEW_WINDOW;
  const args = [0, ...cells(machine.phb(0).buid), pageShift, shift];
  const [, liobn] = machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
  lab.after("ibm,create-pe-dma-window");
  const newWindowReplay = machine.env.liobns.find(0, liobn!)?.lastReplay?.strategy ?? "none";
  put(liobn!, start, target);
  const newWindow = gets(device, { iova: start, target });
  return { variant, lab, early, earlyAfterPut, late, servedBy, newWindowReplay, newWindow };
}

function checksOf(run: Run): ReportCheck[] {
  const { variant, lab } = run;
  const checks: ReportCheck[] = [
    {
      name: variant.works
        ? `${lab.title}: after the first H_PUT_TCE the device gets at all that is mapped`
        : `${lab.title}: the device gets at the new page and faults on the old one`,
      ok: run.earlyAfterPut === variant.works && run.late && run.newWindow,
      detail: `A ${show(run.earlyAfterPut)}, B ${show(run.late)}, C ${show(run.newWindow)}`,
    },
    {
      name: `${lab.title}: before that call, only a replay at once lets it get at what was mapped earlier`,
      ok: run.early === !variant.lazy,
      detail: `A ${show(run.early)}`,
    },
  ];
  if (!variant.lazy) return [...checks, ...lab.coherenceChecks()];
  // A lazy replay leaves the views apart: the checker has to find that, whenever it looks.
  return [
    ...checks,
    ...lab.coherenceChecks().map(() => ({
      name: `${lab.title}: the coherence check finds the page that was not replayed`,
      ok: lab.incoherence?.operation === "plug group 0" && lab.incoherence.iova === EARLY.iova,
      detail: lab.incoherence === undefined ? "no difference" : formatIncoherence(lab.incoherence),
    })),
  ];
}

const machineOf = ({ accel, ties }: Variant): string =>
  ties === false ? "KVM, tables not tied" : accel.toUpperCase();

const show = (reached: boolean): string => (reached ? "yes" : "FAULT");
