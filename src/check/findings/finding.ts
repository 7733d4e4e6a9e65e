import { hex, hex64 } from "../../base/u64.ts";
import { formatCount } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
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
  /** First bus address, undefined when no address is concerned. */
  readonly ioba: bigint | undefined;
  /** Pages from there on (of the window, or of 4 KiB), 0 when no address is concerned. */
  pages: number;
  /** Numbers of the events that prove it, in the order of the sentence in {@link message}; the first few of a group. */
  readonly events: number[];
  /** Their lines (byte offsets in binary traces). */
  readonly lines: number[];
  /** How often it happened. */
  count: number;
  message: string;
}

/** `1 page`, `4 pages`. */
export const pagesText = (pages: number): string => `${pages} page${pages === 1 ? "" : "s"}`;

/**
 * A finding as a line for people: `FILE:LINE: KIND: WINDOW ADDRESS: MESSAGE`.
 *
 * @param file what the input is called
 * @param mark puts something around the kind, such as a colour
 * @public
 */
export function formatFinding(file: string, finding: Finding, mark = (kind: string): string => kind): string {
  const { kind, liobn, device, ioba, lines, count, message } = finding;
  const line = lines.at(-1);
  const where = liobn === undefined ? (device ?? "") : `liobn ${hex(liobn)}`;
  const address = ioba === undefined ? "" : ` ${hex64(ioba)}`;
  const times = count > 1 ? ` (${formatCount(count)} times)` : "";
  const place = line === undefined ? file : `${file}:${line}`;
  const about = where + address === "" ? "" : ` ${where}${address}:`;
  return `${visible(place)}: ${mark(kind)}:${visible(about)} ${visible(message)}${times}`;
}

/**
 * The finding in the shape of the JSON output.
 *
 * @public
 */
export function findingToJson(finding: Finding): Record<string, unknown> {
  const { kind, severity, liobn, device, ioba, pages, events, lines, count, message } = finding;
  return {
    kind,
    severity,
    liobn: liobn === undefined ? null : hex(liobn),
    ...(device === undefined ? {} : { device }),
    ioba: ioba === undefined ? null : hex(ioba),
    pages,
    events,
    lines,
    count,
    message,
  };
}
