import type { CheckOptions } from "./check-options.ts";
import { judgedWindows } from "./findings/judged.ts";
import { FindingLog } from "./findings/log.ts";
import { TraceFindings } from "./qemu/trace-findings.ts";
import { Rebuild } from "./rebuild/rebuild.ts";
import type { CheckReport } from "./report.ts";
import { ScriptTrace } from "./script-trace.ts";

/**
 * Checks an op script: runs it, compares the results that it has, and looks at
 * the trace of the run as at that of any other machine. Lines are the script's.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake
 */
export function checkOpScript(text: string, file: string, options: CheckOptions): CheckReport {
  const trace = new ScriptTrace(text, file, (event) => rebuild.handle(event));
  const findings = new TraceFindings({ ...options, ram: options.ram ?? trace.script.config.ramSize });
  const rebuild = new Rebuild(undefined, findings, trace.windows);
  const results = new FindingLog();
  let verified = 0;
  let different = 0;
  for (const { line, operation, verdict, expected, result } of trace.run()) {
    if (verdict === "same") verified++;
    if (verdict !== "different") continue;
    different++;
    results.add({
      kind: "mismatch",
      ...addressOf(operation as Readonly<Record<string, unknown>>),
      places: [{ event: trace.events, line }],
      message: `the recorded result is ${JSON.stringify(expected)}, ours is ${JSON.stringify(result)}`,
    });
  }
  rebuild.end();
  findings.end(trace.events);
  return {
    file,
    format: "op-script",
    events: trace.events,
    skippedLines: 0,
    verified,
    mismatches: different,
    judged: judgedWindows(trace.events, findings.windows.length, verified),
    notJudged: [],
    bounced: [],
    windows: findings.windows,
    findings: [...results.findings, ...findings.log.findings],
    droppedFindings: findings.log.dropped + results.dropped,
  };
}

/** The window and the bus address of an operation, if it has them. */
function addressOf({ liobn, ioba }: Readonly<Record<string, unknown>>): { liobn?: number; ioba?: bigint } {
  return {
    ...(typeof liobn === "string" ? { liobn: Number(liobn) } : {}),
    ...(typeof ioba === "string" ? { ioba: BigInt(ioba) } : {}),
  };
}
