import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "../../src/check/check-options.ts";
import type { CheckReport } from "../../src/check/report.ts";
import { TraceCheck } from "../../src/check/trace-check.ts";

/** Checks a text or the bytes of a trace. */
export function checkTrace(content: string | Uint8Array, options: Partial<CheckOptions> = {}): CheckReport {
  const check = new TraceCheck("trace", { ...DEFAULT_CHECK_OPTIONS, ...options });
  check.push(typeof content === "string" ? new TextEncoder().encode(content) : content);
  return check.end();
}
