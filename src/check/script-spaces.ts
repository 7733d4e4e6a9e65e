import { hex } from "../base/u64.ts";
import { type JsonLine, parseJsonLines, placed } from "../formats/json-lines.ts";
import { readKernelScript } from "../formats/kernel-script/parse.ts";
import { readOpScript } from "../formats/op-script/script.ts";
import type { Program } from "../script/kernel/program.ts";
import { runKernelScript } from "../script/kernel/run.ts";
import { OpRunner } from "../script/op/run.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import type { Machine } from "../spapr/machine.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import type { LifeCall } from "./lives/life.ts";
import type { SpaceTable } from "./lives/table-lives.ts";

type Translation = Extract<TraceEvent, { name: "spapr_iommu_xlate" }>;

/** A script between two operations. */
export interface ScriptStep {
  /** Operations before this one. */
  readonly number: number;
  readonly line: number;
  /** Name of the operation. */
  readonly op: string;
  /** Is it one of a host kernel's, and not of a machine's? */
  readonly isKernel: boolean;
  /** Looks at the tables that there are after it. */
  readonly tables: () => SpaceTable[];
  /** Windows that there are after it; none of a kernel script. */
  readonly windows: () => DmaWindow[];
  /** Translations that it made. */
  readonly translations: readonly Translation[];
  /** Did what was called refuse it? */
  readonly isRefused: boolean;
  /** The window that it names; undefined if it names none. */
  readonly space: string | undefined;
}

/** Does a result say that the call was refused? Hypercalls, RTAS and system calls say so by a number below 0. */
const isRefusal = ({ ret, hret, status }: Readonly<Record<string, unknown>>): boolean =>
  [ret, hret, status].some((answer) => typeof answer === "number" && answer < 0);

const spaceOf = ({ liobn }: Readonly<Record<string, unknown>>): string | undefined =>
  typeof liobn === "bigint" ? hex(liobn) : undefined;

/** The step as a call. Scripts have no times. */
export const callOfStep = ({ number, line, op }: ScriptStep): LifeCall => ({
  name: op,
  event: number,
  line,
  seconds: Number.NaN,
  nanoseconds: 0,
  cpu: undefined,
  pid: undefined,
  task: undefined,
});

/**
 * Runs an op script or a kernel script and stops after each operation, so that one can look at the tables.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake; LIMIT_EXCEEDED
 */
export function scriptSteps(text: string, file: string): Generator<ScriptStep> {
  const lines = parseJsonLines(text, file);
  const header = lines[0]?.value.header;
  return typeof header === "object" && header !== null ? kernelSteps(lines, file) : opSteps(lines, file);
}

function* opSteps(lines: readonly JsonLine[], file: string): Generator<ScriptStep> {
  const script = readOpScript(lines, file);
  const runner = new OpRunner(script.config, script.vfioUser);
  const { machine } = runner;
  let number = 0;
  for (const { line, operation } of script.lines) {
    const translations: Translation[] = [];
    machine.observer.trace = (event) => {
      if (event.name === "spapr_iommu_xlate") translations.push(event);
    };
    const result = placed(line.file, line.number, () => runner.run(operation));
    const windows = (): DmaWindow[] => windowsOf(machine);
    const tables = (): SpaceTable[] => windows().map(windowTable);
    yield {
      number: number++,
      line: line.number,
      op: operation.op,
      isKernel: false,
      tables,
      windows,
      translations,
      isRefused: isRefusal(result),
      space: spaceOf(operation as unknown as Readonly<Record<string, unknown>>),
    };
  }
}

/** The windows that are there, by LIOBN. */
export const windowsOf = (machine: Machine): DmaWindow[] =>
  [
    ...machine.phbs.flatMap((phb) => phb.windows),
    ...machine.vio.devices.flatMap(({ window }) => window ?? []),
  ]
    .filter(({ table }) => table !== null)
    .sort((a, b) => a.liobn - b.liobn);

const windowTable = ({ liobn, busOffset, pageShift, table }: DmaWindow): SpaceTable => ({
  space: hex(liobn),
  start: busOffset,
  pageShift,
  view: table!.snapshot(),
  identity: table,
});

function* kernelSteps(lines: readonly JsonLine[], file: string): Generator<ScriptStep> {
  const script = readKernelScript(lines, file);
  let program: Program | undefined;
  let at = 0;
  const onStart = (started: Program): void => {
    program = started;
  };
  for (const { op, ret } of runKernelScript(script, { onStart })) {
    const { line, args } = script.lines[at]!;
    const tables = (): SpaceTable[] => programTables(program!);
    yield {
      number: at++,
      line,
      op,
      isKernel: true,
      tables,
      windows: () => [],
      translations: [],
      isRefused: isRefusal({ ret }),
      space: spaceOf(args),
    };
  }
}

/** Tables of the host, as devices see them, and those of a guest. */
function programTables(program: Program): SpaceTable[] {
  const ofContainers = program.containers.flatMap((_, slot) =>
    (program.container(BigInt(slot))?.iommu?.tables ?? []).map((table) => ({
      space: `container ${slot}`,
      start: table.start,
      pageShift: table.pageShift,
      view: table.entries.snapshot(),
      identity: table,
    })),
  );
  const ofGuest = program.tables.flatMap((_, slot): SpaceTable[] => {
    const table = program.table(BigInt(slot));
    if (table === undefined) return [];
    const { shape, start, entries } = table;
    const { pageShift, liobn } = shape;
    return [{ space: hex(liobn), start, pageShift, view: entries.snapshot(), identity: table }];
  });
  return [...ofContainers, ...ofGuest];
}
