import { counted } from "../base/units.ts";
import type { ToldWindow } from "../formats/machine/told-window.ts";
import { DMA_LOST } from "../formats/trace/dma-kinds.ts";
import type { QemuTraceEvent } from "../formats/trace/trace-event.ts";
import { type Gap, losesEvents, type TraceHandlers } from "../formats/trace/trace-reader.ts";
import { TraceSource } from "../formats/trace/trace-source.ts";
import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "./check-options.ts";
import type { EventFilter } from "./filter/filters.ts";
import type { Finding } from "./findings/finding.ts";
import { assumedWindows, judgedWindows, type NotJudged, thatOccur } from "./findings/judged.ts";
import type { FindingKind } from "./findings/kinds.ts";
import type { FindingLog } from "./findings/log.ts";
import type { Place } from "./findings/place.ts";
import { DmaCheck } from "./linux/dma-check.ts";
import { type KernelLog, KernelLogMerge } from "./linux/kernel-log.ts";
import { LostEvents } from "./linux/lost-events.ts";
import { placeOfDma } from "./linux/report.ts";
import { TraceFindings } from "./qemu/trace-findings.ts";
import type { RebuildWatch } from "./rebuild/observer.ts";
import { Rebuild } from "./rebuild/rebuild.ts";
import type { RebuildCounts } from "./rebuild/verdicts.ts";
import type { CheckReport } from "./report.ts";

/**
 * Bytes of a binary trace around a record of dropped events in which these can
 * be missing: QEMU's ring has 256 KiB, and is written and filled at one time.
 */
const DROP_SPAN = 2 ** 19;

/** What is true of a log whoever wrote it. */
const PROVED_ALONE: readonly FindingKind[] = ["truncated", "lost-events"];

/** Places of lost events that a finding names. */
const MAX_LOST_PLACES = 100;

const placesText = (places: number): string => counted(places, "place");

/** What else there is to a check. */
export interface TraceCheckContext {
  readonly filter?: EventFilter | undefined;
  /** Name of the hypervisor that made the trace. */
  readonly profile?: string | undefined;
  /** What somebody knows of the windows. */
  readonly windows?: readonly ToldWindow[] | undefined;
  /** Notified of each event of QEMU before it happens. */
  readonly onEvent?: (event: QemuTraceEvent) => void;
  /** The kernel's log, from a file of its own. */
  readonly kernelLog?: KernelLog | undefined;
  /** Who else is notified, before the check. */
  readonly also?: TraceHandlers | undefined;
  /** Watches the windows of a trace of QEMU. */
  readonly watch?: RebuildWatch | undefined;
}

/** Checks one trace, whatever its format; give it the bytes piece by piece. */
export class TraceCheck {
  readonly rebuild: Rebuild;
  readonly #file: string;
  readonly #findings: TraceFindings;
  /** What is read. */
  readonly source: TraceSource;
  #dma: DmaCheck | undefined;
  readonly #merge: KernelLogMerge | undefined;
  /** Up to here in a binary trace events may be missing anywhere. */
  #unsureUntil = -1;
  #retractedMismatches = 0;
  #drops: Finding | undefined;
  /** The first places where Linux lost events. */
  readonly #lostAt: Place[] = [];
  readonly #lost = new LostEvents();
  /** Why it is not known from some event on whose events these are; empty if it is. */
  #mixed = "";
  /** Were events of ours switched on, and none came? */
  #isEmpty = false;
  /** What else is evidence in the text, and not read; empty if there is nothing. */
  #unread = "";
  /** Events that the filter does not take. */
  #leftOut = 0;
  readonly #kernelLog: KernelLog | undefined;
  readonly #watch: RebuildWatch | undefined;

  constructor(
    file: string,
    options: CheckOptions = DEFAULT_CHECK_OPTIONS,
    { filter, profile, windows, onEvent, kernelLog, also, watch }: TraceCheckContext = {},
  ) {
    this.#file = file;
    this.#kernelLog = kernelLog;
    this.#merge =
      kernelLog === undefined
        ? undefined
        : new KernelLogMerge(kernelLog.events, (event) => this.#dma?.kernel(event, true));
    this.#watch = watch;
    this.#findings = new TraceFindings(options, watch);
    this.rebuild = new Rebuild(profile, this.#findings, windows);
    this.source = new TraceSource(file, {
      qemu: (event) => {
        also?.qemu(event);
        if (filter !== undefined && !filter.qemu(event)) {
          this.#leftOut++;
          return;
        }
        onEvent?.(event);
        this.#trace(event);
      },
      linux: (event, names) => {
        also?.linux(event, names);
        this.#dma ??= new DmaCheck(names, options);
        if (event.kind === DMA_LOST) {
          this.#lost.take(event);
          if (this.#lostAt.length < MAX_LOST_PLACES) this.#lostAt.push(placeOfDma(event));
        }
        if (this.#merge !== undefined) this.#merge.upTo(event, event.number);
        if (filter === undefined || filter.linux(event, names)) this.#dma.handle(event);
        else this.#leftOut++;
      },
      host: (event) => this.#findings.host(event),
      kernel: (event, names) => {
        this.#dma ??= new DmaCheck(names, options);
        this.#dma.kernel(event);
      },
      gap: (gap) => {
        also?.gap(gap);
        this.#gap(gap);
      },
    });
  }

  get events(): number {
    return this.source.events;
  }

  /** What was found so far. Some of it is known only at the end, and some may be taken back until then. */
  get found(): readonly Finding[] {
    return [...this.#log.findings, ...(this.#dma?.log.findings ?? [])];
  }

  push(chunk: Uint8Array): void {
    this.source.push(chunk);
  }

  /** The file could be read only up to here. */
  truncated(message: string): void {
    this.#truncated({ kind: "torn", line: 0, message });
  }

  end(): CheckReport {
    this.source.end();
    this.#watch?.ending();
    this.rebuild.end();
    this.#watch?.ended();
    this.#findings.end(this.source.events);
    const isMixed = this.#mixed !== "";
    if (isMixed) this.#log.withhold(PROVED_ALONE);
    // What stands in the text of a guest's console beside QEMU's events is the guest's affair.
    if (this.source.format !== "linux-dma") this.#dma = undefined;
    const {
      lostMarkers = 0,
      lost = 0,
      damaged = 0,
      other = 0,
      kernel = 0,
      stacks = 0,
      hostEvents = 0,
    } = this.source.counts;
    const { events, cpus, entries } = this.source;
    this.#merge?.end(events);
    // A stack is an entry of the buffer, too.
    const lines = events + other + kernel + stacks + damaged;
    this.#dma?.end({ cpus, entries, lines, isWhole: this.source.isWhole });
    if (lostMarkers > 0)
      this.#sayLost(
        lostMarkers,
        `the kernel lost events in ${placesText(lostMarkers)}${lost > 0 ? `, ${lost} or more` : ""}`,
      );
    const { counts } = this.rebuild;
    const { log } = this.#findings;
    const dmaFindings = this.#dma?.log.findings ?? [];
    return {
      file: this.#file,
      format: this.source.format!,
      events: this.source.events,
      skippedLines: this.source.skipped,
      verified: verifiedOf(counts),
      mismatches: isMixed ? 0 : counts.mismatches - this.#retractedMismatches,
      judged:
        this.#dma?.judged(events) ??
        judgedWindows(events, this.#findings.windows.length, verifiedOf(counts), hostEvents),
      notJudged: this.#notJudged(),
      ...(this.source.format === "linux-dma"
        ? { devices: this.#dma?.tallies ?? [], lost: this.#lost.rows }
        : {}),
      bounced: this.#dma?.bounced ?? [],
      windows: this.#findings.windows,
      hostWindows: hostEvents > 0 ? this.#findings.hostWindows : undefined,
      findings: [...log.findings, ...dmaFindings],
      droppedFindings: log.dropped + (this.#dma?.log.dropped ?? 0),
    };
  }

  #notJudged(): NotJudged[] {
    const {
      overwritten = 0,
      otherBuffers = 0,
      damaged = 0,
      long = 0,
      breaks = 0,
      twins = 0,
    } = this.source.counts;
    const { mixed = 0 } = this.source.counts;
    const { other = 0, otherEvents = 0, text = 0 } = this.source.counts;
    const { undetermined, learned } = this.rebuild.counts;
    const { isBinary } = this.source;
    return [
      ...thatOccur([
        {
          count: this.#leftOut,
          reason: "events that no filter takes",
          // Nothing is fine where nothing was looked at.
          isMissing: this.#leftOut === this.source.events,
        },
        {
          count: this.#isEmpty ? 1 : 0,
          reason: "recording for which dma events were switched on, and none came",
          isMissing: true,
        },
      ]),
      ...(this.#dma?.notJudged() ?? []),
      ...assumedWindows(this.#findings.windows),
      ...thatOccur([
        {
          count: this.#kernelLog?.events.length === 0 ? 1 : 0,
          reason: "kernel log, in which no line tells of DMA, of an IOMMU, or of windows: is it one?",
          isMissing: this.#kernelLog?.isKnown === false,
        },
        {
          count: this.#merge?.untimed ?? 0,
          reason: "lines of the kernel's log by their time, as the line or the trace has none",
        },
        {
          count: this.#merge?.otherClock ?? 0,
          reason:
            "lines of the kernel's log by their time: its clock and the trace's count from different moments, and no fault stands once in both that would match them",
        },
        {
          count: this.#merge?.early ?? 0,
          reason: "lines of the kernel's log from before the recording by what was mapped then",
        },
        { count: undetermined, reason: "answers about windows of which the trace shows too little" },
        { count: learned, reason: "translations of entries that were made before the trace began" },
        { count: overwritten, reason: "events that had left the kernel's buffer before it was read" },
        { count: otherBuffers, reason: "events of other buffers" },
        {
          count: mixed,
          isMissing: true,
          reason: `events: ${this.#mixed}`,
        },
        { count: this.source.unread, isMissing: true, reason: this.#unread },
        { count: twins, reason: "lines that stand twice, once of each" },
        ...this.source.otherBuffers.map((name) => ({
          count: 1,
          reason: `buffer of the recording: ${name}`,
        })),
        { count: damaged + long, reason: "lines that name an event and cannot be read" },
        { count: breaks, reason: "pieces that are not whole" },
        { count: other + otherEvents + text, reason: `${isBinary ? "records" : "lines"} of something else` },
      ]),
    ];
  }

  /** Events are missing in so many places: said once. */
  #sayLost(times: number, message: string): void {
    const places = this.#lostAt.slice(0, 1);
    const finding = this.#log.add({ kind: "lost-events", severity: "warning", places, message });
    this.#log.extend(finding, this.#lostAt, 0, times - 1);
  }

  #trace(event: QemuTraceEvent): void {
    if (event.position < this.#unsureUntil) this.rebuild.lose();
    this.#watch?.before(event);
    this.rebuild.handle(event);
    this.#watch?.after(event);
    this.#findings.tidy(event.number);
  }

  #gap(gap: Gap): void {
    if (gap.kind === "empty") {
      this.#isEmpty = true;
      return;
    }
    if (gap.kind === "unread") {
      this.#unread = gap.message;
      return;
    }
    if (gap.kind === "dropped") this.#dropped(gap);
    else if (gap.kind === "mixed") this.#mixed = gap.message;
    else this.#truncated(gap);
    if (!losesEvents(gap)) return;
    this.#watch?.losing();
    this.rebuild.lose();
    this.#findings.lose();
    this.#dma?.lose();
    if (gap.kind !== "dropped") return;
    this.#retractedMismatches += this.#log.retract(gap.line - DROP_SPAN, gap.line);
    this.#unsureUntil = gap.line + DROP_SPAN;
  }

  /** QEMU says where it dropped events. */
  #dropped({ line, message }: Gap): void {
    const place = { event: this.source.events, line };
    if (this.#drops === undefined) {
      this.#drops = this.#log.add({ kind: "lost-events", severity: "warning", places: [place], message });
    } else this.#log.extend(this.#drops, [place]);
  }

  #truncated({ line, message }: Gap): void {
    this.#log.add({
      kind: "truncated",
      places: [{ event: this.source.events, line }],
      message,
    });
  }

  get #log(): FindingLog {
    return this.#findings.log;
  }
}

const verifiedOf = ({ statuses, translations, confirmed }: RebuildCounts): number =>
  statuses + translations + confirmed;
