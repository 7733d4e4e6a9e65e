import type { ReportTable, ScenarioReport } from "../lab/scenario.ts";
import { colors } from "./colors.ts";
import { tableText } from "./table.ts";
import { outputWidth } from "./terminal.ts";
import { wrap } from "./wrap.ts";

/** Columns of a line of prose. */
const PROSE = 100;

/** The report of a scenario as text for people. */
export function formatReport(report: ScenarioReport): string {
  const parts = [colors.bold(report.title), ...report.story.map(prose)];
  for (const table of report.tables) parts.push(formatTable(table));
  if (report.notes.length > 0) parts.push(report.notes.map(prose).join("\n"));
  parts.push(
    report.checks
      .map(
        ({ name, ok, detail }) => `${ok ? colors.green("ok    ") : colors.red("FAILED")} ${name} (${detail})`,
      )
      .join("\n"),
  );
  return parts.join("\n\n");
}

const prose = (text: string): string => wrap(text, Math.min(PROSE, outputWidth()));

/** Numbers are on the right; what cells say in words may be cut. */
function formatTable({ title, columns, rows }: ReportTable): string {
  const described = columns.map((head, i) => {
    const isNumber = rows.every((row) => /^(?:[\d.,]+(?: [^ ]+)?)?$/.test(row[i]!));
    return isNumber ? ({ head, align: "right" } as const) : { head, isCut: i > 0 };
  });
  return `${prose(title)}\n\n${tableText(described, rows)}`;
}
