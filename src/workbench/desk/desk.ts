import { IommuError } from "../../base/errors.ts";
import { filterOf } from "../../check/filter/filters.ts";
import { type Finding, formatFinding } from "../../check/findings/finding.ts";
import { blobFile } from "../../formats/input/input-data.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import type {
  CallName,
  Calls,
  ChangeRow,
  Lanes,
  Message,
  Request,
  Row,
  ShownFinding,
  Space,
  SpaceAt,
  Summary,
  Totals,
} from "../protocol.ts";
import { EVENT_CLASSES } from "../protocol.ts";
import type { Clock } from "./breathe.ts";
import { emptyCells } from "./contents.ts";
import { LifePicture } from "./life-picture.ts";
import { MappingContents } from "./mapping-contents.ts";
import { checkFiltered, Reading } from "./open-recording.ts";
import { type Recording, spacesAt } from "./recording.ts";
import { RemoteFile } from "./remote-file.ts";
import { WindowContents } from "./window-contents.ts";

/** Milliseconds between two reports of what was read. */
const REPORT_MS = 200;
/** Findings that the page gets; it says how many more there are. */
const MAX_FINDINGS = 2000;

/** Where messages to the page go; arrays of numbers in them change hands. */
export type Post = (message: Message, transfer: ArrayBuffer[]) => void;

interface File {
  readonly reading: Reading;
  readonly data: ByteFile;
  filter: number;
}

type Ask<Name extends CallName> = Calls[Name]["ask"];
type Answer<Name extends CallName> = Calls[Name]["answer"];

/** Reads inputs and answers what the page asks of them. Runs in the page's worker, and anywhere else. */
export class Desk {
  readonly #post: Post;
  readonly #clock: Clock;
  readonly #files = new Map<number, File>();

  /** @param clock of the one who runs it, for progress and for giving way */
  constructor(post: Post, clock: Clock) {
    this.#post = post;
    this.#clock = clock;
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
    const file = this.#files.get(request.file);
    if (file === undefined) throw new IommuError("BAD_ARGUMENT", "this file is not open");
    if (request.call === "close") return this.#close(request.file, file);
    if (request.call === "stop") return this.#stop(file);
    if (request.call === "filter") return await this.#filter(request.file, file, request.text);
    const { recording } = file.reading;
    if (recording === undefined) throw new IommuError("BAD_ARGUMENT", "nothing of this file was read yet");
    switch (request.call) {
      case "eventAt":
        return recording.rows.eventAtSeconds(request.seconds);
      case "secondsOf":
        return secondsOf(recording, request);
      case "lanes":
        return lanesOf(recording, request);
      case "spaces":
        return spacesOf(recording, request);
      case "cells":
        return cellsOf(recording, request);
      case "rows":
        return rowsOf(recording, request);
      case "lives":
        return livesOf(recording, request);
      case "lines":
        return await recording.lines(request.event, request.before, request.after);
      case "totals":
        return totalsOf(recording, request);
      case "diff":
        return diffOf(recording, request);
      case "who":
        return whoOf(recording, request);
    }
  }

  async #open(number: number, { name, data: given }: Ask<"open">): Promise<Summary> {
    const data = given instanceof Blob ? blobFile(given) : new RemoteFile(given);
    const reading = new Reading(data, name, this.#clock);
    this.#files.set(number, { reading, data, filter: 0 });
    const started = this.#clock();
    let reported = started - REPORT_MS;
    const report = (isDone: boolean): void => {
      const now = this.#clock();
      if (!isDone && (now - reported < REPORT_MS || reading.recording === undefined)) return;
      reported = now;
      const { bytes, size } = reading;
      const bytesPerSecond = (bytes * 1000) / Math.max(1, now - started);
      const progress = { bytes: isDone ? size : bytes, size, bytesPerSecond };
      // First, so that a file that is read has all its findings.
      this.#tellFindings(number, reading.name, reading.findings, notJudgedOf(reading));
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
      this.#tellFindings(number, reading.name, reading.findings, notJudgedOf(reading));
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
    const notJudged = report.notJudged.map(({ count, reason }) => `${count.toLocaleString("en")} ${reason}`);
    this.#tellFindings(number, reading.name, report.findings, notJudged);
    return null;
  }

  #tellFindings(
    file: number,
    name: string,
    findings: readonly Finding[],
    notJudged: readonly string[],
  ): void {
    const shown = findings.slice(0, MAX_FINDINGS).map((finding, number) => shownOf(finding, number, name));
    const left = findings.length - shown.length;
    this.#post({ what: "findings", file, from: 0, findings: shown, left, notJudged }, []);
  }
}

function shownOf(finding: Finding, number: number, name: string): ShownFinding {
  const { pci: _pci, ...rest } = finding;
  return { ...rest, number, text: formatFinding(name, finding) };
}

const notJudgedOf = ({ report, early }: Reading): string[] => [
  ...(early === undefined ? [] : [`what follows: ${early}`]),
  ...(report?.notJudged ?? []).map(({ count, reason }) => `${count.toLocaleString("en")} ${reason}`),
];

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
  };
}

const secondsOf = ({ rows }: Recording, { event }: Ask<"secondsOf">): Answer<"secondsOf"> => ({
  seconds: rows.secondsOf(event),
  line: rows.lineOf(event),
});

const lanesOf = ({ rows }: Recording, { axis, from, to, columns }: Ask<"lanes">): Lanes =>
  rows.columns(axis, from, to, columns);

function spacesOf(recording: Recording, { event }: Ask<"spaces">): SpaceAt[] {
  return spacesAt(recording, event).map((space) => {
    const { mapped = 0, inferred = 0, unknown = 0 } = recording.contents(space, event) ?? {};
    return { ...space, mapped, inferred, unknown };
  });
}

function spaceOf(recording: Recording, number: number): Space {
  const space = recording.spaces.find((one) => one.number === number);
  if (space === undefined) throw new IommuError("BAD_ARGUMENT", `there is no space ${number}`);
  return space;
}

function cellsOf(recording: Recording, ask: Ask<"cells">): Answer<"cells"> {
  const space = spaceOf(recording, ask.space);
  const plan = { first: ask.first, shift: ask.shift, cells: ask.cells };
  const cells = emptyCells(ask.space, plan, ask.mark >= 0);
  const now = recording.contents(space, ask.event);
  now?.fill(plan, cells);
  if (ask.mark < 0) return cells;
  const before = recording.contents(space, ask.mark);
  if (now instanceof WindowContents && before instanceof WindowContents) now.compare(before, plan, cells);
  else if (now instanceof MappingContents && before instanceof MappingContents)
    now.compare(before, plan, cells);
  else if (now !== undefined && before === undefined) cells.came.set(cells.mapped);
  return cells;
}

function rowsOf(recording: Recording, { event, space, first, end, limit }: Ask<"rows">): Answer<"rows"> {
  const rows: Row[] = [];
  let all = 0;
  recording.contents(spaceOf(recording, space), event)?.forEachRow({ first, end }, (row) => {
    if (all++ < limit) rows.push(row);
  });
  return { rows, all };
}

function livesOf(recording: Recording, ask: Ask<"lives">): Answer<"lives"> {
  const { rows } = recording;
  const isTime = ask.axis === "time";
  const eventOf = (at: number): number => (isTime ? rows.eventAtSeconds(at) : at);
  const picture = new LifePicture({ ...ask, from: eventOf(ask.from), to: eventOf(ask.to) });
  recording.draw(spaceOf(recording, ask.space), picture);
  const { lines } = picture;
  const placeOf = (event: number): number => {
    if (event < 0) return Number.NaN;
    return isTime && event !== Number.POSITIVE_INFINITY ? rows.secondsOf(event) : event;
  };
  return { ...lines, starts: lines.starts.map(placeOf), ends: lines.ends.map(placeOf) };
}

function totalsOf(recording: Recording, { space, from, to, first, end }: Ask<"totals">): Totals {
  const { rows } = recording;
  const one = spaceOf(recording, space);
  const counts = new Uint32Array(EVENT_CLASSES.length);
  rows.count(one.lane, Math.max(0, from), Math.min(rows.length, to + 1), counts, 0);
  const lengths = recording.lengths(one, from, to, first, end).sort((a, b) => a - b);
  const peak = rows.peak(one.lane, Math.max(0, from), Math.min(rows.length, to + 1));
  return {
    counts,
    peak,
    ended: lengths.length,
    medianLife: lengths[lengths.length >> 1] ?? Number.NaN,
    longestLife: lengths.at(-1) ?? Number.NaN,
  };
}

function diffOf(recording: Recording, { from, to, limit }: Ask<"diff">): Answer<"diff"> {
  const rows: ChangeRow[] = [];
  let all = 0;
  recording.changes(from, to, (change) => {
    if (all++ < limit) rows.push(change);
  });
  return { rows, all };
}

/** Who maps a place in memory. */
function whoOf(recording: Recording, { event, target }: Ask<"who">): Answer<"who"> {
  const found: Answer<"who"> = [];
  for (const space of spacesAt(recording, event)) {
    const page = 1n << BigInt(space.pageShift);
    recording.contents(space, event)?.forEachRow({ first: 0, end: space.pages }, (row) => {
      if (row.target === undefined) return;
      const length = row.sameTarget ? page : row.bytes;
      if (target >= row.target && target < row.target + length) found.push({ space: space.number, row });
    });
  }
  return found;
}

function transferables(value: unknown): ArrayBuffer[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((one) =>
    ArrayBuffer.isView(one) && one.buffer instanceof ArrayBuffer ? [one.buffer] : [],
  );
}

function messageOf(error: unknown): string {
  if (error instanceof IommuError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
