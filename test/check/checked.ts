import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import type { Finding } from "../../src/check/finding.ts";
import { type CheckReport, TraceCheck } from "../../src/check/trace-check.ts";

/** Checks a text or the bytes of a trace. */
export function checkTrace(content: string | Uint8Array, options: Partial<CheckOptions> = {}): CheckReport {
  const check = new TraceCheck("trace", { ...DEFAULT_CHECK_OPTIONS, ...options });
  check.push(typeof content === "string" ? new TextEncoder().encode(content) : content);
  return check.end();
}

/** The pages that findings are about, as `kind liobn ioba`, sorted; one line for each page. */
function pagesOf(findings: readonly Finding[], shiftOf: (liobn: number) => number): string[] {
  const pages: string[] = [];
  for (const { kind, liobn, ioba, pages: count } of findings) {
    if (ioba === undefined || liobn === undefined) pages.push(kind);
    else {
      const shift = BigInt(shiftOf(liobn));
      for (let i = 0n; i < BigInt(count); i++) pages.push(`${kind} ${liobn} ${ioba + (i << shift)}`);
    }
  }
  return pages.sort();
}
