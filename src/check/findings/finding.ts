import { hex, hex64 } from "../../base/u64.ts";
import { formatCount } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { FINDING_KINDS, type FindingKind, type Severity } from "./kinds.ts";

/**
 * Something wrong in a trace, with the events that prove it.
 *
 * @public
 */
export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** Window, as a number; undefined where the trace has none (`dma:*` events). */
  readonly liobn: number | undefined;
  /** Device, where the trace names devices instead of windows. */
  readonly device: string | undefined;
  /** First bus address, undefined when no address is concerned. */
  readonly ioba: bigint | undefined;
  /** Pages from there on (of the window, or of 4 KiB), 0 when no address is concerned. */
  pages: number;
  /** Numbers of the events that prove it, in the order of the sentence in {@link message}; the first few of a group. */
  readonly events: number[];
  /** Their lines (byte offsets in binary traces). */
  readonly lines: number[];
  /** Lines of the kernel's log, if that was a file of its own. */
  readonly logLines: number[];
  /** How often it happened. */
  count: number;
  /** When it happened, or what it is about was made, in seconds of the recording's clock; undefined where nothing tells. */
  readonly time: number | undefined;
  /** Who did that: `rmmod-4411`, as a trace has name and process; undefined where nothing tells. */
  readonly task: string | undefined;
  message: string;
}

/**
 * The place of an event in its trace.
 *
 * @public
 */
export interface Place {
  /** Events before it. */
  readonly event: number;
  /** Line from 1, or byte offset of the record. */
  readonly line: number;
  /** Is it a line of the kernel's log, in a file of its own? */
  readonly isInLog?: boolean | undefined;
}

/** Findings that are kept; further ones are only counted. */
const MAX_FINDINGS = 10_000;
/** Events that prove one finding; a group of more says how many it has. */
const MAX_PROOF = 1000;

/** What a detector says; see {@link Finding}. */
export interface NewFinding {
  readonly kind: FindingKind;
  /** Where it is not that of the kind. */
  readonly severity?: Severity;
  readonly liobn?: number;
  readonly device?: string;
  readonly ioba?: bigint;
  readonly pages?: number;
  readonly places: readonly Place[];
  readonly time?: number | undefined;
  readonly task?: string | undefined;
  readonly message: string;
}

/** Collects findings of one trace, in the order in which they were made. */
export class FindingLog {
  readonly findings: Finding[] = [];
  /** Findings that were left out because there were too many. */
  dropped = 0;
  readonly #retracted = new WeakSet<Finding>();

  /** @returns the finding as it is kept, so that a detector can {@link extend} it */
  add(found: NewFinding): Finding {
    const places = found.places.filter(({ isInLog }) => isInLog !== true);
    const finding: Finding = {
      kind: found.kind,
      severity: found.severity ?? FINDING_KINDS[found.kind].severity,
      liobn: found.liobn,
      device: found.device,
      ioba: found.ioba,
      pages: found.pages ?? 0,
      events: places.map(({ event }) => event),
      lines: places.map(({ line }) => line),
      logLines: found.places.filter(({ isInLog }) => isInLog === true).map(({ line }) => line),
      count: 1,
      time: found.time,
      task: found.task,
      message: found.message,
    };
    if (this.findings.length < MAX_FINDINGS) this.findings.push(finding);
    else this.dropped++;
    return finding;
  }

  /**
   * Takes back the findings of which a place lies in `[first, end)`, since
   * events that are missing there may explain them.
   *
   * @returns how many mismatches were among them
   */
  retract(first: number, end: number): number {
    const inside = ({ kind, lines }: Finding): boolean =>
      kind !== "truncated" && kind !== "lost-events" && lines.some((line) => line >= first && line < end);
    const taken = this.findings.filter(inside);
    for (const finding of taken) this.#retracted.add(finding);
    const kept = this.findings.filter((finding) => !inside(finding));
    this.findings.splice(0, this.findings.length, ...kept);
    return taken.filter(({ kind }) => kind === "mismatch").length;
  }

  /**
   * Takes back all findings that are not of some kinds.
   *
   * @returns how many these were
   */
  withhold(kept: readonly FindingKind[]): number {
    const before = this.findings.length;
    this.findings.splice(0, before, ...this.findings.filter(({ kind }) => kept.includes(kind)));
    return before - this.findings.length;
  }

  /** One more of the same, or more of them. */
  extend(finding: Finding, places: readonly Place[], pages = 0, times = 1): void {
    if (this.#retracted.delete(finding)) this.findings.push(finding);
    finding.count += times;
    finding.pages += pages;
    for (const { event, line, isInLog } of places) {
      if (isInLog === true) {
        if (finding.logLines.length < MAX_PROOF) finding.logLines.push(line);
        continue;
      }
      if (finding.events.length >= MAX_PROOF) return;
      if (finding.lines.includes(line)) continue;
      finding.events.push(event);
      finding.lines.push(line);
    }
  }
}

/** Where an event stands. */
export const placeOf = (event: QemuTraceEvent): Place => ({ event: event.number, line: event.position });

/** `event 12 (line 13)`. */
export const placeText = ({ event, line }: Place): string => `event ${event} (line ${line})`;

/** `1 page`, `4 pages`. */
export const pagesText = (pages: number): string => `${pages} page${pages === 1 ? "" : "s"}`;

/**
 * A finding as a line for people: `FILE:LINE: KIND: WINDOW ADDRESS: MESSAGE`.
 *
 * @param file what the input is called
 * @param mark puts something around the kind, such as a colour
 * @public
 */
export function formatFinding(file: string, finding: Finding, mark = (kind: string): string => kind): string {
  const { kind, liobn, device, ioba, lines, count, message } = finding;
  const line = lines.at(-1);
  const where = liobn === undefined ? (device ?? "") : `liobn ${hex(liobn)}`;
  const address = ioba === undefined ? "" : ` ${hex64(ioba)}`;
  const [logLine] = finding.logLines;
  const inLog = logLine === undefined ? "" : ` (line ${logLine} of the kernel's log)`;
  const times = count > 1 ? ` (${formatCount(count)} times)` : "";
  const place = line === undefined ? file : `${file}:${line}`;
  const about = where + address === "" ? "" : ` ${where}${address}:`;
  return `${visible(place)}: ${mark(kind)}:${visible(about)} ${visible(message)}${times}${inLog}`;
}

/**
 * The finding in the shape of the JSON output.
 *
 * @public
 */
export function findingToJson(finding: Finding): Record<string, unknown> {
  const { kind, severity, liobn, device, ioba, pages, events, lines, logLines, count, time, task, message } =
    finding;
  return {
    kind,
    severity,
    liobn: liobn === undefined ? null : hex(liobn),
    ...(device === undefined ? {} : { device }),
    ioba: ioba === undefined ? null : hex(ioba),
    pages,
    events,
    lines,
    ...(logLines.length === 0 ? {} : { logLines }),
    count,
    ...(time === undefined ? {} : { time }),
    ...(task === undefined ? {} : { task }),
    message,
  };
}
