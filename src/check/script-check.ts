import { type OpScript, parseOpScript } from "../formats/op-script/script.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import { opRecording } from "../script/op/recording.ts";
import { Machine } from "../spapr/machine.ts";
import { formatTraceEvent } from "../spapr/trace-events.ts";
import type { CheckOptions } from "./check-options.ts";
import { judgedWindows } from "./findings/judged.ts";
import { FindingLog } from "./findings/log.ts";
import { TraceFindings } from "./qemu/trace-findings.ts";
import { Rebuild } from "./rebuild/rebuild.ts";
import type { CheckReport } from "./report.ts";

/**
 * Checks an op script: runs it, compares the results that it has, and looks at
 * the trace of the run as at that of any other machine. Lines are the script's.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake
 */
export function checkOpScript(text: string, file: string, options: CheckOptions): CheckReport {
  const script = parseOpScript(text, file);
  const findings = new TraceFindings({ ...options, ram: options.ram ?? script.config.ramSize });
  const rebuild = new Rebuild(undefined, findings);
  const results = new FindingLog();
  const encoder = new TextEncoder();
  const reader = new QemuLogReader((event) => rebuild.handle(event));
  for (const table of firstTables(script)) reader.push(encoder.encode(table));
  let verified = 0;
  let different = 0;
  for (const { line, operation, verdict, events, expected, result } of opRecording(script).run({
    events: true,
  })) {
    for (const event of events) {
      // The events of one operation stand at its line.
      reader.line = line - 1;
      reader.push(encoder.encode(`${formatTraceEvent(event)}\n`));
    }
    if (verdict === "same") verified++;
    if (verdict !== "different") continue;
    different++;
    results.add({
      kind: "mismatch",
      ...addressOf(operation as Readonly<Record<string, unknown>>),
      places: [{ event: reader.counts.events, line }],
      message: `the recorded result is ${JSON.stringify(expected)}, ours is ${JSON.stringify(result)}`,
    });
  }
  rebuild.end();
  findings.end(reader.counts.events);
  return {
    file,
    format: "op-script",
    events: reader.counts.events,
    skippedLines: 0,
    verified,
    mismatches: different,
    judged: judgedWindows(reader.counts.events, findings.windows.length, verified),
    notJudged: [],
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

/** What a machine that began with its windows would have printed: their tables, empty. */
function* firstTables(script: OpScript): Generator<string> {
  const machine = new Machine(script.config);
  const windows = [
    ...machine.phbs.flatMap((phb) => phb.windows),
    ...machine.vio.devices.map(({ window }) => window),
  ];
  for (const window of windows) {
    if (window?.enabled)
      yield `spapr_iommu_new_table liobn=0x${window.liobn.toString(16)} table=0x1000 fd=-1\n`;
  }
}
