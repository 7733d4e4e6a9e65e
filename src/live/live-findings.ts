import { hex } from "../base/u64.ts";
import type { Finding } from "../check/findings/finding.ts";
import type { FindingKind, Severity } from "../check/findings/kinds.ts";
import type { FindingLog } from "../check/findings/log.ts";

/** Findings that are shown: the last ones. All are counted. */
const SHOWN_FINDINGS = 50;

/**
 * Something wrong in the guest, as `check` says it, in short.
 *
 * @public
 */
export interface LiveFinding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** Null where no window is concerned. */
  readonly liobn: string | null;
  /** First bus address; null where no address is concerned. */
  readonly ioba: string | null;
  readonly pages: number;
  /** How often it happened. */
  readonly count: number;
  /** Line of the log, from where it is read, that shows it last; null where no line does. */
  readonly line: number | null;
  readonly message: string;
}

/**
 * What was found so far. That something was never unmapped shows at the end only.
 *
 * @public
 */
export interface LiveFindings {
  readonly errors: number;
  readonly warnings: number;
  /** Findings beyond the first 10,000, of which nothing else is known. */
  readonly dropped: number;
  /** Those that were found last. */
  readonly last: readonly LiveFinding[];
}

/** The findings so far; shares nothing with the log, which goes on. */
export function describeFindings({ findings, dropped }: FindingLog): LiveFindings {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  return {
    errors,
    warnings: findings.length - errors,
    dropped,
    last: findings.slice(-SHOWN_FINDINGS).map(describeFinding),
  };
}

const describeFinding = ({
  kind,
  severity,
  liobn,
  ioba,
  pages,
  count,
  lines,
  message,
}: Finding): LiveFinding => ({
  kind,
  severity,
  liobn: liobn === undefined ? null : hex(liobn),
  ioba: ioba === undefined ? null : hex(ioba),
  pages,
  count,
  line: lines.at(-1) ?? null,
  message,
});
