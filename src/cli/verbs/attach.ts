import { counted, formatCount, formatSize } from "../../base/units.ts";
import { formatMismatch } from "../../check/rebuild/mismatch.ts";
import type { AttachEnd, Attached } from "../../live/attach-options.ts";
import { type FeedItem, type FeedOptions, followFeed } from "../../live/live-feed.ts";
import type { LiveFindings } from "../../live/live-findings.ts";
import type { LiveSnapshot } from "../../live/live-state.ts";
import { type AnswerOptions, RowPrinter } from "../answer.ts";
import { colors } from "../colors.ts";
import { untilInterrupted } from "../interrupt.ts";
import { feedOf, type LiveOptions, liveOptions, statusOfEnd, tell } from "../live-options.ts";
import { answerOptions, flag, quietOption, text } from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { LiveScreen } from "../screen/live-screen.ts";
import { type TableColumn, tableText } from "../table.ts";
import { noteInput } from "../used-files.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface AttachVerbOptions extends AnswerOptions, LiveOptions {
  readonly mappings: boolean;
  readonly screen: boolean;
  readonly out: string | undefined;
  readonly quiet: boolean;
}

const COLUMNS = [
  "type",
  "qemu",
  "log",
  "taint",
  "base",
  "doubt",
  "reason",
  "message",
  "seconds",
  "lag",
  "events",
  "eventsPerSecond",
  "damagedLines",
  "windows",
  "traffic",
  "alive",
  "counts",
  "mismatches",
  "findings",
  "doubts",
];

/** `attach --qmp SOCKET`, `attach --domain NAME`: follows the DMA windows of a running QEMU. */
export async function attach(options: AttachVerbOptions): Promise<number> {
  const { output, quiet } = options;
  const rows = new RowPrinter(COLUMNS, options);
  let attached: Attached | undefined;
  const end = await untilInterrupted((signal) => {
    const feed = feedOf(options, options.mappings, signal);
    if (isOnScreen(options)) return followOnScreen(feed);
    return followFeed(feed, (item) => {
      const { type, ...rest } = item;
      // `--out` must not take its place.
      if (item.type === "attached") noteInput(item.log);
      rows.print({ type, ...rest });
      if (item.type === "attached") attached = rest as Attached;
      if (!quiet) tell(item, output === "human");
    });
  });
  const { reason, message, error, state } = end;
  if (output === "json") print(toJson({ attached, reason, message, ...state }));
  if (output === "human" && !quiet) {
    print(formatState(state));
    if (error === undefined) printError(message);
  }
  if (error !== undefined) throw error;
  return statusOfEnd(end);
}

/** Is there a terminal that is to be drawn on? A list of all mappings is to be read, not watched. */
const isOnScreen = ({ output, quiet, screen, mappings, out }: AttachVerbOptions): boolean =>
  screen && output === "human" && !quiet && !mappings && out === undefined && process.stdout.isTTY;

/** Follows on the whole terminal; what is to be remembered is told when the terminal is as before. */
async function followOnScreen(feed: FeedOptions): Promise<AttachEnd> {
  const said: FeedItem[] = [];
  // As Ctrl-C does it, of which the second one ends at once.
  const screen = new LiveScreen(() => process.kill(process.pid, "SIGINT"));
  feed.signal.addEventListener("abort", () => screen.ends());
  screen.open();
  try {
    return await followFeed(feed, (item) => {
      if (item.type === "attached" || item.type === "doubt") said.push(item);
      screen.take(item);
    });
  } finally {
    screen.close();
    for (const item of said) tell(item, true);
  }
}

const TABLE: readonly TableColumn[] = [
  { head: "LIOBN" },
  { head: "starts at" },
  ...["page", "entries", "mapped", "known", "inferred", "unknown"].map(
    (head): TableColumn => ({ head, align: "right" }),
  ),
];

/** A state as text for people. */
export function formatState(state: LiveSnapshot): string {
  const rows = state.windows.map((window) => {
    const { known, inferred, unknown } = window.certainty;
    const counts = [window.entries, window.mapped, known, inferred, unknown].map(formatCount);
    const start = `${window.busOffset}${window.assumed ? " ?" : ""}${window.bypass ? " bypassed" : ""}`;
    return [window.liobn, start, formatSize(2 ** window.pageShift), ...counts];
  });
  const { translations, statuses, confirmed, learned, mismatches } = state.counts;
  const checked = translations + statuses + confirmed;
  const findings =
    mismatches === 0 ? colors.green("no mismatch") : colors.red(counted(mismatches, "mismatch"));
  const lines = [
    tableText(TABLE, rows),
    `${counted(state.events, "event")}, ${counted(checked, "answer")} as the engine gives them, ${formatCount(learned)} learned, ${findings}`,
  ];
  lines.push(...findingLines(state.findings));
  if (state.damagedLines > 0)
    lines.push(colors.yellow(`${counted(state.damagedLines, "line")} of the log could not be read`));
  for (const { mappings, liobn } of state.windows) {
    for (const { ioba, target, pages, perm, sameTarget } of mappings ?? []) {
      const each = sameTarget === true ? "each of " : "";
      lines.push(
        `${liobn} ${ioba} -> ${target} ${each}${counted(pages, "page")} ${["-", "r", "w", "rw"][perm]}`,
      );
    }
  }
  return [...lines, ...state.mismatches.map(formatMismatch)].join("\n");
}

/** What was found, in short; `check` says more of the log. */
function findingLines({ errors, warnings, dropped, last }: LiveFindings): string[] {
  const lines = last.map(({ kind, severity, liobn, ioba, count, line, message }) => {
    const where = [liobn, ioba, line === null ? null : `line ${line}`].filter((part) => part !== null);
    const mark = severity === "error" ? colors.red : colors.yellow;
    const times = count > 1 ? ` (${formatCount(count)} times)` : "";
    return `${mark(`${severity}: ${kind}`)}: ${where.join(" ")}: ${message}${times}`;
  });
  const more = errors + warnings + dropped - last.length;
  if (more > 0) lines.unshift(`${counted(more, "earlier finding")} not shown: check the log`);
  return lines;
}

export const verb: Verb = defineVerb({
  name: "attach",
  summary: "follow the DMA windows of a running QEMU, by its monitor and its trace",
  arguments: [],
  screen: "drawn",
  options: [
    ...liveOptions(),
    flag("--mappings", "show all mappings of all windows"),
    text("--no-screen", "on a terminal, do not take the whole screen, but print the state at the end"),
    ...answerOptions(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: [
    "attach --qmp qmp.sock",
    "attach --domain guest --connect qemu:///system",
    "attach --qmp qmp.sock --no-screen --for 60",
    "attach --qmp qmp.sock --for 10 --mappings --output jsonl",
  ],
  run: attach,
});
