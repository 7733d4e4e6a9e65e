import { type Errno, isErrno } from "../base/errno.ts";
import { log2, minBig } from "../base/u64.ts";
import type { HostProcess } from "./host/host-process.ts";
import type { SpaprIommu } from "./host/spapr-iommu.ts";

/** What QEMU asks the host for when a section of a guest's window appears. */
export interface WindowRequest {
  /** Bytes of the section. */
  readonly size: bigint;
  /** Bytes of the guest's smallest page. */
  readonly guestPageSize: bigint;
  /** Bytes of the smallest page behind the guest's memory. */
  readonly ramPageSize: bigint;
  /** Mask of the host's I/O page sizes. */
  readonly hostPageSizes: bigint;
  /** Bytes of a page of the host. */
  readonly hostPageSize: bigint;
}

/** A window that the host made. */
export interface CreatedWindow {
  readonly start: bigint;
  readonly pageSize: bigint;
  readonly levels: number;
}

/**
 * The page size of a host window: the largest of the host's that is neither
 * larger than the guest's pages nor than those of its memory (QEMU-CONTAINER-5).
 */
export function choosePageSize(request: WindowRequest): bigint | undefined {
  const { guestPageSize, ramPageSize, hostPageSizes } = request;
  const largest = minBig(guestPageSize, ramPageSize);
  const possible = hostPageSizes & (largest | (largest - 1n));
  return possible === 0n ? undefined : 1n << BigInt(log2(possible));
}

/**
 * The levels of the table that QEMU tries first, and the most it tries
 * (QEMU-CONTAINER-6). The number of entries is cut to 32 bits.
 */
export function levelsFor(
  size: bigint,
  pageShift: number,
  hostPageSize: bigint,
): { first: number; most: number } {
  const entries = BigInt.asUintN(32, size >> BigInt(pageShift));
  const bits = trailingZeros(entries * 8n);
  const hostShift = log2(hostPageSize);
  return { first: Math.ceil(bits / (hostShift + 8)), most: Math.floor((64 - pageShift) / hostShift) };
}

/** Makes a window, with more levels each time the host refuses; answers QEMU's error message otherwise. */
export function createHostWindow(
  iommu: SpaprIommu,
  process: HostProcess,
  request: WindowRequest,
): CreatedWindow | string {
  const pageSize = choosePageSize(request);
  if (pageSize === undefined) {
    return `Host doesn't support page size 0x${request.guestPageSize.toString(16)}, the supported mask is 0x${request.hostPageSizes.toString(16)}`;
  }
  const pageShift = log2(pageSize);
  const { first, most } = levelsFor(request.size, pageShift, request.hostPageSize);
  let refused: Errno = "EINVAL";
  for (let levels = first; levels <= most; levels++) {
    const answer = iommu.createWindow(process, { pageShift, size: request.size, levels });
    if (!isErrno(answer)) return { start: answer, pageSize, levels };
    refused = answer;
  }
  return `Failed to create a window, ret = -1 (${refused})`;
}

/** Zero bits below the lowest one; 64 for 0. */
function trailingZeros(value: bigint): number {
  return value === 0n ? 64 : log2(value & -value);
}
