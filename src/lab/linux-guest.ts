import { IommuError } from "../base/errors.ts";
import { hex, hex64 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import { TraceSource } from "../formats/trace/trace-source.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import { LinuxMachine } from "./linux-machine.ts";
import type { ReportCheck, ReportTable, Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";
import { SetUpComparison } from "./set-up-comparison.ts";

/** Lines of the kernel's log that a report shows. */
const MAX_LOG = 40;

/** Linux boots on a described machine and sets up its windows; every call is compared with a recorded boot. */
export const linuxGuest: Scenario = {
  name: "linux-guest",
  summary:
    "Linux sets up the DMA windows of a machine of yours (--machine FILE), compared with its trace (--against FILE)",
  run: runLinuxGuest,
};

async function runLinuxGuest(context: ScenarioContext): Promise<ScenarioReport> {
  const { machine, against = false, kernel } = context;
  if (machine === undefined)
    throw new IommuError("BAD_ARGUMENT", "linux-guest needs a description of a machine");
  const { name, description } = machine;
  const events: TraceEvent[] = [];
  const log: string[] = [];
  const model = new LinuxMachine(description, {
    trace: (event) => events.push(event),
    log: (line) => log.push(line),
    kernel,
  });
  model.run();
  const comparison = against ? await compare(context, events, model) : undefined;
  const counts = new Map<string, number>();
  for (const { name: event } of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  const windows = windowRows(model);
  return {
    scenario: "linux-guest",
    title: `${model.kernel.name} sets up the windows of ${name}`,
    story: [
      `A machine with ${formatSize(description.ramBytes)} of memory${plugText(description)}, ${plural(description.bridges.length, "host bridge")}, ${plural(description.pciDevices.length, "PCI device")} and ${plural(description.vioDevices.length, "VIO device")} boots ${model.kernel.name}; the drivers of its devices say what these can address, and Linux asks for the windows that they need. Each call is made on a machine of ours.`,
      ...(comparison === undefined ? [] : [comparisonText(comparison, context.trace.name)]),
    ],
    tables: [
      {
        title: "Windows at the end",
        columns: ["LIOBN", "bus address", "size", "page", "entries in use"],
        rows: windows,
      },
      {
        title: "Calls of the guest",
        columns: ["event", "number"],
        rows: [...counts].map(([event, count]) => [event, formatCount(count)]),
      },
      ...(log.length === 0 ? [] : [{ title: "What the kernel says", columns: ["line"], rows: logRows(log) }]),
      ...(comparison?.difference === undefined ? [] : [differenceTable(comparison)]),
    ],
    notes: [...description.remarks, ...model.notFollowed],
    checks: comparison === undefined ? [] : [comparisonCheck(comparison)],
    data: {
      machine: description,
      kernel: model.kernel.name,
      calls: Object.fromEntries(counts),
      log,
      windows: windows.map(([liobn, busOffset, size, page, used]) => ({
        liobn,
        busOffset,
        size,
        page,
        used,
      })),
      notFollowed: model.notFollowed,
      ...(comparison === undefined
        ? {}
        : {
            compared: comparison.compared,
            expected: comparison.expected,
            leftOut: comparison.leftOut,
            notCompared: comparison.notCompared,
            difference: comparison.difference,
          }),
    },
  };
}

async function compare(
  { trace }: ScenarioContext,
  events: readonly TraceEvent[],
  model: LinuxMachine,
): Promise<SetUpComparison> {
  const comparison = new SetUpComparison(events, model.notFollowed.length > 0);
  const gap = (): void => {
    throw new IommuError(
      "UNSUPPORTED",
      `${trace.name}: events are missing, so calls cannot be compared in their order`,
    );
  };
  const source = new TraceSource(trace.name, {
    qemu: (event) => comparison.handle(event),
    linux: () => {},
    gap,
  });
  for await (const chunk of trace.open()) source.push(chunk);
  source.end();
  if (source.format === "linux-dma")
    throw new IommuError(
      "UNSUPPORTED",
      `${trace.name}: a recording of Linux; what is compared is a trace of QEMU's`,
    );
  comparison.end();
  return comparison;
}

function windowRows({ machine }: LinuxMachine): string[][] {
  const windows = [
    ...machine.phbs.flatMap((phb) => phb.windows),
    ...machine.vio.devices.flatMap(({ window }) => (window === null ? [] : [window])),
  ];
  return windows
    .filter(({ enabled }) => enabled)
    .map((window) => [
      hex(window.liobn),
      hex64(window.busOffset),
      formatSize(window.sizeBytes),
      formatSize(window.minPageSize()),
      formatCount(window.table?.validCount ?? 0),
    ]);
}

function logRows(log: readonly string[]): string[][] {
  const shown = log.slice(0, MAX_LOG).map((line) => [line]);
  return log.length > MAX_LOG ? [...shown, [`... and ${formatCount(log.length - MAX_LOG)} more`]] : shown;
}

function differenceTable({ difference }: SetUpComparison): ReportTable {
  const { before, model, recorded, line } = difference!;
  const at = line === undefined ? "recorded" : `recorded, line ${formatCount(line)}`;
  return {
    title: "The first difference, and the calls before it",
    columns: ["model", at],
    rows: [
      ...before.map((text) => [text, "the same"]),
      [model ?? "no more calls", recorded ?? "no more calls"],
    ],
  };
}

function comparisonText(comparison: SetUpComparison, name: string): string {
  const { compared, leftOut, notCompared } = comparison;
  const rest =
    notCompared === 0 ? "" : `, and ${formatCount(notCompared)} after the model's end were not compared`;
  return `${formatCount(compared)} calls for windows were compared with ${name}, in their order; ${formatCount(leftOut)} calls of drivers were left out${rest}.`;
}

function comparisonCheck(comparison: SetUpComparison): ReportCheck {
  const { compared, expected, difference, notCompared } = comparison;
  const none = compared === 0 ? "; does the recording begin with the boot?" : "";
  return {
    name: `Linux makes the recorded calls for its windows, and no others${notCompared === 0 ? "" : ", up to where the model stops"}`,
    ok: difference === undefined,
    detail:
      difference === undefined
        ? `${formatCount(compared)} calls`
        : `${formatCount(compared)} of the model's ${formatCount(expected)} calls agree, then they differ${none}`,
  };
}

const plural = (count: number, what: string): string =>
  `${formatCount(count)} ${what}${count === 1 ? "" : "s"}`;

const plugText = ({ ramBytes, maxRamBytes }: MachineDescription): string =>
  maxRamBytes > ramBytes ? ` (${formatSize(maxRamBytes)} with all that can be plugged)` : "";
