import { IommuError } from "../../base/errors.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, openInput, pour } from "../../formats/input/opened-input.ts";
import { isMigrationStream, MAGIC_BYTES } from "../../formats/migration/configuration.ts";
import { readMigration } from "../../formats/migration/reader.ts";
import type { ByteStream } from "../../formats/migration/source.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import { isPast, type Moment } from "../state/moment.ts";
import { savedStateOf, stateOf, type WindowState } from "../state/window-state.ts";
import { nameOf, type ReadInputOptions, truncation } from "./input-options.ts";

/**
 * The DMA windows at a moment of a trace of QEMU, or of a saved machine.
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
  options: ReadInputOptions = {},
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
  options: ReadInputOptions = {},
): Promise<WindowState[][]> {
  const name = nameOf(options);
  const opened = await openInput(input, name, MAGIC_BYTES);
  try {
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
  options: ReadInputOptions,
): Promise<WindowState[][]> {
  const name = nameOf(options);
  const rebuild = new Rebuild();
  const states: (WindowState[] | undefined)[] = moments.map(() => undefined);
  const take = (): WindowState[] =>
    [...rebuild.windows.values()].map(stateOf).sort((a, b) => a.liobn - b.liobn);
  const byTime = moments.some((moment) => moment !== undefined && "seconds" in moment);
  const source = new TraceSource(name, {
    qemu: (event) => {
      if (byTime && Number.isNaN(event.seconds))
        throw new IommuError("BAD_ARGUMENT", `${name}: has no times: name an event by its number`);
      moments.forEach((moment, i) => {
        if (states[i] !== undefined || !isPast(moment, event)) return;
        rebuild.settle(event);
        states[i] = take();
      });
      rebuild.handle(event);
    },
    linux: () => {
      throw new IommuError("UNSUPPORTED", `${name}: dma events show mappings, not windows`);
    },
    gap: ({ kind }) => {
      if (kind !== "torn") rebuild.lose();
    },
  });
  await pour(chunks, { push: (chunk) => source.push(chunk), truncated: truncation(options) });
  source.end();
  rebuild.end();
  return states.map((state) => state ?? take());
}
