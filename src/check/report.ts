import { hex } from "../base/u64.ts";
import type { TraceFormat } from "../formats/trace/trace-reader.ts";
import { type Finding, findingToJson } from "./findings/finding.ts";
import type { Judged, NotJudged } from "./findings/judged.ts";
import type { BouncedMaps } from "./linux/bounces.ts";
import type { DeviceTally } from "./linux/device-tally.ts";
import type { LostOnCpu } from "./linux/lost-events.ts";
import { type HostWindow, hostWindowToJson } from "./qemu/host-side.ts";
import type { WindowRecord } from "./rebuild/window-records.ts";

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
  readonly judged: Judged;
  readonly notJudged: readonly NotJudged[];
  /** Of recordings of Linux: what there is of each device, and what the tracer lost by CPU. */
  readonly devices?: readonly DeviceTally[] | undefined;
  readonly lost?: readonly LostOnCpu[] | undefined;
  /** Of recordings of Linux: what went through bounce memory. */
  readonly bounced: readonly BouncedMaps[];
  readonly windows: readonly WindowRecord[];
  /** Windows of the host, if the trace shows its side. */
  readonly hostWindows?: readonly HostWindow[] | undefined;
  readonly findings: readonly Finding[];
  /** Findings beyond the first 10,000. */
  readonly droppedFindings: number;
}

/**
 * The report in the shape of the JSON output.
 *
 * @public
 */
export function checkReportToJson(report: CheckReport): Record<string, unknown> {
  const { windows, hostWindows, findings, droppedFindings, ...rest } = report;
  return {
    ...rest,
    notJudged: rest.notJudged.map(({ count, reason }) => ({ count, reason })),
    windows: windows.map(windowToJson),
    ...(hostWindows === undefined ? {} : { hostWindows: hostWindows.map(hostWindowToJson) }),
    findings: findings.map(findingToJson),
    ...(droppedFindings === 0 ? {} : { droppedFindings }),
  };
}

/** How much a report warns of: its warnings, and what of the input is missing to judge the rest. */
export const warningsOf = ({ findings, notJudged }: Pick<CheckReport, "findings" | "notJudged">): number =>
  findings.filter(({ severity }) => severity === "warning").length +
  notJudged.filter(({ isMissing }) => isMissing === true).length;

/** A window in the shape of the JSON output. */
function windowToJson(record: WindowRecord): Record<string, unknown> {
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
    ...(record.assumed ? { assumed: true, assumedParts: record.assumedParts } : {}),
  };
}
