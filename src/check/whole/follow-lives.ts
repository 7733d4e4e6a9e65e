import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { counted } from "../../base/units.ts";
import { isLoggedDump, readDmaDump } from "../../formats/dma-dump/dma-dump.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, type OpenedInput, openInput } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import { readTrace } from "../../formats/recording/read-trace.ts";
import { choiceNotes, readSavedMachine } from "../../formats/saved/saved-machine.ts";
import { DMA_LOST } from "../../formats/trace/dma-kinds.ts";
import { losesEvents, type TraceFormat } from "../../formats/trace/trace-reader.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import { tellDumpedLives } from "../lives/dumped-lives.ts";
import type { LifeSink } from "../lives/life.ts";
import { LinuxLives } from "../lives/linux-lives.ts";
import { QemuLives } from "../lives/qemu-lives.ts";
import { tellSavedLives } from "../lives/saved-lives.ts";
import { TableLives } from "../lives/table-lives.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import { callOfStep, type ScriptStep, scriptSteps } from "../script-spaces.ts";
import { type Moment, MomentCursor, type ShownMoment } from "../state/moment.ts";
import { savedStateOf } from "../state/window-state.ts";
import { HEAD_BYTES, isScriptHead } from "./input-kind.ts";
import {
  choiceOf,
  nameOf,
  type ReadInputOptions,
  traceOptions,
  type WindowsOptions,
} from "./input-options.ts";

/**
 * How mappings are followed.
 *
 * @public
 */
export type FollowOptions = ReadInputOptions & WindowsOptions;

/** What was read to follow mappings. */
export interface FollowedInput {
  readonly file: string;
  readonly format: TraceFormat | "script" | "migration-stream" | "dma-api-dump";
  /** Undefined for a saved machine and a dump of mappings: these are moments. */
  readonly moment: ShownMoment | undefined;
  /** What limits the answer, as sentences. */
  readonly notes: readonly string[];
  /** Places where something of the input is missing. */
  readonly missing: number;
}

/**
 * Tells a sink of the mappings of an input of any format: where they begin, are used and end, and where the moment is.
 *
 * @throws IommuError UNSUPPORTED if the input is nothing of that kind; BAD_ARGUMENT for a moment that is not in it;
 * BAD_FILE for a script with a mistake or a broken saved machine
 */
export async function followLives(
  input: InputData,
  moment: Moment,
  sink: LifeSink,
  options: FollowOptions = {},
): Promise<FollowedInput> {
  const file = nameOf(options);
  const opened = await openInput(input, file, HEAD_BYTES);
  try {
    if (opened.savedAt !== undefined) return await followSaved(opened, moment, sink, options);
    if (isLoggedDump(opened.head)) return followDump(await textOf(opened.chunks, file), moment, sink, file);
    if (isScriptHead(opened.head)) {
      return followScript(await textOf(opened.chunks, file), moment, sink, file);
    }
    return await followTrace(opened, moment, sink, options);
  } finally {
    await opened.chunks.return(undefined);
  }
}

async function followSaved(
  opened: OpenedInput,
  moment: Moment,
  sink: LifeSink,
  options: FollowOptions,
): Promise<FollowedInput> {
  const file = nameOf(options);
  if (moment !== undefined)
    throw new IommuError("BAD_ARGUMENT", `${file}: a saved machine has no other moments`);
  const { stream, container } = await named(file, readSavedMachine(opened, choiceOf(options)));
  tellSavedLives(
    stream.windows.map(savedStateOf).filter(({ entries }) => entries > 0),
    sink,
  );
  const notes = [
    ...choiceNotes(container),
    ...container.remarks,
    ...stream.remarks.map(({ message }) => message),
    "a saved machine does not tell who mapped what, nor when",
  ];
  const missing = stream.remarks.length;
  return { file, format: "migration-stream", moment: undefined, notes, missing };
}

function followDump(text: string, moment: Moment, sink: LifeSink, file: string): FollowedInput {
  if (moment !== undefined)
    throw new IommuError("BAD_ARGUMENT", `${file}: a dump of mappings has no other moments`);
  const { mappings, others } = readDmaDump(text);
  tellDumpedLives(mappings, sink);
  const notes = [
    "a dump does not tell who mapped what, nor when",
    ...(others > 0 ? [`${counted(others, "line")} of something else`] : []),
  ];
  return { file, format: "dma-api-dump", moment: undefined, notes, missing: 0 };
}

function followScript(text: string, moment: Moment, sink: LifeSink, file: string): FollowedInput {
  const lives = new TableLives(sink);
  const cursor = new MomentCursor(moment, file);
  for (const step of scriptSteps(text, file)) {
    const isReached = cursor.passed;
    const { number, line } = step;
    if (cursor.passes({ number, seconds: Number.NaN, nanoseconds: 0 }, line) && !isReached) sink.reached();
    lives.update(step.tables(), callOfStep(step));
    tellAccesses(step, sink);
  }
  if (!cursor.passed) sink.reached();
  return { file, format: "script", moment: cursor.shown(), notes: [], missing: 0 };
}

function tellAccesses(step: ScriptStep, sink: LifeSink): void {
  for (const { space, first, last, isRefused } of step.accesses) {
    if (space !== undefined)
      sink.use(space, first, last, isRefused ? "faulted" : "translated", () => callOfStep(step));
  }
}

async function followTrace(
  opened: OpenedInput,
  moment: Moment,
  sink: LifeSink,
  options: FollowOptions,
): Promise<FollowedInput> {
  const file = nameOf(options);
  const cursor = new MomentCursor(moment, file);
  const rebuild = new Rebuild(undefined, null, options.windows);
  const qemu = new QemuLives(sink, rebuild);
  let linux: LinuxLives | undefined;
  let gaps = 0;
  const source = new TraceSource(file, {
    qemu: (event) => {
      const was = cursor.passed;
      if (cursor.passes(event, event.position) && !was) {
        qemu.settle(event);
        sink.reached();
      }
      qemu.handle(event);
    },
    linux: (event, names) => {
      linux ??= new LinuxLives(sink, names);
      const was = cursor.passed;
      if (event.kind !== DMA_LOST && cursor.passes(event, event.line) && !was) sink.reached();
      linux.handle(event);
    },
    gap: (gap) => {
      gaps++;
      if (losesEvents(gap)) rebuild.lose();
    },
  });
  await readTrace(opened, source, traceOptions(options));
  source.end();
  rebuild.end();
  if (!cursor.passed) sink.reached();
  const shown = cursor.shown();
  const notes = linux === undefined ? qemuNotes(rebuild) : linuxNotes(linux);
  if (gaps > 0)
    notes.push(`something is missing in ${counted(gaps, "place")}: what happened there is not known`);
  return { file, format: source.format!, moment: shown, notes, missing: gaps + (linux?.losses ?? 0) };
}

function qemuNotes(rebuild: Rebuild): string[] {
  const assumed = [...rebuild.windows.values()].filter((rebuilt) => rebuilt.assumed);
  const { undetermined } = rebuild.counts;
  return [
    ...assumed.map(
      ({ window }) =>
        `where window ${hex(window.liobn)} begins is assumed (${hex(window.busOffset)}): nothing in the trace tells it`,
    ),
    ...(undetermined > 0
      ? [`${counted(undetermined, "answer")} about windows of which the trace told too little`]
      : []),
  ];
}

function linuxNotes({ unknownUnmaps, losses }: LinuxLives): string[] {
  return [
    ...(losses > 0
      ? [`the kernel lost events in ${counted(losses, "place")}: what they mapped is not known`]
      : []),
    ...(unknownUnmaps > 0
      ? [
          `${counted(unknownUnmaps, "unmap")} of what was mapped before the recording began, or where events are missing`,
        ]
      : []),
  ];
}
