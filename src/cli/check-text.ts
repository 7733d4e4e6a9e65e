/**
 * What a check came to, as lines for people.
 *
 * @module
 */

import { counted, formatCount } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import type { BouncedMaps } from "../check/linux/bounces.ts";
import type { CheckReport } from "../check/report.ts";
import { type AgainstCheckReport, sumOfAgreements } from "../check/saved/against-check.ts";
import { colors } from "./colors.ts";

/** What was read of a saved machine, and what was found. */
export function streamText({ events, verified, windows, findings, notJudged }: CheckReport): string {
  const found = findings.length === 0 ? colors.green("nothing found") : counted(findings.length, "finding");
  return `migration-stream, ${counted(events, "section")}, ${formatCount(verified)} as described, ${counted(windows.length, "window")}, ${found}${notJudgedText(notJudged)}`;
}

/** `; not judged: 3 …`, or nothing. */
function notJudgedText(notJudged: CheckReport["notJudged"]): string {
  const not = notJudged.map(({ count, reason }) => `${formatCount(count)} ${reason}`);
  return not.length === 0 ? "" : `; not judged: ${not.join(", ")}`;
}

/** `5,067 events of 2 devices: 2,480 maps, …, 0 mistakes; not judged: …` */
export function judgedText(report: CheckReport): string {
  const { judged, notJudged, findings, droppedFindings } = report;
  const ofLinux = report.format === "linux-dma";
  const whose = ofLinux ? counted(judged.devices, "device") : counted(judged.windows, "window");
  const parts = ofLinux ? linuxParts(report) : qemuParts(report);
  const mistakes = findings.filter(({ severity }) => severity === "error").length;
  const warnings = findings.length - mistakes;
  parts.push((mistakes > 0 ? colors.red : colors.green)(counted(mistakes, "mistake")));
  if (warnings > 0) parts.push(colors.yellow(counted(warnings, "warning")));
  if (droppedFindings > 0) parts.push(`${formatCount(droppedFindings)} more left out`);
  return `${report.format}, ${counted(judged.events, "event")} of ${whose}: ${parts.join(", ")}${notJudgedText(notJudged)}`;
}

function qemuParts({ judged, hostWindows = [] }: CheckReport): string[] {
  const parts = [`${counted(judged.answers, "answer")} verified`];
  if (judged.hostEvents === 0) return parts;
  const made = hostWindows.filter(({ createdAt }) => createdAt !== undefined).length;
  const removed = hostWindows.filter(({ removedAt }) => removedAt !== undefined).length;
  const windows = hostWindows.length === 0 ? "" : ` (windows: ${made} made, ${removed} removed)`;
  return [...parts, `${counted(judged.hostEvents, "event")} of the host's side${windows}`];
}

function linuxParts({ judged, findings }: CheckReport): string[] {
  const { events, maps, unmaps, syncs, failed, alive, alivePatterns } = judged;
  const parts = events === 0 ? [] : [counted(maps, "map"), counted(unmaps, "unmap")];
  if (syncs > 0) parts.push(counted(syncs, "sync"));
  if (failed > 0) parts.push(`${formatCount(failed)} failed`);
  const leaked = findings
    .filter(({ kind }) => kind === "leak" || kind === "never-unmapped")
    .reduce((sum, { count }) => sum + count, 0);
  const spared = Math.max(0, alive - leaked);
  const patterns = alive > 0 ? ` (${counted(alivePatterns, "pattern")}, ${formatCount(spared)} spared)` : "";
  if (events > 0) parts.push(`${formatCount(alive)} alive${patterns}`);
  if (judged.kernelLines > 0) parts.push(`${counted(judged.kernelLines, "line")} of the kernel`);
  if (judged.ranges > 0)
    parts.push(`${counted(judged.ranges, "range")} of the IOMMU, ${formatCount(judged.rangesAlive)} alive`);
  return parts;
}

/** `bounced: 0000:00:06.0 FROM_DEVICE: 40 buffers, 41,943,040 bytes (512 each), 40 beyond its 32 bits`. */
export function bouncedText({
  device,
  direction,
  count,
  bytes,
  smallest,
  largest,
  ...row
}: BouncedMaps): string {
  const size =
    smallest === largest
      ? `${formatCount(largest)} each`
      : `${formatCount(smallest)} to ${formatCount(largest)}`;
  const why = [
    ...(row.beyondMask > 0 ? [`${formatCount(row.beyondMask)} beyond its ${row.maskBits} bits`] : []),
    ...(row.forced > 0 ? [`${formatCount(row.forced)} by force`] : []),
  ];
  const name = visible(direction === null ? device : `${device} ${direction}`);
  return [`bounced: ${name}: ${counted(count, "buffer")}, ${counted(bytes, "byte")} (${size})`, ...why].join(
    ", ",
  );
}

/** What the comparison came to, as a line for people. */
export function againstText({ file, against }: AgainstCheckReport): string {
  const { before, saves, windows } = against;
  const { agreed, confirmed, unknown, unknownMapped, differing, contradicted } = sumOfAgreements(windows);
  const when = before === undefined ? "at its end" : `before event ${before.event} (line ${before.line})`;
  const parts = [
    counted(agreed, "entry agrees", "entries agree"),
    `${counted(confirmed, "inferred one is", "inferred ones are")} confirmed`,
    `${counted(unknown, "is", "are")} unknown to the trace (${formatCount(unknownMapped)} of them not zero)`,
    counted(differing, "differs", "differ"),
  ];
  if (contradicted > 0)
    parts.push(`${counted(contradicted, "inferred one is", "inferred ones are")} contradicted`);
  const chosen = saves > 1 ? `; it was saved ${saves} times, and agrees best there` : "";
  return `${file} ${when} against ${against.file}: ${parts.join(", ")}${chosen}`;
}
