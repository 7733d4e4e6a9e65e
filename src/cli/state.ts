import { IommuError } from "../base/errors.ts";
import { Rebuild } from "../check/rebuild/rebuild.ts";
import { isPast, type Moment, savedStateOf, stateOf, type WindowState } from "../check/state/window-state.ts";
import { isMigrationStream, MAGIC_BYTES } from "../formats/migration/configuration.ts";
import { readMigration } from "../formats/migration/reader.ts";
import { TraceSource } from "../formats/trace/trace-source.ts";
import { displayName, peekInput } from "./input.ts";
import { printWarning } from "./output.ts";
import { Progress } from "./progress.ts";
import { openSavedMachine } from "./saved-machine.ts";
import { pour } from "./trace-file.ts";

/**
 * The windows of a trace at some moments, which the trace is read once for, or
 * of a saved machine. The event at a moment has happened.
 *
 * @returns the states, in the order of the moments
 * @throws IommuError UNSUPPORTED for a recording without windows; BAD_ARGUMENT for a time if the trace has none,
 * and for a moment of a saved machine
 */
export async function statesAt(
  path: string,
  moments: readonly Moment[],
  options: { readonly quiet?: boolean } = {},
): Promise<WindowState[][]> {
  const progress = new Progress(path, options.quiet === true);
  try {
    const { head, chunks } = await peekInput(path, MAGIC_BYTES, (bytes) => progress.read(bytes));
    if (!isMigrationStream(head)) return await traceStatesAt(path, chunks, moments);
    if (moments.some((moment) => moment !== undefined)) {
      await chunks.return(undefined);
      throw new IommuError("BAD_ARGUMENT", `${displayName(path)}: a saved machine has no other moments`);
    }
    const saved = await openSavedMachine(path, chunks);
    const { windows } = await saved.named(readMigration(saved.source)).finally(() => saved.close());
    const states = windows.map(savedStateOf).sort((a, b) => a.liobn - b.liobn);
    return moments.map(() => states);
  } finally {
    progress.stop();
  }
}

async function traceStatesAt(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  moments: readonly Moment[],
): Promise<WindowState[][]> {
  const rebuild = new Rebuild();
  const states: (WindowState[] | undefined)[] = moments.map(() => undefined);
  const take = (): WindowState[] =>
    [...rebuild.windows.values()].map(stateOf).sort((a, b) => a.liobn - b.liobn);
  const byTime = moments.some((moment) => moment !== undefined && "seconds" in moment);
  const input = new TraceSource(displayName(path), {
    qemu: (event) => {
      if (byTime && Number.isNaN(event.seconds)) {
        throw new IommuError(
          "BAD_ARGUMENT",
          `${displayName(path)}: has no times: name an event by its number`,
        );
      }
      moments.forEach((moment, i) => {
        if (states[i] !== undefined || !isPast(moment, event)) return;
        rebuild.settle(event);
        states[i] = take();
      });
      rebuild.handle(event);
    },
    linux: () => {
      throw new IommuError(
        "UNSUPPORTED",
        `${displayName(path)}: dma events tell of mappings, not of windows`,
      );
    },
    gap: ({ kind }) => {
      if (kind !== "torn") rebuild.lose();
    },
  });
  await pour(chunks, {
    push: (chunk) => input.push(chunk),
    truncated: (reason) => printWarning(displayName(path), reason),
  });
  input.end();
  rebuild.end();
  return states.map((state) => state ?? take());
}

/**
 * Reads a moment: a number of an event, or a time in seconds with a point or an `s`.
 *
 * @throws IommuError BAD_ARGUMENT
 */
export function parseMoment(text: string | undefined): Moment {
  if (text === undefined || text === "end") return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return { event: Number(text) };
  if (/^[0-9]{1,15}(?:\.[0-9]{1,9})?s?$/.test(text)) return { seconds: Number(text.replace("s", "")) };
  throw new IommuError(
    "BAD_ARGUMENT",
    `"${text}" is no moment: write the number of an event, a time such as 12.5 or 12s, or end`,
  );
}

/**
 * Splits `FILE@MOMENT`.
 *
 * @throws IommuError BAD_ARGUMENT
 */
export function parsePlace(text: string): { readonly path: string; readonly moment: Moment } {
  const at = text.lastIndexOf("@");
  if (at < 0) return { path: text, moment: undefined };
  return { path: text.slice(0, at), moment: parseMoment(text.slice(at + 1)) };
}
