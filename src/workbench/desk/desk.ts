import { IommuError } from "../../base/errors.ts";
import { filterOf } from "../../check/filter/filters.ts";
import { type Finding, formatFinding } from "../../check/findings/finding.ts";
import type { CheckReport } from "../../check/report.ts";
import { blobFile } from "../../formats/input/input-data.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import type {
  CallName,
  Calls,
  Hit,
  Instant,
  Message,
  MomentAnswer,
  MomentAsk,
  MomentCall,
  Request,
  ShownFinding,
  Summary,
} from "../protocol.ts";
import { againstOf } from "./against.ts";
import {
  cellsOf,
  diffOf,
  lanesOf,
  livesOf,
  minimapOf,
  rowsOf,
  secondsOf,
  spaceOf,
  spacesOf,
  totalsOf,
  whoOf,
} from "./answers.ts";
import { allAtOnce, Breath, type Clock, type Steps } from "./breathe.ts";
import type { Contents } from "./contents.ts";
import { csvOf, reportText, timelineOf } from "./exports.ts";
import { checkFiltered, Reading, reasonsOf } from "./open-recording.ts";
import { type InstantState, type Recording, spacesAt } from "./recording.ts";
import { RemoteFile } from "./remote-file.ts";
import { hitsOf } from "./search.ts";
import { scriptOf } from "./selection-script.ts";
import { type Stretch, UsedRows } from "./used-rows.ts";

/** Milliseconds between two reports of what was read, at least. */
const REPORT_MS = 200;
/** The same as a part of the time that was read for: what comes later changes less of the pictures, and drawing them takes time. */
const REPORT_PART = 0.1;
/** Findings that the page gets; it says how many more there are. */
const MAX_FINDINGS = 2000;

/** What was found of so large a part of what was read still holds for the pictures meanwhile. */
const NEARLY = 0.8;

/** Where messages to the page go; arrays of numbers in them change hands. */
export type Post = (message: Message, transfer: ArrayBuffer[]) => void;

interface File {
  readonly reading: Reading;
  readonly data: ByteFile;
  /** How often it was filtered, and searched: only the newest counts. */
  filter: number;
  search: number;
  /** The report of the events that a filter takes. */
  shown: CheckReport | undefined;
  /** Rows of each space that were used by so many events. */
  readonly used: Map<number, { readonly events: number; readonly stretches: readonly Stretch[] }>;
}

type Ask<Name extends CallName> = Calls[Name]["ask"];

/** Reads inputs and answers what the page asks of them. Runs in the page's worker, and anywhere else. */
export class Desk {
  readonly #post: Post;
  readonly #clock: Clock;
  readonly #fileOf: (blob: Blob) => ByteFile;
  readonly #files = new Map<number, File>();

  /**
   * @param clock of the one who runs it, for progress and for giving way
   * @param fileOf how it reads
   */
  constructor(post: Post, clock: Clock, fileOf: (blob: Blob) => ByteFile = blobFile) {
    this.#post = post;
    this.#clock = clock;
    this.#fileOf = fileOf;
  }

  /** Takes a request; the answer, or why there is none, goes to the page. */
  async take(request: Request): Promise<void> {
    const { id } = request;
    try {
      const value = await this.#answer(request);
      this.#post({ what: "answer", id, value }, transferables(value));
    } catch (error) {
      this.#post({ what: "failed", id, message: messageOf(error) }, []);
    }
  }

  async #answer(request: Request): Promise<unknown> {
    if (request.call === "open") return await this.#open(request.file, request);
    const file = this.#file(request.file);
    if (request.call === "close") return this.#close(request.file, file);
    if (request.call === "stop") return this.#stop(file);
    if (request.call === "filter") return await this.#filter(request.file, file, request.text);
    const recording = recordingOf(file);
    switch (request.call) {
      case "eventAt":
        return recording.rows.eventAtSeconds(request.seconds);
      case "lanes":
        return lanesOf(recording, request);
      case "spaces":
      case "cells":
      case "rows":
      case "minimap":
      case "secondsOf":
        return this.#partOf(file, recording, request);
      case "moment":
        return request.asks.map((ask) => this.#answered(file, recording, ask));
      case "lives":
        return await this.#inSteps(livesOf(recording, request));
      case "lines":
        return await recording.lines(request.event, request.before, request.after);
      case "totals":
        return totalsOf(recording, request);
      case "diff":
        return diffOf(recording.stateAt(request.event), this.#stateAt(request.before), request.limit);
      case "against":
        return await againstOf(file.reading, this.#file(request.saved).reading);
      case "search":
        return await this.#search(file, recording, request);
      case "report":
        return reportText(file.shown ?? file.reading.report);
      case "csv":
        return csvOf(recording, request);
      case "script":
        return scriptOf(recording, request);
      case "timeline":
        return { bytes: await timelineOf(file.data, file.reading.name) };
      case "who":
        return whoOf(recording, request);
    }
  }

  /** One of the asks that follow the playhead. */
  #partOf(file: File, recording: Recording, ask: MomentAsk): Calls[MomentCall]["answer"] {
    switch (ask.call) {
      case "spaces":
        return spacesOf(recording, ask);
      case "cells":
        return cellsOf(recording, ask, usedOf(file, recording, ask.space), this.#before(recording, ask));
      case "rows":
        return rowsOf(recording, ask);
      case "minimap":
        return minimapOf(recording, ask);
      case "secondsOf":
        return secondsOf(recording, ask);
    }
  }

  /** An answer that takes long: what is asked meanwhile is answered between its steps. */
  async #inSteps<Value>(steps: Steps<Value>): Promise<Value> {
    const breath = new Breath(this.#clock);
    try {
      return await breath.through(steps);
    } finally {
      breath.end();
    }
  }

  /** What fails fails alone. */
  #answered(file: File, recording: Recording, ask: MomentAsk): MomentAnswer {
    try {
      return { value: this.#partOf(file, recording, ask) };
    } catch (error) {
      return { message: messageOf(error) };
    }
  }

  /** @throws IommuError BAD_ARGUMENT if it is not open */
  #file(number: number): File {
    const file = this.#files.get(number);
    if (file === undefined) throw new IommuError("BAD_ARGUMENT", "this file is not open");
    return file;
  }

  #stateAt({ file, event }: Instant): InstantState {
    return recordingOf(this.#file(file)).stateAt(event);
  }

  /** What is in the space of an ask at the instant that it is to be compared with, which may be of another file. */
  #before(recording: Recording, { space, before }: Ask<"cells">): Contents | undefined {
    if (before === undefined) return undefined;
    const other = recordingOf(this.#file(before.file));
    const { name, start, pageShift } = spaceOf(recording, space);
    const same = spacesAt(other, before.event).find(
      (one) => one.name === name && one.start === start && one.pageShift === pageShift,
    );
    return same === undefined ? undefined : other.contents(same, before.event);
  }

  async #search(file: File, recording: Recording, ask: Ask<"search">): Promise<Hit[]> {
    const turn = ++file.search;
    return await hitsOf(recording, ask, () => file.search === turn);
  }

  async #open(number: number, { name, data: given }: Ask<"open">): Promise<Summary> {
    const data = given instanceof Blob ? this.#fileOf(given) : new RemoteFile(given);
    const reading = new Reading(data, name, this.#clock);
    this.#files.set(number, { reading, data, filter: 0, search: 0, shown: undefined, used: new Map() });
    const started = this.#clock();
    let reported = started - REPORT_MS;
    const report = (isDone: boolean): void => {
      const now = this.#clock();
      const pause = Math.max(REPORT_MS, (now - started) * REPORT_PART);
      if (!isDone && (now - reported < pause || reading.recording === undefined)) return;
      reported = now;
      const { bytes, size } = reading;
      const bytesPerSecond = (bytes * 1000) / Math.max(1, now - started);
      const progress = { bytes: isDone ? size : bytes, size, bytesPerSecond };
      // First, so that a file that is read has all its findings.
      this.#tellFindings(number, reading, reading.findings, reading.notJudged);
      this.#post({ what: "read", file: number, progress, summary: summaryOf(reading), isDone }, []);
    };
    await reading.read({ read: () => report(false) });
    report(true);
    return summaryOf(reading);
  }

  #close(number: number, { reading }: File): null {
    reading.stop();
    this.#files.delete(number);
    return null;
  }

  #stop({ reading }: File): null {
    reading.stop();
    return null;
  }

  async #filter(number: number, file: File, text: string): Promise<null> {
    const turn = ++file.filter;
    const { reading } = file;
    if (text.trim() === "") {
      file.shown = undefined;
      this.#tellFindings(number, reading, reading.findings, reading.notJudged);
      return null;
    }
    const filter = filterOf(text)!;
    const report = await checkFiltered(
      file.data,
      reading.name,
      filter,
      () => file.filter === turn,
      this.#clock,
    );
    if (report === undefined) return null;
    file.shown = report;
    this.#tellFindings(number, reading, report.findings, reasonsOf(report));
    return null;
  }

  #tellFindings(
    file: number,
    { name, recording }: Reading,
    findings: readonly Finding[],
    notJudged: readonly string[],
  ): void {
    const shown = findings
      .slice(0, MAX_FINDINGS)
      .map((finding, number) => shownOf(finding, number, name, recording?.eventsOf(finding) ?? []));
    const left = findings.length - shown.length;
    this.#post({ what: "findings", file, from: 0, findings: shown, left, notJudged }, []);
  }
}

/** @throws IommuError BAD_ARGUMENT if there is nothing to ask of it yet */
function recordingOf({ reading: { recording } }: File): Recording {
  if (recording === undefined) throw new IommuError("BAD_ARGUMENT", "nothing of this file was read yet");
  return recording;
}

/** The rows of a space that were ever used; while a file is read, those that were when it had nearly as many events. */
function usedOf({ used, reading }: File, recording: Recording, space: number): readonly Stretch[] {
  const { length } = recording.rows;
  const known = used.get(space);
  if (
    known !== undefined &&
    (known.events === length || (known.events > length * NEARLY && reading.report === undefined))
  )
    return known.stretches;
  const rows = new UsedRows();
  allAtOnce(recording.draw(spaceOf(recording, space), rows));
  const { stretches } = rows;
  used.set(space, { events: length, stretches });
  return stretches;
}

function shownOf(finding: Finding, number: number, name: string, events: readonly number[]): ShownFinding {
  const { pci: _pci, ...rest } = finding;
  return { ...rest, events, number, text: formatFinding(name, finding) };
}

function summaryOf(reading: Reading): Summary {
  const { recording, name } = reading;
  return {
    name,
    format: recording?.format ?? "",
    events: recording?.rows.length ?? 0,
    hasLines: recording?.hasLines ?? false,
    seconds: recording?.rows.seconds ?? Number.NaN,
    lanes: recording?.rows.lanes ?? [],
    spaces: recording?.spaces ?? [],
    notes: recording?.notes ?? [],
    isJudged: reading.unjudged === undefined,
  };
}

function transferables(value: unknown): ArrayBuffer[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one: { value?: unknown }) => transferables(one.value));
  return Object.values(value).flatMap((one) =>
    ArrayBuffer.isView(one) && one.buffer instanceof ArrayBuffer ? [one.buffer] : [],
  );
}

function messageOf(error: unknown): string {
  if (error instanceof IommuError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
