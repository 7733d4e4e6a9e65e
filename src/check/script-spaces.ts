import type { AddressRange } from "../base/range.ts";
import { hex } from "../base/u64.ts";
import { type JsonLine, parseJsonLines, placed } from "../formats/json-lines.ts";
import { readKernelScript } from "../formats/kernel-script/parse.ts";
import {
  isDeviceOperation,
  isDeviceScript,
  readDeviceScript,
} from "../formats/op-script/device-operation.ts";
import { type DeviceResult, type RecordedDma, readDeviceResult } from "../formats/op-script/device-result.ts";
import type { Operation } from "../formats/op-script/operation.ts";
import { readOpScript } from "../formats/op-script/script.ts";
import type { Program } from "../script/kernel/program.ts";
import { runKernelScript } from "../script/kernel/run.ts";
import { OpRunner } from "../script/op/run.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import type { Machine } from "../spapr/machine.ts";
import { isPciLiobn } from "../spapr/papr.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import type { LifeCall } from "./lives/life.ts";
import type { SpaceTable } from "./lives/table-lives.ts";

/** A DMA in a window, by bus addresses. */
export interface ScriptAccess extends AddressRange {
  /** The window; undefined where none is. */
  readonly space: string | undefined;
  readonly isRefused: boolean;
}

/** A script between two operations. */
export interface ScriptStep {
  /** Operations before this one. */
  readonly number: number;
  readonly line: number;
  /** Name of the operation. */
  readonly op: string;
  /** Is it one of a host kernel's, and not of a machine's? */
  readonly isKernel: boolean;
  /** Was the script run on a device? */
  readonly isOnDevice: boolean;
  /** Looks at the tables that there are after it. */
  readonly tables: () => SpaceTable[];
  /** Windows that there are after it; none of a kernel script. */
  readonly windows: () => DmaWindow[];
  /** DMA that it made, or that a device did meanwhile. */
  readonly accesses: readonly ScriptAccess[];
  /** What was found of a device that it was run on, as its recording says. */
  readonly findings: readonly string[];
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

/** Of a script that was run on a device the machine's part is run again; what the device did is what the recording says. */
function* opSteps(lines: readonly JsonLine[], file: string): Generator<ScriptStep> {
  const onDevice = isDeviceScript(lines);
  const script = onDevice ? { vfioUser: false, ...readDeviceScript(lines, file) } : readOpScript(lines, file);
  const runner = new OpRunner(script.config, script.vfioUser);
  const { machine } = runner;
  let number = 0;
  for (const { line, operation } of script.lines) {
    const translations: Translation[] = [];
    machine.observer.trace = (event) => {
      if (event.name === "spapr_iommu_xlate") translations.push(event);
    };
    const recorded = onDevice ? readDeviceResult(line) : NOT_ON_DEVICE;
    const result = isDeviceOperation(operation.op)
      ? {}
      : placed(line.file, line.number, () => runner.run(operation as Operation));
    const windows = (): DmaWindow[] => windowsOf(machine);
    const tables = (): SpaceTable[] => windows().map(windowTable);
    const accesses = [
      ...translations.flatMap((one) => translated(one, windows())),
      ...recorded.dma.map((one) => ofDevice(one, windows())),
    ];
    yield {
      number: number++,
      line: line.number,
      op: operation.op,
      isKernel: false,
      isOnDevice: onDevice,
      tables,
      windows,
      accesses,
      findings: recorded.findings,
      isRefused: recorded.isRefused || isRefusal(result),
      space:
        spaceOf(operation as unknown as Readonly<Record<string, unknown>>) ??
        accesses.find(({ space }) => space !== undefined)?.space,
    };
  }
}

/** The page that a translation was about; nothing if its window has gone. */
function translated({ liobn, ioba, perm, mask }: Translation, windows: readonly DmaWindow[]): ScriptAccess[] {
  const window = windows.find((one) => BigInt(one.liobn) === liobn);
  if (window === undefined) return [];
  const first = (window.busOffset + ioba) & ~BigInt(mask);
  return [{ space: hex(liobn), first, last: first | BigInt(mask), isRefused: perm === 0 }];
}

function ofDevice({ iova, bytes, isRefused }: RecordedDma, windows: readonly DmaWindow[]): ScriptAccess {
  const window = windows.find(
    ({ busOffset, sizeBytes, liobn }) =>
      isPciLiobn(liobn) && iova >= busOffset && iova - busOffset < sizeBytes,
  );
  const last = iova + BigInt(Math.max(bytes, 1)) - 1n;
  return { space: window && hex(window.liobn), first: iova, last, isRefused };
}

type Translation = Extract<TraceEvent, { name: "spapr_iommu_xlate" }>;

const NOT_ON_DEVICE: DeviceResult = { dma: [], findings: [], isRefused: false };

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
      isOnDevice: false,
      tables,
      windows: () => [],
      accesses: [],
      findings: [],
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
