import { hex, hex64 } from "../../base/u64.ts";
import { counted, formatCount } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { type ListedDevice, pciDeviceText, pciDeviceToJson } from "../../formats/machine/pci-devices.ts";
import type { FindingStack } from "./finding-stack.ts";
import type { FindingKind, Severity } from "./kinds.ts";

/**
 * Something wrong in a trace, with the events that prove it.
 *
 * @public
 */
export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** Window, as a number; undefined where the trace has none (`dma:*` events). */
  readonly liobn: number | undefined;
  /** Device, where the trace names devices instead of windows. */
  readonly device: string | undefined;
  /** What the device is, if somebody told it. */
  pci: ListedDevice | undefined;
  /** First bus address, undefined when no address is concerned. */
  ioba: bigint | undefined;
  /** Pages from there on (of the window, or of 4 KiB), 0 when no address is concerned. */
  pages: number;
  /** Numbers of the events that prove it, in the order of the sentence in {@link message}; the first few of a group. */
  readonly events: number[];
  /** Their lines (byte offsets in binary traces). */
  readonly lines: number[];
  /** Lines of the kernel's log, if that was a file of its own. */
  readonly logLines: number[];
  /** How often it happened. */
  count: number;
  /** When it happened, or what it is about was made, in seconds of the recording's clock; undefined where nothing tells. */
  readonly time: number | undefined;
  /** Who did that: `rmmod-4411`, as a trace has name and process; undefined where nothing tells. */
  readonly task: string | undefined;
  /** Call stacks of the events, where a recording has them: of the map, of the unmap; of a group the first different ones. */
  stack: readonly FindingStack[];
  message: string;
}

/** `1 page`, `4,096 pages`. */
export const pagesText = (pages: number): string => counted(pages, "page");

/**
 * A finding as a line for people: `FILE:LINE: SEVERITY: KIND: WINDOW ADDRESS: MESSAGE`, which editors read as they read
 * messages of a compiler.
 *
 * @param file what the input is called
 * @param mark puts something around severity and kind, such as a colour
 * @public
 */
export function formatFinding(
  file: string,
  finding: Finding,
  mark = (words: string): string => words,
): string {
  const { kind, severity, liobn, device, pci, ioba, lines, count, message } = finding;
  const line = lines.at(-1);
  const is = pci === undefined ? "" : ` (${pciDeviceText(pci)})`;
  const where = liobn === undefined ? `${device ?? ""}${is}` : `liobn ${hex(liobn)}`;
  const address = ioba === undefined ? "" : ` ${hex64(ioba)}`;
  const [logLine] = finding.logLines;
  const inLog = logLine === undefined ? "" : ` (line ${logLine} of the kernel's log)`;
  const times = count > 1 ? ` (${formatCount(count)} times)` : "";
  const place = line === undefined ? file : `${file}:${line}`;
  const about = where + address === "" ? "" : ` ${(where + address).trimStart()}:`;
  return `${visible(place)}: ${mark(`${severity}: ${kind}`)}:${visible(about)} ${visible(message)}${times}${inLog}`;
}

/**
 * The finding in the shape of the JSON output.
 *
 * @public
 */
export function findingToJson(finding: Finding): Record<string, unknown> {
  const {
    kind,
    severity,
    liobn,
    device,
    pci,
    ioba,
    pages,
    events,
    lines,
    logLines,
    count,
    time,
    task,
    stack,
  } = finding;
  return {
    kind,
    severity,
    liobn: liobn === undefined ? null : hex(liobn),
    ...(device === undefined ? {} : { device }),
    ...pciDeviceToJson(pci),
    ioba: ioba === undefined ? null : hex(ioba),
    pages,
    events,
    lines,
    ...(logLines.length === 0 ? {} : { logLines }),
    count,
    ...(time === undefined ? {} : { time }),
    ...(task === undefined ? {} : { task }),
    ...(stack.length === 0 ? {} : { stack }),
    message: finding.message,
  };
}
