import { IommuError } from "../../base/errors.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, openInput, pour } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { isMigrationStream } from "../../formats/migration/configuration.ts";
import { readMigration } from "../../formats/migration/reader.ts";
import type { ByteStream } from "../../formats/migration/source.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import { ScriptTrace } from "../script-trace.ts";
import { isPast, type Moment } from "../state/moment.ts";
import { savedStateOf, stateOf, type WindowState } from "../state/window-state.ts";
import { HEAD_BYTES, isScriptHead } from "./input-kind.ts";
import { nameOf, type ReadInputOptions, truncation } from "./input-options.ts";

/**
 * What else there is to {@link windowsAt}.
 *
 * @public
 */
export interface WindowsAtOptions extends ReadInputOptions {
  /** What is known of the windows of a trace that it does not tell of itself; see {@link knownWindows}. */
  readonly windows?: readonly ToldWindow[] | undefined;
  /** The input is an op script. Default: if it begins with `{"header"`. */
  readonly isScript?: boolean | undefined;
}

/**
 * The DMA windows at a moment of a trace of QEMU, of the run of an op script, or of a saved machine.
 *
 * @param input its text or its bytes, packed by gzip or not; see {@link InputData}
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
  const name = nameOf(options);
  const opened = await openInput(input, name, HEAD_BYTES);
  try {
    if (options.isScript ?? isScriptHead(opened.head))
      return scriptStates(await textOf(opened.chunks, name), moments, name);
    if (!isMigrationStream(opened.head)) return await traceStates(opened.chunks, moments, options);
    if (moments.some((moment) => moment !== undefined))
      throw new IommuError("BAD_ARGUMENT", `${name}: a saved machine has no other moments`);
    const { windows } = await named(name, readMigration(await opened.source()));
    const states = windows.map(savedStateOf).sort((a, b) => a.liobn - b.liobn);
    return moments.map(() => states);
  } finally {
    await opened.chunks.return(undefined);
  }
}

async function traceStates(
  chunks: ByteStream,
  moments: readonly Moment[],
  options: WindowsAtOptions,
): Promise<WindowState[][]> {
  const name = nameOf(options);
  const states = new StatesAtMoments(name, moments, new Rebuild(undefined, null, options.windows));
  const source = new TraceSource(name, {
    qemu: (event) => states.handle(event),
    linux: () => {
      throw new IommuError("UNSUPPORTED", `${name}: dma events show mappings, not windows`);
    },
    gap: ({ kind }) => {
      if (kind !== "torn") states.rebuild.lose();
    },
  });
  await pour(chunks, { push: (chunk) => source.push(chunk), truncated: truncation(options) });
  source.end();
  return states.end();
}

/** The states of the machine that runs an op script. */
function scriptStates(text: string, moments: readonly Moment[], name: string): WindowState[][] {
  const trace = new ScriptTrace(text, name, (event) => states.handle(event));
  const states = new StatesAtMoments(name, moments, new Rebuild(undefined, null, trace.windows));
  for (const _ of trace.run());
  return states.end();
}

/** Takes the states of windows at some moments of a trace. */
class StatesAtMoments {
  readonly rebuild: Rebuild;
  readonly #name: string;
  readonly #moments: readonly Moment[];
  readonly #states: (WindowState[] | undefined)[];
  readonly #byTime: boolean;

  constructor(name: string, moments: readonly Moment[], rebuild: Rebuild) {
    this.#name = name;
    this.#moments = moments;
    this.rebuild = rebuild;
    this.#states = moments.map(() => undefined);
    this.#byTime = moments.some((moment) => moment !== undefined && "seconds" in moment);
  }

  handle(event: QemuTraceEvent): void {
    if (this.#byTime && Number.isNaN(event.seconds))
      throw new IommuError("BAD_ARGUMENT", `${this.#name}: has no times: name an event by its number`);
    this.#moments.forEach((moment, i) => {
      if (this.#states[i] !== undefined || !isPast(moment, event)) return;
      this.rebuild.settle(event);
      this.#states[i] = this.#take();
    });
    this.rebuild.handle(event);
  }

  /** To be called after the last event. */
  end(): WindowState[][] {
    this.rebuild.end();
    return this.#states.map((state) => state ?? this.#take());
  }

  #take(): WindowState[] {
    return [...this.rebuild.windows.values()].map(stateOf).sort((a, b) => a.liobn - b.liobn);
  }
}
