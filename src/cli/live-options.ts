import type { Option } from "commander";
import { IommuError } from "../base/errors.ts";
import { counted, formatSize, formatTime } from "../base/units.ts";
import type { AttachEnd, Attached, BaseKind } from "../live/attach-options.ts";
import { startGuard } from "../live/guard.ts";
import type { FeedItem, FeedOptions } from "../live/live-feed.ts";
import type { MonitorPlace } from "../live/monitor-place.ts";
import { COMMAND_SECONDS } from "../live/qmp.ts";
import { findProfile } from "../spapr/profile.ts";
import { Exit, statusOfFindings } from "./exit-status.ts";
import { flag, profileOption, text, value, wholeNumber } from "./options.ts";
import { printError } from "./output.ts";

/** Which running QEMU, and how it is followed; see {@link liveOptions}. */
export interface LiveOptions {
  readonly qmp: string | undefined;
  readonly domain: string | undefined;
  readonly connect: string | undefined;
  readonly timeout: number;
  readonly log: string | undefined;
  readonly base: BaseKind | "auto";
  readonly largeWindows: boolean;
  readonly for: number | undefined;
  readonly refresh: number;
  readonly profile: string | undefined;
}

/** What the verbs have that follow a running QEMU. */
export const liveOptions = (): Option[] => [
  text("--qmp <socket>", "the monitor: a QEMU started with -qmp unix:SOCKET,server=on,wait=off"),
  text(
    "--domain <name>",
    "a domain of libvirt, by name, number or UUID, through virsh; libvirt then notes that it is tainted (custom-monitor)",
  ),
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
  value(
    "--refresh <ms>",
    "time between two states; the screen shows five a second at most",
    wholeNumber(10, 3_600_000),
  ).default(500),
  profileOption(),
];

/** Is a running QEMU named? */
export const isLive = ({ qmp, domain }: LiveOptions): boolean => qmp !== undefined || domain !== undefined;

/**
 * How the options want a running QEMU to be followed.
 *
 * @param signal ends that
 * @throws IommuError BAD_ARGUMENT if none is named, or more than one, or by an empty name
 */
export function feedOf(options: LiveOptions, mappings: boolean, signal: AbortSignal): FeedOptions {
  const { log, base, largeWindows, profile, timeout, refresh } = options;
  if (profile !== undefined) findProfile(profile);
  for (const name of ["qmp", "domain", "log"] as const)
    if (options[name] === "") throw new IommuError("BAD_ARGUMENT", `--${name} needs a name: it is empty`);
  return {
    monitor: placeOf(options),
    log,
    base,
    largeWindows,
    profile,
    guard: startGuard(),
    signal,
    seconds: options.for,
    timeoutSeconds: timeout,
    mappings,
    refreshSeconds: refresh / 1000,
  };
}

function placeOf({ qmp, domain, connect }: LiveOptions): MonitorPlace {
  if (qmp !== undefined && domain !== undefined)
    throw new IommuError("BAD_ARGUMENT", "--qmp and --domain exclude each other");
  if (qmp !== undefined) return { socket: qmp };
  if (domain !== undefined) return { domain, uri: connect };
  throw new IommuError(
    "BAD_ARGUMENT",
    "which QEMU? Name its monitor by --qmp SOCKET, or its libvirt domain by --domain NAME",
  );
}

/** Says what there is besides states. */
export function tell(item: FeedItem, isHuman: boolean): void {
  if (item.type === "doubt") printError(`warning: ${item.doubt}`);
  if (item.type === "attached" && isHuman) for (const line of describeAttached(item)) printError(line);
}

/** The exit status that the end of a session calls for. */
export function statusOfEnd({ doubts, state: { counts, findings } }: AttachEnd): number {
  if (counts.mismatches > 0 || doubts.length > 0) return Exit.WRONG;
  return statusOfFindings(findings.errors, findings.warnings + findings.dropped);
}

function describeAttached({ qemu, log, taint, base }: Attached): string[] {
  const { kind, refused, pausedSeconds, bytes, windows } = base;
  const known = counted(windows, "window");
  const told = {
    log: `${known} by the log since QEMU started (${formatSize(bytes)})`,
    save: `${known} by QEMU's saved state of ${formatSize(bytes)}; the guest stood still for ${formatTime(pausedSeconds)}`,
    mtree: `${known} by QEMU's memory tree; entries are unknown until the trace shows them`,
    none: "no base: windows and entries are unknown until the trace shows them",
  }[kind];
  const tainted = taint === null ? [] : [`libvirt notes in its log that the domain is tainted: ${taint}`];
  return [...refused.map((reason) => `not by ${reason}`), ...tainted, `QEMU ${qemu}, log ${log}: ${told}`];
}
