import { AliveWatch, type SpaceState, spacesOf } from "../../check/lives/alive.ts";
import { TableLives } from "../../check/lives/table-lives.ts";
import { callOfStep, type ScriptStep, scriptSteps } from "../../check/script-spaces.ts";
import { ownStateOf, type WindowState } from "../../check/state/window-state.ts";
import { diff } from "../../tce/diff.ts";
import { TceTable } from "../../tce/tce-table.ts";
import type { EventClass } from "../protocol.ts";
import { MomentsRecording, type ShownStep } from "./moments-recording.ts";
import type { ShownWindow } from "./window-contents.ts";

/**
 * Runs an op script, the recording of a device's run, or a script of calls to a host's kernel, and keeps what is mapped after each of its operations.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake; LIMIT_EXCEEDED
 */
export function readScript(text: string, name: string): MomentsRecording {
  const steps: ShownStep[] = [];
  const made = new MadeBy();
  const alive = new AliveWatch();
  const lives = new TableLives(alive);
  const notes: string[] = [];
  let format = "op-script";
  for (const step of scriptSteps(text, name)) {
    notes.push(...step.findings.map((finding) => `line ${step.line}: ${finding}`));
    let windows: ShownWindow[] = [];
    let spaces: SpaceState[] = [];
    if (step.isOnDevice) format = DEVICE_RUN;
    if (step.isKernel) {
      format = "kernel-script";
      lives.update(step.tables(), callOfStep(step));
      alive.reached();
      spaces = spacesOf(alive.found);
    } else windows = made.take(step.number, step.windows().map(ownStateOf));
    steps.push({ line: step.line, kind: kindOf(step), names: step.space, windows, spaces });
  }
  return new MomentsRecording(format, steps, text, [
    ...(format === DEVICE_RUN ? [NOT_JUDGED] : []),
    ...shortened(notes),
  ]);
}

/** The format of the recording of what a device did. */
export const DEVICE_RUN = "device-run";
const NOT_JUDGED =
  "the run of a device: what was found is what its recording says, and nothing else was judged";
/** Notes that are shown of the run of a device. */
const MAX_NOTES = 20;

const shortened = (notes: readonly string[]): string[] =>
  notes.length <= MAX_NOTES
    ? [...notes]
    : [...notes.slice(0, MAX_NOTES), `and ${notes.length - MAX_NOTES} more that were found`];

/** What of a step is told apart from what it does to tables. */
function kindOf({ isRefused, accesses }: ScriptStep): EventClass {
  if (isRefused) return "refused";
  if (accesses.length === 0) return "other";
  return accesses.some((access) => access.isRefused) ? "fault" : "use";
}

/** Finds which operation changed each entry last, by comparing the tables before and after each. */
class MadeBy {
  #followed = new Map<string, { readonly state: WindowState; readonly since: TceTable }>();

  take(step: number, windows: readonly WindowState[]): ShownWindow[] {
    const before = this.#followed;
    this.#followed = new Map();
    return windows.map((state) => {
      const { liobn, busOffset, pageShift, table } = state;
      const key = `${liobn} ${busOffset} ${pageShift} ${table.length}`;
      const was = before.get(key);
      const since = was?.since ?? new TceTable({ length: table.length, pageShift: 0 });
      const empty = new TceTable({ length: table.length, pageShift });
      diff(was?.state.table ?? empty, table, (first, count) => since.fill(first, count, step + 1, 0));
      this.#followed.set(key, { state, since });
      return { ...state, since: since.snapshot() };
    });
  }
}
