import Table from "cli-table3";
import colors from "picocolors";
import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import { formatMismatch } from "../../check/rebuild/verdicts.ts";
import { attach as attachTo } from "../../live/attach.ts";
import type { AttachEnd, Attached } from "../../live/attach-options.ts";
import { startGuard } from "../../live/guard.ts";
import type { LiveState } from "../../live/live-state.ts";
import { findProfile } from "../../spapr/profile.ts";
import { untilInterrupted } from "../interrupt.ts";
import { flag, outputOption, profileOption, quietOption, text, value, wholeNumber } from "../options.ts";
import { Exit, print, printError, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface AttachVerbOptions {
  readonly qmp: string;
  readonly log: string | undefined;
  readonly base: boolean;
  readonly largeWindows: boolean;
  readonly for: number | undefined;
  readonly refresh: number;
  readonly mappings: boolean;
  readonly profile: string | undefined;
  readonly output: "human" | "json";
  readonly quiet: boolean;
}

/** `attach --qmp SOCKET`: follows the DMA windows of a running QEMU. */
export async function attach(options: AttachVerbOptions): Promise<number> {
  if (options.profile !== undefined) findProfile(options.profile);
  const json = options.output === "json";
  const live = !json && !options.quiet && process.stdout.isTTY;
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
      onAttached: (attached) => {
        if (json) print(toJson({ type: "attached", ...attached }));
        else if (!options.quiet) printError(describeAttached(attached));
      },
      onState: (state) => {
        if (json) print(toJson({ type: "state", ...state }));
        else if (live) redraw(state);
      },
    }),
  );
  if (json) print(toJson({ type: "end", reason: end.reason, message: end.message, ...end.state }));
  else if (!options.quiet) printEnd(end, live);
  return end.state.counts.mismatches > 0 ? Exit.WRONG : Exit.OK;
}

function describeAttached({ qemu, log, base }: Attached): string {
  const first = `QEMU ${qemu}, log ${log}`;
  if (base === null) return `${first}; no base state: entries are unknown until the trace shows them`;
  const paused = `the guest stood still for ${formatTime(base.pausedSeconds)}`;
  return `${first}; base state of ${formatSize(base.bytes)} with ${base.windows} windows, ${paused}`;
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

/** A state as text for people. */
export function formatState(state: LiveState): string {
  const table = new Table({
    head: ["LIOBN", "starts at", "page", "entries", "mapped", "known", "inferred", "unknown"],
    colAligns: ["left", "left", "right", "right", "right", "right", "right", "right"],
    style: { head: ["bold"], border: [] },
  });
  for (const window of state.windows) {
    const { known, inferred, unknown } = window.certainty;
    const counts = [window.entries, window.mapped, known, inferred, unknown].map(formatCount);
    const start = `${window.busOffset}${window.assumed ? " ?" : ""}`;
    table.push([window.liobn, start, formatSize(2 ** window.pageShift), ...counts]);
  }
  const { translations, statuses, confirmed, learned, mismatches } = state.counts;
  const checked = translations + statuses + confirmed;
  const findings = mismatches === 0 ? colors.green("no mismatch") : colors.red(`${mismatches} mismatches`);
  const lines = [
    table.toString(),
    `${formatCount(state.events)} events, ${formatCount(checked)} answers as the engine gives them, ${formatCount(learned)} learned, ${findings}`,
  ];
  if (state.damagedLines > 0)
    lines.push(colors.yellow(`${state.damagedLines} lines of the log could not be read`));
  for (const { mappings, liobn } of state.windows) {
    for (const { ioba, target, pages, perm, sameTarget } of mappings ?? []) {
      const each = sameTarget === true ? "each of " : "";
      lines.push(
        `${liobn} ${ioba} -> ${target} ${each}${formatCount(pages)} pages ${["-", "r", "w", "rw"][perm]}`,
      );
    }
  }
  return [...lines, ...state.mismatches.map(formatMismatch)].join("\n");
}

export const verb: Verb = defineVerb({
  name: "attach",
  summary: "follow the DMA windows of a running QEMU, by its monitor and its trace",
  arguments: [],
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
    outputOption(),
    quietOption("print nothing, only set the exit status"),
  ],
  examples: ["attach --qmp qmp.sock", "attach --qmp qmp.sock --for 10 --mappings --output json"],
  run: attach,
});
