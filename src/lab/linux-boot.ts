import { IommuError } from "../base/errors.ts";
import { hex64 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import { DEFAULT_CHECK_OPTIONS } from "../check/check-options.ts";
import { formatMismatch } from "../check/rebuild/mismatch.ts";
import { TraceCheck } from "../check/trace-check.ts";
import type { Scenario, ScenarioContext, ScenarioReport } from "./scenario.ts";

/** The hypercalls of a recorded boot of Linux, done again here, and every answer compared with QEMU's. */
export const linuxBoot: Scenario = {
  name: "linux-boot",
  summary:
    "the hypercalls of a recorded Linux boot, every status and translation compared with real QEMU's (--trace FILE)",
  run: runLinuxBoot,
};

async function runLinuxBoot(context: ScenarioContext): Promise<ScenarioReport> {
  const check = new TraceCheck(context.trace.name, DEFAULT_CHECK_OPTIONS, { profile: context.profile });
  for await (const chunk of context.trace.open()) check.push(chunk);
  const report = check.end();
  if (report.events === 0 || report.format === "linux-dma") {
    throw new IommuError(
      "UNSUPPORTED",
      `${context.trace.name}: no spapr_iommu events, is it a trace of QEMU's?`,
    );
  }
  const { rebuild } = check;
  const { counts } = rebuild;
  const windows = [...rebuild.windows].sort(([a], [b]) => a - b);
  const sum = { known: 0, inferred: 0, unknown: 0, empty: 0 };
  const rows = windows.map(([liobn, rebuilt]) => {
    const { window, assumed } = rebuilt;
    const classes = rebuilt.classes();
    for (const key of ["known", "inferred", "unknown", "empty"] as const) sum[key] += classes[key];
    return [
      `0x${liobn.toString(16).padStart(8, "0")}`,
      hex64(window.busOffset),
      `${formatSize(window.sizeBytes)}${assumed ? " (assumed)" : ""}`,
      formatSize(window.minPageSize()),
      ...(["known", "inferred", "unknown", "empty"] as const).map((key) => formatCount(classes[key])),
    ];
  });
  return {
    scenario: "linux-boot",
    title: `The hypercalls of ${context.trace.name}, done again and compared`,
    story: [
      `${formatCount(report.events)} events of real QEMU were read (${report.format}; ${formatCount(report.skippedLines)} other lines or records left out). Each call of the guest was made again on a machine of ours, and each translation looked up in its windows.`,
    ],
    tables: [
      {
        title: "Answers compared with the recorded ones",
        columns: ["what", "number"],
        rows: [
          ["statuses and values as recorded", formatCount(counts.statuses)],
          ["translations as recorded", formatCount(counts.translations)],
          ["inferred entries confirmed", formatCount(counts.confirmed)],
          ["inferred entries contradicted", formatCount(counts.contradicted)],
          ["unknown entries learned", formatCount(counts.learned)],
          ["VIO tables found cleared without a line", formatCount(counts.silentClears)],
          ["not determined by the trace", formatCount(counts.undetermined)],
          ["different from the recording", formatCount(report.mismatches)],
        ],
      },
      {
        title: "Windows at the end, and how sure their entries are",
        columns: ["LIOBN", "bus address", "size", "page", "known", "inferred", "unknown", "empty"],
        rows: [...rows, ["all", "", "", "", ...Object.values(sum).map((count) => formatCount(count))]],
      },
    ],
    notes: [
      "known: printed by the trace, or confirmed by it. inferred: entries of a list of which only the last one is printed, taken as linear. unknown: may hold anything. empty: known to be zero.",
    ],
    checks: [
      {
        name: "every answer that the trace determines is the recorded one",
        ok: report.mismatches === 0,
        detail:
          report.mismatches === 0
            ? `${formatCount(counts.statuses + counts.translations + counts.confirmed)} answers`
            : rebuild.mismatches.slice(0, 5).map(formatMismatch).join("\n"),
      },
    ],
    data: {
      trace: context.trace.name,
      events: report.events,
      skippedLines: report.skippedLines,
      counts,
      entries: sum,
      windows: windows.map(([liobn, rebuilt]) => ({
        liobn: `0x${liobn.toString(16)}`,
        busOffset: hex64(rebuilt.window.busOffset),
        pageShift: rebuilt.window.pageShift,
        entries: rebuilt.window.entries,
        assumed: rebuilt.assumed,
        ...rebuilt.classes(),
      })),
      mismatches: rebuild.mismatches,
    },
  };
}
