import { IommuError } from "../../base/errors.ts";
import { isPciLiobn } from "../../spapr/papr.ts";
import type { Finding } from "../findings/finding.ts";
import type { WindowRecord } from "../rebuild/window-records.ts";

/** An operation of an op script. */
export type Operation = Readonly<Record<string, unknown>>;

/** A finding that an op script can show, and what it is about. */
export interface Target {
  readonly finding: Finding;
  readonly liobn: number;
  /** First bus address, and the one after the last page. */
  readonly first: bigint;
  readonly end: bigint;
  /** The window: its first bus address, and log2 of its page size. */
  readonly busOffset: bigint;
  readonly pageShift: number;
  /** Where the window of 64 bits of the same bridge begins, if there is one. */
  readonly dma64WinAddr: bigint | undefined;
}

/**
 * What a script must show for a finding.
 *
 * @param windows of the trace
 * @throws IommuError UNSUPPORTED if no script can, with the reason
 */
export function targetOf(finding: Finding, windows: readonly WindowRecord[]): Target {
  const { kind, liobn, ioba, device, events, pages } = finding;
  if (device !== undefined) {
    throw unsupported(
      kind,
      "it is of Linux' dma events, and scripts are made of the calls of a pSeries guest",
    );
  }
  if (kind === "truncated")
    throw unsupported(kind, "what is missing from a trace is nothing that a guest does");
  if (kind === "assumed-geometry" || kind === "inferred-contradicted")
    throw unsupported(kind, "it is about what a trace does not print, and a script says all");
  if (liobn === undefined || ioba === undefined)
    throw unsupported(kind, "it is about no address of a window");
  const before = (record: WindowRecord): boolean => (record.createdAt?.event ?? 0) <= (events.at(-1) ?? 0);
  const window = windows.findLast((record) => record.liobn === liobn && before(record));
  const isDma64 = (record: WindowRecord): boolean =>
    isPciLiobn(liobn) && record.liobn === liobn - (liobn & 0xff) + 1;
  const { busOffset = 0n, pageShift = 12 } = window ?? {};
  return {
    finding,
    liobn,
    first: ioba,
    end: ioba + (BigInt(Math.max(1, pages)) << BigInt(pageShift)),
    busOffset,
    pageShift,
    dma64WinAddr: windows.findLast((record) => isDma64(record) && before(record))?.busOffset,
  };
}

/** A finding that no script can show. */
export const unsupported = (kind: string, why: string): IommuError =>
  new IommuError("UNSUPPORTED", `a finding of the kind ${kind} cannot be shown by an op script: ${why}`, {
    kind,
  });
