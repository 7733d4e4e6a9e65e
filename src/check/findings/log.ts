import type { Finding } from "./finding.ts";
import { FINDING_KINDS, type FindingKind, type Severity } from "./kinds.ts";
import type { Place } from "./place.ts";

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
      pci: undefined,
      ioba: found.ioba,
      pages: found.pages ?? 0,
      events: places.map(({ event }) => event),
      lines: places.map(({ line }) => line),
      logLines: found.places.filter(({ isInLog }) => isInLog === true).map(({ line }) => line),
      count: 1,
      time: found.time,
      task: found.task,
      stack: [],
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
