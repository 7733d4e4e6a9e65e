import { Machine } from "../spapr/machine.ts";
import { Hcall } from "../spapr/papr.ts";
import type { HostedMachineConfig } from "../vfio/hosted-machine.ts";
import { VfioListener } from "../vfio/listener.ts";
import { type OrderedMessage, StrictServer, VfioUserContainer } from "../vfio/vfio-user-container.ts";
import { LabMachine } from "./lab-machine.ts";
import type { ReportCheck, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

const LIOBN = 0x8000_0000;
const IOVA = 0x1_0000n;
const PAGE_A = 0x20_0000n;
const PAGE_B = 0x30_0000n;
/** Far beyond the guest's memory of 256 MiB. */
const OUTSIDE = 0x40_0000_0000n;

/** Guests may replace a TCE without clearing it first; the device must never stay on the old page. */
export const remap: Scenario = {
  name: "remap",
  summary:
    "a guest replaces live TCEs: where the device gets under each kind of container, and under QEMU 11.1",
  run: (context) => Promise.resolve(runRemap(context)),
};

/** Where a device gets, by reading and by writing; undefined where it faults. */
interface Access {
  readonly read: bigint | undefined;
  readonly write: bigint | undefined;
}

/** A guest with a device whose accesses can be looked at. */
interface Subject {
  readonly machine: Machine;
  access(): Access;
  after(operation: string): void;
  readonly lab: LabMachine | null;
}

/** One H_PUT_TCE to the same address, and what the device must get then. */
interface Step {
  readonly title: string;
  readonly tce: bigint;
  readonly wanted: Access;
}

const NOTHING: Access = { read: undefined, write: undefined };

const STEPS: readonly Step[] = [
  { title: "A, read and write", tce: PAGE_A | 3n, wanted: { read: PAGE_A, write: PAGE_A } },
  { title: "B instead of A", tce: PAGE_B | 3n, wanted: { read: PAGE_B, write: PAGE_B } },
  { title: "B, only to be read", tce: PAGE_B | 1n, wanted: { read: PAGE_B, write: undefined } },
  { title: "A, read and write", tce: PAGE_A | 3n, wanted: { read: PAGE_A, write: PAGE_A } },
  { title: "outside of memory", tce: OUTSIDE | 3n, wanted: NOTHING },
  { title: "cleared", tce: 0n, wanted: NOTHING },
];

interface Backend {
  readonly title: string;
  readonly make: (context: ScenarioContext) => Subject;
  /** Steps after which QEMU leaves the device on the page before, by number. */
  readonly stale: readonly number[];
}

const hosted = (title: string, config: HostedMachineConfig, stale: readonly number[] = []): Backend => ({
  title,
  make: (context) => makeHosted(context, title, config),
  stale,
});

const BACKENDS: readonly Backend[] = [
  hosted("spapr v2, TCG", { container: "spapr-v2" }),
  hosted("spapr v2, KVM", { container: "spapr-v2", accel: "kvm" }),
  hosted("spapr v1, TCG", { container: "spapr-v1" }),
  hosted("type1v2, TCG", { container: "type1v2" }),
  { title: "vfio-user, strict device", make: (context) => makeVfioUser(context.profile), stale: [] },
  hosted("spapr v2 as in QEMU 11.1", { container: "spapr-v2", profile: "qemu-11.1" }, [4]),
  {
    title: "vfio-user, strict device, as in QEMU 11.1",
    make: () => makeVfioUser("qemu-11.1"),
    // After the fourth step the page that it never left is the right one again.
    stale: [1, 2, 4],
  },
];

interface StepResult {
  readonly step: Step;
  /** What the guest was answered. */
  readonly status: number;
  readonly access: Access;
  /** Is that what the device must get? */
  readonly right: boolean;
}

interface Run {
  readonly backend: Backend;
  readonly subject: Subject;
  readonly results: readonly StepResult[];
}

function runRemap(context: ScenarioContext): ScenarioReport {
  const runs = BACKENDS.map((backend) => runBackend(context, backend));
  return {
    scenario: "remap",
    title: "A guest replaces TCEs that are in use",
    story: [
      "Linux clears a TCE before it uses it again, but nothing in PAPR demands that. What happens when a guest puts another page over a live one depends on who is behind the table.",
      "The kernel's sPAPR containers replace an entry. A type1 container refuses a mapping that overlaps another one (EEXIST), and so does a vfio-user device that is built with libvfio-user (EINVAL). QEMU prints a message then and goes on; the guest reads H_SUCCESS, and the device stays on the old page: it may read and write memory that the guest has put to other use.",
      "Here the old mapping goes first, then the new one is made. Where the new page cannot be mapped at all, as it is no memory, the device gets nothing.",
    ],
    tables: [
      {
        title: `Where the device gets at bus address 0x${IOVA.toString(16)} after each H_PUT_TCE (A is guest page 0x${PAGE_A.toString(16)}, B 0x${PAGE_B.toString(16)}); * is a wrong page`,
        columns: ["container", ...STEPS.map(({ title }) => title)],
        rows: runs.map(({ backend, results }) => [
          backend.title,
          ...results.map(({ access, right }) => `${show(access)}${right ? "" : " *"}`),
        ]),
      },
    ],
    notes: [
      "The last two rows imitate QEMU 11.1 (profile qemu-11.1), as recorded with a strict vfio-user server; they show the mistakes on purpose.",
      `The guest was answered ${[...new Set(runs.flatMap(({ results }) => results.map(({ status }) => (status === 0 ? "H_SUCCESS" : String(status)))))].join(" or ")}, also where the device was left on a wrong page: H_PUT_TCE has no way to report that.`,
    ],
    checks: runs.flatMap(checksOf),
    data: {
      runs: runs.map(({ backend, results }) => ({
        container: backend.title,
        steps: results.map(({ step, status, access: { read, write }, right }) => ({
          step: step.title,
          status,
          read: read ?? null,
          write: write ?? null,
          right,
        })),
      })),
    },
  };
}

function runBackend(context: ScenarioContext, backend: Backend): Run {
  const subject = backend.make(context);
  let wanted = NOTHING;
  const results = STEPS.map((step): StepResult => {
    const { status } = subject.machine.call(Hcall.PUT_TCE, LIOBN, IOVA, step.tce);
    subject.after(`H_PUT_TCE: ${step.title}`);
    // A call that is refused changes nothing.
    if (status === 0) wanted = step.wanted;
    const access = subject.access();
    return { step, status, access, right: access.read === wanted.read && access.write === wanted.write };
  });
  return { backend, subject, results };
}

function makeHosted(context: ScenarioContext, title: string, config: HostedMachineConfig): Subject {
  const lab = new LabMachine(context, title, config);
  const device = lab.plug(0);
  const { hosted: machineOnHost } = lab;
  return {
    machine: machineOnHost.machine,
    access: () => ({
      read: machineOnHost.reach(device, IOVA, false),
      write: machineOnHost.reach(device, IOVA, true),
    }),
    after: (operation) => lab.after(operation),
    lab,
  };
}

/** A vfio-user device has no kernel behind it: what it accepted is what it uses. */
function makeVfioUser(profile: string | undefined): Subject {
  const machine = new Machine(profile === undefined ? {} : { profile });
  let mapped: Access = NOTHING;
  const record = ({ message, page }: OrderedMessage): void => {
    if (page !== IOVA || message.errno !== undefined) return;
    if (message.msg === "DMA_UNMAP") mapped = NOTHING;
    else {
      const target = BigInt(message.offset!);
      mapped = { read: target, write: message.prot === 3 ? target : undefined };
    }
  };
  const { vfioRefusedMapStays } = machine.profile;
  const container = new VfioUserContainer("device", new StrictServer(), vfioRefusedMapStays, record);
  const { systemMemory, profile: quirks } = machine;
  machine.memory.register(new VfioListener({ container, systemMemory, quirks }), machine.phb(0).addressSpace);
  return { machine, access: () => mapped, after: () => {}, lab: null };
}

function checksOf({ backend, subject, results }: Run): ReportCheck[] {
  const wrong = results.filter(({ right }) => !right);
  const asQemu = backend.stale.length > 0;
  const checks: ReportCheck[] = [
    {
      name: asQemu
        ? `${backend.title}: the device is on a wrong page after exactly the recorded steps`
        : `${backend.title}: the device is never on a wrong page`,
      ok: wrong.map(({ step }) => STEPS.indexOf(step)).join() === backend.stale.join(),
      detail: wrong.length === 0 ? "never" : `after ${wrong.map(({ step }) => step.title).join("; ")}`,
    },
  ];
  const coherence = subject.lab?.coherenceChecks() ?? [];
  if (!asQemu) return [...checks, ...coherence];
  // The mistakes are on purpose: the checker has to find them.
  const found = coherence.map(({ detail }) => ({
    name: `${backend.title}: the coherence check finds the stale page`,
    ok: subject.lab?.incoherence?.kind === "stale",
    detail,
  }));
  return [...checks, ...found];
}

function show({ read, write }: Access): string {
  if (read === undefined) return "nothing";
  const page = read === PAGE_A ? "A" : read === PAGE_B ? "B" : `0x${read.toString(16)}`;
  return `${page} ${write === undefined ? "r-" : "rw"}`;
}
