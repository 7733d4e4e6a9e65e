import { counted, formatCount, formatSize, formatTime } from "../../base/units.ts";
import { formatMismatch } from "../../check/rebuild/mismatch.ts";
import { attach as attachTo } from "../../live/attach.ts";
import type { AttachEnd, Attached } from "../../live/attach-options.ts";
import { startGuard } from "../../live/guard.ts";
import type { LiveState } from "../../live/live-state.ts";
import { findProfile } from "../../spapr/profile.ts";
import { type AnswerOptions, RowPrinter } from "../answer.ts";
import { colors } from "../colors.ts";
import { untilInterrupted } from "../interrupt.ts";
import { answerOptions, flag, profileOption, quietOption, text, value, wholeNumber } from "../options.ts";
import { Exit, print, printError, toJson } from "../output.ts";
import { type TableColumn, tableText } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface AttachVerbOptions extends AnswerOptions {
  readonly qmp: string;
  readonly log: string | undefined;
  readonly base: boolean;
  readonly largeWindows: boolean;
  readonly for: number | undefined;
  readonly refresh: number;
  readonly mappings: boolean;
  readonly profile: string | undefined;
  readonly quiet: boolean;
}

const COLUMNS = [
  "type",
  "qemu",
  "log",
  "base",
  "reason",
  "message",
  "events",
  "damagedLines",
  "windows",
  "counts",
  "mismatches",
];

/** `attach --qmp SOCKET`: follows the DMA windows of a running QEMU. */
export async function attach(options: AttachVerbOptions): Promise<number> {
  if (options.profile !== undefined) findProfile(options.profile);
  const { output, quiet } = options;
  const isHuman = output === "human";
  const isDrawn = isHuman && !quiet && process.stdout.isTTY;
  const rows = new RowPrinter(COLUMNS, options);
  let attached: Attached | undefined;
  const end = await untilInterrupted((signal) =>
    attachTo({
      socket: options.qmp,
      log: options.log,
      base: options.base,
      largeWindows: options.largeWindows,
      profile: options.profile,
      guard: startGuard(),
      signal,
      seconds: options.for,
      mappings: options.mappings,
      refreshSeconds: options.refresh / 1000,
      onAttached: (found) => {
        attached = found;
        rows.print({ type: "attached", ...found });
        if (isHuman && !quiet) printError(describeAttached(found));
      },
      onState: (state) => {
        rows.print({ type: "state", ...state });
        if (isDrawn) redraw(state);
      },
    }),
  );
  const { reason, message, state } = end;
  rows.print({ type: "end", reason, message, ...state });
  if (output === "json") print(toJson({ attached, reason, message, ...state }));
  if (isHuman && !quiet) printEnd(end, isDrawn);
  return state.counts.mismatches > 0 ? Exit.WRONG : Exit.OK;
}

function describeAttached({ qemu, log, base }: Attached): string {
  const first = `QEMU ${qemu}, log ${log}`;
  if (base === null) return `${first}; no base state: entries are unknown until the trace shows them`;
  const paused = `the guest stood still for ${formatTime(base.pausedSeconds)}`;
  return `${first}; base state of ${formatSize(base.bytes)} with ${counted(base.windows, "window")}, ${paused}`;
}

/** Draws a state over the one before. */
const redraw = (state: LiveState): void => {
  process.stdout.write("\x1b[H\x1b[2J");
  print(formatState(state));
};

function printEnd(end: AttachEnd, live: boolean): void {
  if (live) redraw(end.state);
  else print(formatState(end.state));
  printError(end.message);
}

const TABLE: readonly TableColumn[] = [
  { head: "LIOBN" },
  { head: "starts at" },
  ...["page", "entries", "mapped", "known", "inferred", "unknown"].map(
    (head): TableColumn => ({ head, align: "right" }),
  ),
];

/** A state as text for people. */
export function formatState(state: LiveState): string {
  const rows = state.windows.map((window) => {
    const { known, inferred, unknown } = window.certainty;
    const counts = [window.entries, window.mapped, known, inferred, unknown].map(formatCount);
    const start = `${window.busOffset}${window.assumed ? " ?" : ""}`;
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

export const verb: Verb = defineVerb({
  name: "attach",
  summary: "follow the DMA windows of a running QEMU, by its monitor and its trace",
  arguments: [],
  screen: "drawn",
  options: [
    text(
      "--qmp <socket>",
      "the monitor: a QEMU started with -qmp unix:SOCKET,server=on,wait=off",
    ).makeOptionMandatory(),
    text("--log <file>", "where QEMU writes its log (default: what its -D says)"),
    text("--no-base", "do not take the machine's state first, which stops the guest for a moment"),
    flag("--large-windows", "take it even if a window may be too large for QEMU to save"),
    value("--for <seconds>", "end after so many seconds", wholeNumber(1, 1_000_000_000)),
    value("--refresh <ms>", "time between two states", wholeNumber(10, 3_600_000)).default(500),
    flag("--mappings", "show all mappings of all windows"),
    profileOption(),
    ...answerOptions(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: ["attach --qmp qmp.sock", "attach --qmp qmp.sock --for 10 --mappings --output jsonl"],
  run: attach,
});
