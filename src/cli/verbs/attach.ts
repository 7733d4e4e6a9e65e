import { IommuError } from "../../base/errors.ts";
import { counted, formatCount, formatSize, formatTime } from "../../base/units.ts";
import { formatMismatch } from "../../check/rebuild/mismatch.ts";
import { attach as attachTo } from "../../live/attach.ts";
import type { AttachEnd, Attached, BaseKind } from "../../live/attach-options.ts";
import { startGuard } from "../../live/guard.ts";
import type { LiveState } from "../../live/live-state.ts";
import type { MonitorPlace } from "../../live/monitor-place.ts";
import { COMMAND_SECONDS } from "../../live/qmp.ts";
import { findProfile } from "../../spapr/profile.ts";
import { type AnswerOptions, RowPrinter } from "../answer.ts";
import { colors } from "../colors.ts";
import { untilInterrupted } from "../interrupt.ts";
import { answerOptions, flag, profileOption, quietOption, text, value, wholeNumber } from "../options.ts";
import { Exit, print, printError, toJson } from "../output.ts";
import { type TableColumn, tableText } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface AttachVerbOptions extends AnswerOptions {
  readonly qmp: string | undefined;
  readonly domain: string | undefined;
  readonly connect: string | undefined;
  readonly timeout: number;
  readonly log: string | undefined;
  readonly base: BaseKind | "auto";
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
  "doubt",
  "reason",
  "message",
  "doubts",
  "events",
  "damagedLines",
  "windows",
  "counts",
  "mismatches",
];

/** `attach --qmp SOCKET`, `attach --domain NAME`: follows the DMA windows of a running QEMU. */
export async function attach(options: AttachVerbOptions): Promise<number> {
  if (options.profile !== undefined) findProfile(options.profile);
  const { output, quiet } = options;
  const isHuman = output === "human" && !quiet;
  const isDrawn = isHuman && process.stdout.isTTY;
  const rows = new RowPrinter(COLUMNS, options);
  let attached: Attached | undefined;
  const end = await untilInterrupted((signal) =>
    attachTo({
      monitor: placeOf(options),
      log: options.log,
      base: options.base,
      largeWindows: options.largeWindows,
      profile: options.profile,
      guard: startGuard(),
      signal,
      seconds: options.for,
      timeoutSeconds: options.timeout,
      mappings: options.mappings,
      refreshSeconds: options.refresh / 1000,
      onAttached: (found) => {
        attached = found;
        rows.print({ type: "attached", ...found });
        if (isHuman) for (const line of describeAttached(found)) printError(line);
      },
      onState: (state) => {
        rows.print({ type: "state", ...state });
        if (isDrawn) redraw(state);
      },
      onDoubt: (doubt) => {
        rows.print({ type: "doubt", doubt });
        if (!quiet) printError(`warning: ${doubt}`);
      },
    }),
  );
  const { reason, message, doubts, error, state } = end;
  rows.print({ type: "end", reason, message, doubts, ...state });
  if (output === "json") print(toJson({ attached, reason, message, doubts, ...state }));
  if (isHuman) printEnd(end, isDrawn);
  if (error !== undefined) throw error;
  return state.counts.mismatches > 0 || doubts.length > 0 ? Exit.WRONG : Exit.OK;
}

function placeOf({ qmp, domain, connect }: AttachVerbOptions): MonitorPlace {
  if (qmp !== undefined && domain !== undefined)
    throw new IommuError("BAD_ARGUMENT", "--qmp and --domain exclude each other");
  if (qmp !== undefined) return { socket: qmp };
  if (domain !== undefined) return { domain, uri: connect };
  throw new IommuError(
    "BAD_ARGUMENT",
    "which QEMU? Name its monitor by --qmp SOCKET, or its libvirt domain by --domain NAME",
  );
}

function describeAttached({ qemu, log, base }: Attached): string[] {
  const { kind, refused, pausedSeconds, bytes, windows } = base;
  const known = counted(windows, "window");
  const told = {
    log: `${known} by the log since QEMU started (${formatSize(bytes)})`,
    save: `${known} by QEMU's saved state of ${formatSize(bytes)}; the guest stood still for ${formatTime(pausedSeconds)}`,
    mtree: `${known} by QEMU's memory tree; entries are unknown until the trace shows them`,
    none: "no base: windows and entries are unknown until the trace shows them",
  }[kind];
  return [...refused.map((reason) => `not by ${reason}`), `QEMU ${qemu}, log ${log}: ${told}`];
}

/** Draws a state over the one before. */
const redraw = (state: LiveState): void => {
  process.stdout.write("\x1b[H\x1b[2J");
  print(formatState(state));
};

function printEnd(end: AttachEnd, live: boolean): void {
  if (live) redraw(end.state);
  else print(formatState(end.state));
  if (end.error === undefined) printError(end.message);
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
    text("--qmp <socket>", "the monitor: a QEMU started with -qmp unix:SOCKET,server=on,wait=off"),
    text("--domain <name>", "a domain of libvirt, by name, number or UUID, through virsh"),
    text("--connect <uri>", "libvirt's URI for --domain, such as qemu:///system"),
    text("--log <file>", "where QEMU writes its log (default: what its -D says, or the domain's log)"),
    text(
      "--base <how>",
      "what is known to begin with: log (all that was logged since QEMU started), save (QEMU's saved state: the guest stands still for a moment), mtree (windows without entries), none, or auto: the first of these that can be had",
    )
      .choices(["auto", "log", "save", "mtree", "none"])
      .default("auto"),
    flag("--large-windows", "save the state even if a window may be too large for QEMU to save"),
    value(
      "--timeout <seconds>",
      "the longest that one command to the monitor may take",
      wholeNumber(1, 86_400),
    ).default(COMMAND_SECONDS),
    value("--for <seconds>", "end after so many seconds", wholeNumber(1, 2_000_000)),
    value("--refresh <ms>", "time between two states", wholeNumber(10, 3_600_000)).default(500),
    flag("--mappings", "show all mappings of all windows"),
    profileOption(),
    ...answerOptions(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: [
    "attach --qmp qmp.sock",
    "attach --domain guest --connect qemu:///system",
    "attach --qmp qmp.sock --for 10 --mappings --output jsonl",
  ],
  run: attach,
});
