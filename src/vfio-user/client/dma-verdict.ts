import type { Permission } from "../../base/permission.ts";
import type { RangeMap } from "../../base/range-map.ts";
import { hex64, U64_MAX } from "../../base/u64.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { type AnnouncedWindow, distance, type GoneWindow, windowText } from "./announced-window.ts";

/**
 * Why a DMA of a device was refused.
 *
 * - `missing`: nothing was ever mapped there; if a window is near, the text names it
 * - `beyond`: it begins in a window and passes its end
 * - `stale`: what was mapped there was unmapped, and the device had agreed
 * - `torn-down`: the DMA_UNMAP is on the way, or a replacement: the device may not know yet
 * - `unannounced`: the guest mapped it, but the device was not told (or refused to hear)
 * - `read-only`, `write-only`: the mapping is there, for the other direction
 * - `bus-master-off`: the device may do no DMA at all now
 * - `after-reset`: it goes on with what was before its reset
 * - `stopped`: the device was stopped for migration
 * - `too-long`: more bytes than was agreed on
 * - `wrong-length`: the message has not as many data as it says
 * - `no-memory`: the IOMMU leads to no memory
 *
 * @public
 */
export type DmaRefusal =
  | "missing"
  | "beyond"
  | "stale"
  | "torn-down"
  | "unannounced"
  | "read-only"
  | "write-only"
  | "bus-master-off"
  | "after-reset"
  | "stopped"
  | "too-long"
  | "wrong-length"
  | "no-memory";

/** A refusal with its errno for the device and its reason for people. */
export interface DmaVerdict {
  readonly refusal: DmaRefusal;
  readonly errno: number;
  readonly why: string;
}

/** Refusals of a device that did nothing wrong: it may not have known. */
export const isInnocent = (refusal: DmaRefusal): boolean =>
  refusal === "torn-down" || refusal === "unannounced";

/** A window so near is named with what is missing. */
const NEAR = 0x1_0000n;

/** What there is to judge a DMA by. */
export interface DmaEvidence {
  readonly windows: RangeMap<AnnouncedWindow>;
  /** Windows that are gone, oldest first. */
  readonly gone: readonly GoneWindow[];
}

/**
 * Judges a DMA by the windows that the device was told of: all of it must be
 * in windows that it may use now, in this direction.
 *
 * @param bytes at least 1
 * @returns null if nothing speaks against it
 */
export function judge(
  evidence: DmaEvidence,
  address: bigint,
  bytes: bigint,
  write: boolean,
): DmaVerdict | null {
  const last = address + bytes - 1n;
  if (last > U64_MAX) return verdict("beyond", `${bytes} bytes at ${hex64(address)} pass the top of the bus`);
  let at = address;
  for (const window of evidence.windows.overlapping({ first: address, last })) {
    if (window.first > at) break;
    const problem = judgeWindow(evidence, window, at, write);
    if (problem !== null) return problem;
    at = window.last + 1n;
  }
  return at > last ? null : explainMissing(evidence, address, at, last);
}

function judgeWindow(
  evidence: DmaEvidence,
  window: AnnouncedWindow,
  at: bigint,
  write: boolean,
): DmaVerdict | null {
  if (window.isLive) {
    const { perm } = window.told!;
    if ((perm & (write ? 2 : 1)) !== 0) return null;
    return verdict(
      write ? "read-only" : "write-only",
      `${windowText(window, perm)} may not be ${write ? "written" : "read"}`,
    );
  }
  const perm = (window.told ?? window.wanted)?.perm ?? 0;
  const which = windowText(window, perm);
  if (window.state === "unmapping") {
    const how = window.wanted === null ? "is being torn down" : "is being replaced";
    return verdict("torn-down", `${which} ${how}: its DMA_UNMAP is not answered`);
  }
  // What the device agreed to let go is not there until it is told of the next mapping.
  const stale = judgeGone(evidence, at);
  if (stale !== null) return stale;
  return verdict(
    "unannounced",
    window.state === "queued"
      ? `the guest mapped ${which}, but its DMA_MAP is not sent yet`
      : `the device refused a message about ${which}`,
  );
}

function explainMissing(evidence: DmaEvidence, address: bigint, at: bigint, last: bigint): DmaVerdict {
  const stale = judgeGone(evidence, at);
  if (stale !== null) return stale;
  if (at !== address) {
    const window = evidence.windows.at(at - 1n)!;
    return verdict(
      "beyond",
      `it begins in a window and runs ${distance(window.last, last)} past the end of ${textOf(window)}, where nothing is mapped`,
    );
  }
  const { below, above } = evidence.windows.around(at);
  if (below !== undefined && at - below.last <= NEAR) {
    return verdict(
      "missing",
      `nothing is mapped there; it begins ${distance(below.last + 1n, at)} behind ${textOf(below)}`,
    );
  }
  if (above !== undefined && above.first - at <= NEAR) {
    return verdict(
      "missing",
      `nothing is mapped there; it begins ${distance(at, above.first)} before ${textOf(above)}`,
    );
  }
  return verdict("missing", `nothing is or was mapped near ${hex64(at)}`);
}

/** Was there something once? The newest one counts: an address may have been used again and again. */
function judgeGone({ gone }: DmaEvidence, at: bigint): DmaVerdict | null {
  const last = gone.findLast((window) => window.first <= at && at <= window.last);
  if (last === undefined) return null;
  const which = windowText(last, last.perm);
  return verdict("stale", `${which} was unmapped by message ${last.unmap}, which the device answered`);
}

const textOf = (window: AnnouncedWindow): string => {
  const perm: Permission = (window.told ?? window.wanted)?.perm ?? 0;
  return windowText(window, perm);
};

/** A refusal, with EACCES where the mapping is there and does not permit it, else EFAULT. */
export function verdict(refusal: DmaRefusal, why: string): DmaVerdict {
  return { refusal, errno: ERRNO_OF[refusal] ?? ErrnoNumber.EFAULT, why };
}

const ERRNO_OF: Partial<Record<DmaRefusal, number>> = {
  "read-only": ErrnoNumber.EACCES,
  "write-only": ErrnoNumber.EACCES,
  "bus-master-off": ErrnoNumber.EACCES,
  "too-long": ErrnoNumber.E2BIG,
  "wrong-length": ErrnoNumber.EINVAL,
};
