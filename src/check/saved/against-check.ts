import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import type { SavedWindow } from "../../formats/migration/stream.ts";
import { PRE_SAVE, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { CheckOptions } from "../check-options.ts";
import { FindingLog } from "../findings/log.ts";
import { type Place, placeOf } from "../findings/place.ts";
import { type CheckReport, checkReportToJson } from "../report.ts";
import { type Moment, MomentCursor } from "../state/moment.ts";
import { TraceCheck } from "../trace-check.ts";
import { compareWithSaved } from "./against.ts";
import { NO_AGREEMENT, type WindowAgreement } from "./against-entries.ts";
import { windowsOfSaved } from "./saved-windows.ts";

/**
 * How a trace and a saved machine of the same run agree.
 *
 * @public
 */
export interface AgainstReport {
  /** Name of the saved machine. */
  readonly file: string;
  /** The event before which they were compared; undefined for the end of the trace. */
  readonly before: Place | undefined;
  /** How often the machine was saved by what the trace shows. */
  readonly saves: number;
  readonly windows: readonly WindowAgreement[];
}

/**
 * The check of a trace, with what it says about a saved machine.
 *
 * @public
 */
export interface AgainstCheckReport extends CheckReport {
  readonly against: AgainstReport;
}

/** What else there is to a comparison. */
interface AgainstContext {
  /** When the machine was saved, if somebody knows. */
  readonly moment?: Moment;
  /** Name of the hypervisor that made the trace. */
  readonly profile?: string | undefined;
  /** What somebody knows of the windows beside what the saved machine has. */
  readonly windows?: readonly ToldWindow[] | undefined;
}

/** A comparison at one moment. */
interface Candidate {
  readonly before: Place | undefined;
  readonly windows: readonly WindowAgreement[];
  readonly log: FindingLog;
  /** Findings, and entries that differ: less is better. */
  readonly wrong: number;
}

/**
 * Checks a trace, and compares it with a saved machine of the same run: as it
 * was where the trace says that the machine was saved (`pre_save`), or at the
 * end. If that happened several times, or may have happened after the trace, it
 * is the moment at which they agree best.
 */
export class AgainstCheck {
  readonly #check: TraceCheck;
  readonly #file: string;
  readonly #saved: readonly SavedWindow[];
  readonly #savedFile: string;
  /** The one moment to compare at, if there is one. */
  readonly #moment: Moment;
  readonly #cursor: MomentCursor;
  #best: Candidate | undefined;
  #saves = 0;
  /** The event before was a pre_save: this one belongs to the same save. */
  #inSave = false;
  #done = false;

  /** @param saved windows of the saved machine */
  constructor(
    file: string,
    saved: { readonly file: string; readonly windows: readonly SavedWindow[] },
    options: CheckOptions,
    { moment, profile, windows = [] }: AgainstContext = {},
  ) {
    this.#file = file;
    this.#saved = saved.windows;
    this.#savedFile = saved.file;
    this.#moment = moment;
    this.#cursor = new MomentCursor(moment, file);
    this.#check = new TraceCheck(file, options, {
      profile,
      windows: [...windows, ...windowsOfSaved(saved.windows)],
      onEvent: (event) => this.#look(event),
    });
  }

  push(chunk: Uint8Array): void {
    this.#check.push(chunk);
  }

  /** The file could be read only up to here. */
  truncated(message: string): void {
    this.#check.truncated(message);
  }

  /** @throws IommuError UNSUPPORTED if it was no trace of QEMU */
  end(): AgainstCheckReport {
    const report = this.#check.end();
    if (report.format === "linux-dma") {
      throw new IommuError("UNSUPPORTED", `${this.#file}: dma events show mappings, not windows`);
    }
    this.#cursor.checkInside();
    if (!this.#done) this.#compare(undefined);
    const { before, windows, log } = this.#best!;
    return {
      ...report,
      mismatches: report.mismatches + log.findings.length + log.dropped,
      findings: [...report.findings, ...log.findings],
      droppedFindings: report.droppedFindings + log.dropped,
      against: { file: this.#savedFile, before, saves: this.#saves, windows },
    };
  }

  /** Looks at an event before it happens. */
  #look(event: QemuTraceEvent): void {
    const isSave = event.kind === PRE_SAVE;
    const begins = isSave && !this.#inSave;
    this.#inSave = isSave;
    if (begins) this.#saves++;
    if (this.#done) return;
    if (this.#moment === undefined ? begins : this.#cursor.passes(event, event.position)) {
      this.#check.rebuild.settle(event);
      this.#compare(placeOf(event));
      this.#done = this.#moment !== undefined;
    }
  }

  #compare(before: Place | undefined): void {
    const log = new FindingLog();
    const windows = compareWithSaved(this.#check.rebuild, this.#saved, log);
    const entries = windows.reduce((sum, { differing, contradicted }) => sum + differing + contradicted, 0);
    const wrong = entries + log.findings.length + log.dropped;
    const known = this.#best;
    // Nothing is saved after the end: that counts only if no moment of a save fits as well.
    if (known === undefined || wrong < known.wrong || (wrong === known.wrong && before !== undefined)) {
      this.#best = { before, windows, log, wrong };
    }
  }
}

/**
 * The report in the shape of the JSON output of `check`.
 *
 * @public
 */
export function againstReportToJson(report: AgainstCheckReport): Record<string, unknown> {
  const { against, ...rest } = report;
  return {
    ...checkReportToJson(rest),
    against: {
      file: against.file,
      before: against.before?.event ?? null,
      line: against.before?.line ?? null,
      saves: against.saves,
      windows: against.windows.map((window) => ({ ...window, liobn: hex(window.liobn) })),
    },
  };
}

/**
 * The classes of all windows together.
 *
 * @public
 */
export function sumOfAgreements(windows: readonly WindowAgreement[]): Omit<WindowAgreement, "liobn"> {
  const sum = { ...NO_AGREEMENT };
  for (const window of windows) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += window[name];
  }
  return sum;
}
