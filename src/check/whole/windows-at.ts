import { IommuError } from "../../base/errors.ts";
import { isLoggedDump, readDmaDump } from "../../formats/dma-dump/dma-dump.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, type OpenedInput, openInput } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import { readTrace } from "../../formats/recording/read-trace.ts";
import { readSavedMachine, type SavedContainer } from "../../formats/saved/saved-machine.ts";
import { DMA_LOST } from "../../formats/trace/dma-kinds.ts";
import { losesEvents, type TraceFormat, type TraceHandlers } from "../../formats/trace/trace-reader.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { DEFAULT_CHECK_OPTIONS } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingKind } from "../findings/kinds.ts";
import { AliveWatch, type SpaceState, spacesOf } from "../lives/alive.ts";
import { tellDumpedLives } from "../lives/dumped-lives.ts";
import { LinuxLives } from "../lives/linux-lives.ts";
import { TableLives } from "../lives/table-lives.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import { callOfStep, scriptSteps } from "../script-spaces.ts";
import { type Moment, MomentCursor, type ShownMoment, type TimedEvent } from "../state/moment.ts";
import { ownStateOf, savedStateOf, stateOf, type WindowState } from "../state/window-state.ts";
import { TraceCheck } from "../trace-check.ts";
import { HEAD_BYTES, isScriptHead } from "./input-kind.ts";
import {
  choiceOf,
  nameOf,
  type ReadInputOptions,
  tellGap,
  tellLoss,
  toldOnce,
  traceOptions,
  type WindowsOptions,
} from "./input-options.ts";

/**
 * What else there is to {@link windowsAt}.
 *
 * @public
 */
export interface WindowsAtOptions extends ReadInputOptions, WindowsOptions {
  /** The input is an op script. Default: if it begins with `{"header"`. */
  readonly isScript?: boolean | undefined;
  /** Judge a trace as well, and say of its end which windows and devices fill up ({@link RecordedState.filling}). */
  readonly judgeFilling?: boolean | undefined;
}

/**
 * The DMA windows at a moment of a trace of QEMU, of the run of an op script, or of a saved machine.
 *
 * @param input its text or its bytes, packed or not; see {@link InputData}
 * @param moment the event at it has happened; undefined for the end
 * @returns the windows by LIOBN, with their entries and how sure these are; also windows of a saved machine that are not
 * there, which have no entries
 * @throws IommuError UNSUPPORTED for a recording without windows, or no trace at all; BAD_ARGUMENT for a time if the
 * trace has none, and for a moment of a saved machine; BAD_FILE for a broken saved machine
 * @public
 */
export async function windowsAt(
  input: InputData,
  moment?: Moment,
  options: WindowsAtOptions = {},
): Promise<WindowState[]> {
  const [states] = await windowsAtMoments(input, [moment], options);
  return states!;
}

/**
 * The same at several moments, for which a trace is read once.
 *
 * @returns the windows, in the order of the moments
 * @throws IommuError as {@link windowsAt} does
 * @public
 */
export async function windowsAtMoments(
  input: InputData,
  moments: readonly Moment[],
  options: WindowsAtOptions = {},
): Promise<WindowState[][]> {
  const states = await statesAtMoments(input, moments, options);
  if (states.some(({ format }) => hasNoWindows(format))) {
    const what = "the recording shows mappings, not windows";
    throw new IommuError("UNSUPPORTED", `${nameOf(options)}: ${what}`);
  }
  return states.map(({ windows }) => [...windows]);
}

/**
 * What is mapped at a moment of an input.
 *
 * @public
 */
export interface RecordedState {
  readonly format: TraceFormat | "op-script" | "kernel-script" | "migration-stream" | "dma-api-dump";
  /** Undefined for a saved machine and a dump of mappings: these are moments. */
  readonly moment: ShownMoment | undefined;
  /** The DMA windows by LIOBN; none of a recording or dump of Linux or of a host kernel. */
  readonly windows: readonly WindowState[];
  /** Of a recording or dump of Linux the mappings of each device, of a kernel script those of each container and guest table. */
  readonly spaces: readonly SpaceState[];
  /**
   * Findings that say that addresses run out: never unmapped, full, fragmented. Undefined where nobody asked for them,
   * and of other moments than the end of a trace.
   */
  readonly filling?: readonly Finding[] | undefined;
  /** Of a saved machine: what it is saved in. */
  readonly saved?: SavedSource | undefined;
}

/**
 * Where a saved machine comes from.
 *
 * @public
 */
export interface SavedSource extends SavedContainer {
  /** Machine type; null for one that is too old to say it, or was told not to. */
  readonly machine: string | null;
}

const FILLING: readonly FindingKind[] = ["never-unmapped", "window-full", "fragmented"];

/** Does an input of a format tell of mappings only, and not of the windows that they lie in? */
export const hasNoWindows = (format: RecordedState["format"]): boolean =>
  format === "linux-dma" || format === "kernel-script" || format === "dma-api-dump";

/**
 * The state at several moments of a trace of QEMU, a recording of Linux, an op script or a kernel script, or of a saved
 * machine or a dump of Linux' mappings (`/sys/kernel/debug/dma-api/dump`).
 *
 * @returns the states, in the order of the moments
 * @throws IommuError UNSUPPORTED if the input is nothing of that kind; BAD_ARGUMENT for a moment that is not in it;
 * BAD_FILE for a script with a mistake or a broken saved machine
 * @public
 */
export async function statesAtMoments(
  input: InputData,
  moments: readonly Moment[],
  options: WindowsAtOptions = {},
): Promise<RecordedState[]> {
  const name = nameOf(options);
  const opened = await openInput(input, name, HEAD_BYTES);
  try {
    if (opened.savedAt !== undefined) return await savedStates(opened, moments, options);
    if (isLoggedDump(opened.head)) return dumpedStates(await textOf(opened.chunks, name), moments, name);
    if (options.isScript ?? isScriptHead(opened.head))
      return scriptStates(await textOf(opened.chunks, name), moments, name);
    return await traceStates(opened, moments, options);
  } finally {
    await opened.chunks.return(undefined);
  }
}

async function savedStates(
  opened: OpenedInput,
  moments: readonly Moment[],
  options: WindowsAtOptions,
): Promise<RecordedState[]> {
  const name = nameOf(options);
  refuseMoments(moments, name, "a saved machine");
  const { stream, container } = await named(name, readSavedMachine(opened, choiceOf(options)));
  const windows = stream.windows.map(savedStateOf).sort((a, b) => a.liobn - b.liobn);
  const remarks = [...container.remarks, ...stream.remarks.map(({ message }) => message)];
  const saved: SavedSource = { ...container, machine: stream.machine, remarks };
  return moments.map(() => ({ format: "migration-stream", moment: undefined, windows, spaces: [], saved }));
}

function dumpedStates(text: string, moments: readonly Moment[], name: string): RecordedState[] {
  const { mappings } = readDmaDump(text);
  refuseMoments(moments, name, "a dump of mappings");
  const alive = new AliveWatch();
  tellDumpedLives(mappings, alive);
  const spaces = spacesOf(alive.found);
  return moments.map(() => ({ format: "dma-api-dump", moment: undefined, windows: [], spaces }));
}

/** @throws IommuError BAD_ARGUMENT if a snapshot is asked for a moment */
function refuseMoments(moments: readonly Moment[], name: string, what: string): void {
  if (moments.some((moment) => moment !== undefined))
    throw new IommuError("BAD_ARGUMENT", `${name}: ${what} has no other moments`);
}

type Taken = Omit<RecordedState, "moment">;

/** Takes what is asked for at each moment, when it goes by. */
class Moments {
  readonly #cursors: readonly MomentCursor[];
  readonly #taken: (Taken | undefined)[];
  /** No moment is behind what was read: nearly always. */
  #left: number;

  constructor(moments: readonly Moment[], name: string) {
    this.#cursors = moments.map((moment) => new MomentCursor(moment, name));
    this.#taken = moments.map(() => undefined);
    this.#left = moments.length;
  }

  /** To be called before an event. `take` is called if a moment went by. */
  next(event: TimedEvent, line: number, take: () => Taken): void {
    this.#cursors.forEach((cursor, i) => {
      if (!cursor.passes(event, line) || this.#taken[i] !== undefined) return;
      this.#taken[i] = take();
      this.#left--;
    });
  }

  end(take: () => Taken): RecordedState[] {
    const rest = this.#left === 0 ? undefined : take();
    return this.#cursors.map((cursor, i) => ({ moment: cursor.shown(), ...(this.#taken[i] ?? rest!) }));
  }
}

function scriptStates(text: string, moments: readonly Moment[], name: string): RecordedState[] {
  const kept = new Moments(moments, name);
  const alive = new AliveWatch();
  const lives = new TableLives(alive);
  let windows: readonly WindowState[] = [];
  let isKernel = false;
  const take = (): Taken => {
    alive.reached();
    return isKernel
      ? { format: "kernel-script", windows, spaces: spacesOf(alive.found) }
      : { format: "op-script", windows, spaces: [] };
  };
  for (const step of scriptSteps(text, name)) {
    kept.next({ number: step.number, seconds: Number.NaN, nanoseconds: 0 }, step.line, take);
    isKernel = step.isKernel;
    if (isKernel) lives.update(step.tables(), callOfStep(step));
    else windows = step.windows().map(ownStateOf);
  }
  return kept.end(take);
}

async function traceStates(
  opened: OpenedInput,
  moments: readonly Moment[],
  options: WindowsAtOptions,
): Promise<RecordedState[]> {
  const name = nameOf(options);
  const rebuild = new Rebuild(undefined, null, options.windows);
  const kept = new Moments(moments, name);
  const alive = new AliveWatch();
  const told = toldOnce(options);
  let linux: LinuxLives | undefined;
  const windows = (): WindowState[] =>
    [...rebuild.windows.values()].map(stateOf).sort((a, b) => a.liobn - b.liobn);
  const taken = (): Taken => {
    alive.reached();
    return { format: source.format!, windows: windows(), spaces: spacesOf(alive.found) };
  };
  const handlers: TraceHandlers = {
    qemu: (event) => {
      kept.next(event, event.position, () => {
        rebuild.settle(event);
        return taken();
      });
      rebuild.handle(event);
    },
    linux: (event, names) => {
      linux ??= new LinuxLives(alive, names);
      tellLoss(told, event);
      if (event.kind !== DMA_LOST) kept.next(event, event.line, taken);
      linux.handle(event);
    },
    gap: (gap) => {
      tellGap(told, gap);
      if (losesEvents(gap)) rebuild.lose();
    },
  };
  const check =
    options.judgeFilling === true
      ? new TraceCheck(name, DEFAULT_CHECK_OPTIONS, { windows: options.windows, also: handlers })
      : undefined;
  const source: TraceSource = check?.source ?? new TraceSource(name, handlers);
  await readTrace(opened, source, traceOptions(told));
  const report = check?.end();
  if (report === undefined) source.end();
  rebuild.end();
  const states = kept.end(taken);
  if (report === undefined) return states;
  const filling = report.findings.filter(({ kind }) => FILLING.includes(kind));
  return states.map((state) => (state.moment?.isEnd === true ? { ...state, filling } : state));
}
