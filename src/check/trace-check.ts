import { hex } from "../base/u64.ts";
import type { QemuTraceEvent } from "../formats/trace/trace-event.ts";
import type { Gap, TraceFormat } from "../formats/trace/trace-reader.ts";
import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "./check-options.ts";
import type { EventFilter } from "./filter/filters.ts";
import { type Finding, type FindingLog, findingToJson } from "./findings/finding.ts";
import { DmaCheck } from "./linux/dma-check.ts";
import { TraceFindings } from "./qemu/trace-findings.ts";
import { Rebuild } from "./rebuild/rebuild.ts";
import type { RebuildCounts } from "./rebuild/verdicts.ts";
import type { WindowRecord } from "./rebuild/window-records.ts";
import { TraceSource } from "./trace-source.ts";

/**
 * Bytes of a binary trace around a record of dropped events in which these can
 * be missing: QEMU's ring has 256 KiB, and is written and filled at one time.
 */
const DROP_SPAN = 2 ** 19;

/**
 * What the check of one file found.
 *
 * @public
 */
export interface CheckReport {
  readonly file: string;
  readonly format: TraceFormat | "op-script" | "migration-stream";
  readonly events: number;
  readonly skippedLines: number;
  /** Recorded answers that were compared and are right. */
  readonly verified: number;
  readonly mismatches: number;
  readonly windows: readonly WindowRecord[];
  readonly findings: readonly Finding[];
  /** Findings beyond the first 10,000. */
  readonly droppedFindings: number;
}

/** What else there is to a check. */
export interface TraceCheckContext {
  readonly filter?: EventFilter | undefined;
  /** Name of the hypervisor that made the trace. */
  readonly profile?: string | undefined;
  /** Notified of each event of QEMU before it happens. */
  readonly onEvent?: (event: QemuTraceEvent) => void;
}

/** Checks one trace, whatever its format; give it the bytes piece by piece. */
export class TraceCheck {
  readonly rebuild: Rebuild;
  readonly #file: string;
  readonly #findings: TraceFindings;
  readonly #source: TraceSource;
  #dma: DmaCheck | undefined;
  /** Up to here in a binary trace events may be missing anywhere. */
  #unsureUntil = -1;
  #retractedMismatches = 0;

  constructor(
    file: string,
    options: CheckOptions = DEFAULT_CHECK_OPTIONS,
    { filter, profile, onEvent }: TraceCheckContext = {},
  ) {
    this.#file = file;
    this.#findings = new TraceFindings(options);
    this.rebuild = new Rebuild(profile, this.#findings);
    this.#source = new TraceSource(file, {
      qemu: (event) => {
        if (filter !== undefined && !filter.qemu(event)) return;
        onEvent?.(event);
        this.#trace(event);
      },
      linux: (event, names) => {
        this.#dma ??= new DmaCheck(names.devices.names, options);
        if (filter === undefined || filter.linux(event, names)) this.#dma.handle(event);
      },
      gap: (gap) => this.#gap(gap),
    });
  }

  get events(): number {
    return this.#source.events;
  }

  push(chunk: Uint8Array): void {
    this.#source.push(chunk);
  }

  /** The file could be read only up to here. */
  truncated(message: string): void {
    this.#truncated({ kind: "torn", line: 0, message });
  }

  end(): CheckReport {
    this.#source.end();
    this.rebuild.end();
    this.#findings.end(this.#source.events);
    this.#dma?.end();
    const { counts } = this.rebuild;
    const { log } = this.#findings;
    const dmaFindings = this.#dma?.log.findings ?? [];
    return {
      file: this.#file,
      format: this.#source.format!,
      events: this.#source.events,
      skippedLines: this.#source.skipped,
      verified: verifiedOf(counts),
      mismatches: counts.mismatches - this.#retractedMismatches,
      windows: this.#findings.windows,
      findings: [...log.findings, ...dmaFindings],
      droppedFindings: log.dropped + (this.#dma?.log.dropped ?? 0),
    };
  }

  #trace(event: QemuTraceEvent): void {
    if (event.position < this.#unsureUntil) this.rebuild.lose();
    this.rebuild.handle(event);
    this.#findings.tidy(event.number);
  }

  #gap(gap: Gap): void {
    this.#truncated(gap);
    if (gap.kind === "torn") return;
    this.rebuild.lose();
    this.#dma?.lose();
    if (gap.kind !== "dropped") return;
    this.#retractedMismatches += this.#log.retract(gap.line - DROP_SPAN, gap.line);
    this.#unsureUntil = gap.line + DROP_SPAN;
  }

  #truncated({ line, message }: Gap): void {
    this.#log.add({
      kind: "truncated",
      places: [{ event: this.#source.events, line }],
      message,
    });
  }

  get #log(): FindingLog {
    return this.#findings.log;
  }
}

const verifiedOf = ({ statuses, translations, confirmed }: RebuildCounts): number =>
  statuses + translations + confirmed;

/**
 * The report in the shape of the JSON output.
 *
 * @public
 */
export function checkReportToJson(report: CheckReport): Record<string, unknown> {
  const { windows, findings, droppedFindings, ...rest } = report;
  return {
    ...rest,
    windows: windows.map(windowToJson),
    findings: findings.map(findingToJson),
    ...(droppedFindings === 0 ? {} : { droppedFindings }),
  };
}

/** A window in the shape of the JSON output. */
export function windowToJson(record: WindowRecord): Record<string, unknown> {
  const { liobn, busOffset, pageShift, entries, createdAt, removedAt, live, inferred, unknown } = record;
  return {
    liobn: hex(liobn),
    busOffset: hex(busOffset),
    pageShift,
    entries,
    createdAt: createdAt?.event ?? null,
    removedAt: removedAt?.event ?? null,
    live,
    inferred,
    unknown,
    ...(record.assumed ? { assumed: true } : {}),
  };
}
