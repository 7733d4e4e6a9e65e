import { formatCount } from "../../base/units.ts";
import { DEFAULT_CHECK_OPTIONS } from "../../check/check-options.ts";
import { type EventFilter, filterOf } from "../../check/filter/filters.ts";
import type { Finding } from "../../check/findings/finding.ts";
import type { CheckReport } from "../../check/report.ts";
import { TraceCheck, type TraceCheckContext } from "../../check/trace-check.ts";
import { FollowedRebuild } from "../../check/travel/followed-rebuild.ts";
import { type CheckTraceOptions, checkTrace, contextOf, withDevices } from "../../check/whole/check-trace.ts";
import { HEAD_BYTES, isKernelScriptHead, isScriptHead } from "../../check/whole/input-kind.ts";
import { thresholdsOf, traceOptions } from "../../check/whole/input-options.ts";
import { isLoggedDump } from "../../formats/dma-dump/dma-dump.ts";
import { type OpenedInput, openInput } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import { traceSteps } from "../../formats/recording/read-trace.ts";
import { TRACE_FORMATS } from "../../formats/trace/trace-formats.ts";
import type { TraceSource } from "../../formats/trace/trace-source.ts";
import { Breath, type Clock } from "./breathe.ts";
import { CountedFile } from "./counted-file.ts";
import { EventTexts } from "./event-texts.ts";
import { LineStore } from "./line-store.ts";
import { LinuxRecording } from "./linux-recording.ts";
import { QemuRecording } from "./qemu-recording.ts";
import { readMoment } from "./read-moments.ts";
import type { Recording } from "./recording.ts";
import { DEVICE_RUN, readScript } from "./script-recording.ts";
import { TraceLines } from "./trace-lines.ts";

/** Who is notified while an input is read. */
export interface ReadingSink {
  /** Something more was read. `recording` is undefined as long as nothing is known of it. */
  read(reading: Reading): void;
}

/** An input on its way into a {@link Recording}. */
export class Reading {
  readonly name: string;
  readonly data: ByteFile;
  readonly #file: CountedFile;
  readonly #clock: Clock;
  recording: Recording | undefined;
  #found: () => readonly Finding[] = () => [];
  report: CheckReport | undefined;
  /** Why what was read is not all. */
  early: string | undefined;
  /** Why nothing of it was judged, of an input that has nothing to judge. */
  unjudged: string | undefined;
  #isStopped = false;
  readonly #options: CheckTraceOptions;

  /** @param options how it is judged, as `checkTrace` takes them; a filter leaves out events for that, and in no picture */
  constructor(data: ByteFile, name: string, clock: Clock, options: Omit<CheckTraceOptions, "name"> = {}) {
    this.#clock = clock;
    this.data = data;
    this.name = name;
    this.#options = { ...options, name };
    this.#file = new CountedFile(data);
  }

  /** Bytes of the file that were read. */
  get bytes(): number {
    return Math.min(this.#file.reached, this.#file.size);
  }

  get size(): number {
    return this.#file.size;
  }

  /** What was found so far. */
  get findings(): readonly Finding[] {
    return this.#found();
  }

  /** Are only some of its events judged? */
  get isFiltered(): boolean {
    return [this.#options.filter ?? []].flat().length > 0;
  }

  /** What nobody can know of it, and why. */
  get notJudged(): string[] {
    const { early, unjudged, report } = this;
    return [
      ...(early === undefined ? [] : [`what follows: ${early}`]),
      ...(unjudged === undefined ? [] : [unjudged]),
      ...reasonsOf(report),
    ];
  }

  /** What was read so far is all. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Reads all of it.
   *
   * @throws IommuError as the readers do
   */
  async read(sink: ReadingSink): Promise<void> {
    const opened = await openInput(this.#file, this.name, HEAD_BYTES);
    try {
      if (opened.savedAt !== undefined) {
        this.recording = await readMoment(this.data, this.#options);
        this.#end(await checkTrace(this.data, this.#options));
      } else if (isLoggedDump(opened.head)) {
        this.recording = await readMoment(this.data, this.#options);
        this.unjudged = "it is a snapshot, and has no events to judge";
      } else if (isScriptHead(opened.head)) {
        const text = await textOf(opened.chunks, this.name);
        this.recording = readScript(text, this.name);
        if (isKernelScriptHead(opened.head))
          this.unjudged = "a script of calls to a host's kernel: exec --check compares its results";
        else if (this.recording.format === DEVICE_RUN)
          this.unjudged = "the run of a device: what was found is what its recording says";
        else this.#end(await checkTrace(text, this.#options));
      } else await this.#readTrace(opened, sink);
    } finally {
      await opened.chunks.return(undefined);
    }
  }

  #end(report: CheckReport): void {
    this.report = report;
    this.#found = () => report.findings;
  }

  async #readTrace(opened: OpenedInput, sink: ReadingSink): Promise<void> {
    const isPacked = opened.packings.length > 0;
    let source: TraceSource | undefined;
    const lines = new TraceLines(
      new LineStore(isPacked ? undefined : this.data, () => source?.lines),
      new EventTexts(this.data, this.name),
    );
    const isSimple = TRACE_FORMATS.some(
      ({ format, begins }) => format === "qemu-simple" && begins!(opened.head),
    );
    const context = {
      filter: filterOf(this.#options.filter ?? []),
      ...(await contextOf(this.data, this.#options)),
    };
    const { check, end } = isSimple ? this.#ofSimple(lines, context) : this.#ofText(lines, context);
    ({ source } = check);
    this.#found = () => check.found;
    const options = traceOptions(this.#options, (reason) => {
      this.early = reason;
      check.truncated(reason);
    });
    const breath = new Breath(this.#clock);
    try {
      const copied = { ...opened, chunks: passing(opened.chunks, (chunk) => lines.store.push(chunk)) };
      for await (const _ of traceSteps(copied, check.source, options)) {
        lines.isBinary = check.source.isBinary;
        if (this.#isStopped) break;
        sink.read(this);
        await breath.take();
      }
    } finally {
      breath.end();
    }
    if (this.#isStopped) {
      this.early = "reading was stopped here";
      check.truncated(this.early);
    }
    this.#end(withDevices(check.end(), this.#options));
    lines.isBinary = check.source.isBinary;
    end();
  }

  /** A check that the recording follows. */
  #ofText(lines: TraceLines, context: TraceCheckContext): FollowedCheck {
    const qemu = new QemuRecording(lines);
    let linux: LinuxRecording | undefined;
    const check = new TraceCheck(this.name, thresholdsOf(this.#options), {
      ...context,
      watch: qemu,
      also: {
        qemu: () => {
          this.recording ??= qemu;
        },
        linux: (event, names) => {
          if (linux === undefined) {
            linux = new LinuxRecording(names, lines);
            this.recording = linux;
          }
          linux.handle(event);
        },
        gap: () => {},
      },
    });
    qemu.watch(check.rebuild);
    return { check, end: () => {} };
  }

  /** The same of a simple trace, whose windows are rebuilt for the recording alone. */
  #ofSimple(lines: TraceLines, context: TraceCheckContext): FollowedCheck {
    const recording = new QemuRecording(lines);
    recording.format = "qemu-simple";
    const followed = new FollowedRebuild(recording, context.windows);
    recording.watch(followed.rebuild);
    this.recording = recording;
    const check = new TraceCheck(this.name, thresholdsOf(this.#options), {
      ...context,
      also: {
        qemu: (event) => followed.handle(event),
        linux: () => {},
        gap: (gap) => followed.gap(gap),
      },
    });
    return { check, end: () => followed.end() };
  }
}

/** What a check did not judge, as sentences. */
export const reasonsOf = (report: CheckReport | undefined): string[] =>
  (report?.notJudged ?? []).map(({ count, reason }) => `${formatCount(count)} ${reason}`);

/** A check, and what is to be done after it. */
interface FollowedCheck {
  readonly check: TraceCheck;
  end(): void;
}

async function* passing(
  chunks: AsyncGenerator<Uint8Array>,
  look: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    look(chunk);
    yield chunk;
  }
}

/**
 * Checks a trace with only the events that a filter takes.
 *
 * @param goesOn asked now and then
 */
export async function checkFiltered(
  data: ByteFile,
  name: string,
  filter: EventFilter,
  goesOn: () => boolean,
  clock: Clock,
): Promise<CheckReport | undefined> {
  const opened = await openInput(new CountedFile(data), name, HEAD_BYTES);
  const check = new TraceCheck(name, DEFAULT_CHECK_OPTIONS, { filter });
  const truncated = (reason: string): void => check.truncated(reason);
  const breath = new Breath(clock);
  try {
    for await (const _ of traceSteps(opened, check.source, { name, truncated })) {
      if (!goesOn()) return undefined;
      await breath.take();
    }
    return check.end();
  } finally {
    breath.end();
    await opened.chunks.return(undefined);
  }
}
