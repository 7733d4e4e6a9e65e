import { U64_MAX } from "../base/u64.ts";
import { DDW_PAGE_BITS } from "../spapr/papr.ts";
import { clearPages, mapMemory } from "./direct-map.ts";
import type { GuestCalls } from "./guest-calls.ts";
import { OwnWindow } from "./guest-window.ts";
import type { IommuTable } from "./iommu-table.ts";
import type { LinuxKernel } from "./linux-kernel.ts";
import { ceilLog2, directShift, type MemoryLayout } from "./memory-layout.ts";
import type { PciFunction } from "./pci-function.ts";
import type { PeNode } from "./pe-node.ts";

/** log2 of the physical memory that Linux can have: the size of a window that persistent memory lies in. */
const MAX_PHYSICAL_SHIFT = 51;
/** Error of a property that has fewer cells than were asked for. */
const EOVERFLOW = -75;

/** What a query answered. */
interface WindowQuery {
  readonly status: number;
  /** Windows that may be made. */
  readonly windows: number;
  /** Entries of the largest one. */
  readonly largest: bigint;
  /** Bits of page sizes (`DDW_PAGE_BITS`). */
  readonly pageSizes: number;
}

/** What the routine needs of the kernel around it. */
export interface DdwContext {
  readonly calls: GuestCalls;
  readonly kernel: LinuxKernel;
  readonly memory: MemoryLayout;
  /** Takes lists of entries. */
  readonly lists: boolean;
  /** A line in the kernel's log; `fn` begins it. */
  say(fn: PciFunction, text: string): void;
  /** Makes the table of a window that gives entries out, which clears the window. */
  makeTable(window: OwnWindow): IommuTable;
}

/** Asks what windows there may be (LINUX-SETUP-2, LINUX-DDW-2). */
export function queryWindows(context: DdwContext, node: PeNode, fn: PciFunction): WindowQuery {
  const [token] = node.tokens!;
  const wide = node.extensions[1] === 1;
  const { configAddress } = fn;
  const results = context.calls.rtas(token, [configAddress, node.buidHi, node.buidLo], wide ? 6 : 5);
  const [status, windows, first, second, third] = results as [number, number, number, number, number];
  const largest = wide ? (BigInt(first) << 32n) | BigInt(second) : BigInt(first);
  const pageSizes = wide ? third : second;
  const hex = (value: number | bigint): string => value.toString(16);
  context.say(
    fn,
    `ibm,query-pe-dma-windows(${hex(token)}) ${hex(configAddress)} ${hex(node.buidHi)} ${hex(node.buidLo)} ` +
      `returned ${status}, lb=${hex(largest)} ps=${hex(pageSizes)} wn=${hex(windows)}`,
  );
  return { status, windows, largest, pageSizes };
}

/**
 * Linux's attempt to give a device a window of its own with all memory mapped directly, step by step (LINUX-DDW-2 to
 * LINUX-DDW-6).
 *
 * @returns does the device reach all memory directly now? After an attempt that failed late this can be so in error, as
 *   it is in Linux (LINUX-DDW-6).
 */
export function enableDdw(context: DdwContext, node: PeNode, fn: PciFunction, mask: bigint): boolean {
  const { kernel, memory } = context;
  const memoryShift = directShift(memory, kernel);
  const attempt = { direct: false, limited: false };
  if (node.own !== undefined) {
    fn.dmaOffset = node.own.busOffset;
    attempt.direct = kernel.directBySize ? node.own.windowShift >= memoryShift : node.ownIsDirect;
  } else if (!node.failed) {
    if (node.tokens === undefined || !makeWindow(context, node, fn, mask, attempt)) node.failed = true;
  }
  if (kernel.limitedAddressing) {
    const flag = (value: boolean): number => Number(value);
    context.say(
      fn,
      `lsa_required: ${flag(attempt.limited)}, lsa_enabled: 0, direct mapping: ${flag(attempt.direct)}`,
    );
  }
  if (attempt.direct) {
    const covers = memory.persistent === true && node.own?.windowShift === memoryShift;
    if (kernel.alwaysLimitsBus || covers) fn.busLimit = fn.dmaOffset + (1n << BigInt(memoryShift));
  }
  return attempt.direct;
}

/** How an attempt goes, with what stays of it when it fails. */
interface Attempt {
  direct: boolean;
  limited: boolean;
}

/** @returns false if it failed; then the default window is as it was */
function makeWindow(
  context: DdwContext,
  node: PeNode,
  fn: PciFunction,
  mask: bigint,
  attempt: Attempt,
): boolean {
  let query = queryWindows(context, node, fn);
  if (query.status !== 0) return false;
  if (mask !== U64_MAX) {
    attempt.limited = true;
    // QEMU has no third extension, which would say that addresses can be limited.
    context.say(fn, `Limited Address Space for DDW not Supported, err: ${EOVERFLOW}`);
    return false;
  }
  let removed = false;
  if (query.windows === 0) {
    if (node.tables[0]?.inUse === true) {
      context.say(fn, "current IOMMU table in use, can't be replaced.");
      return false;
    }
    if (node.defaultWindow === undefined || node.extensions[0] === undefined) return false;
    removed = true;
    context.calls.rtas(node.tokens![2], [node.defaultWindow.liobn], 1);
    query = queryWindows(context, node, fn);
  }
  if (query.status === 0 && query.windows > 0) {
    const own = createWindow(context, node, fn, { query, mask, removed, attempt });
    if (own !== undefined) {
      if (removed) {
        node.tables[0] = undefined;
        node.defaultWindow = undefined;
        context.say(fn, `Removed default DMA window for ${node.name}`);
      }
      node.own = own;
      node.ownIsDirect = own.direct;
      fn.dmaOffset = own.busOffset;
      return true;
    }
  }
  if (removed) {
    const { calls } = context;
    calls.rtas(node.extensions[0]!, [fn.configAddress, node.buidHi, node.buidLo], 1);
  }
  return false;
}

interface CreateRequest {
  readonly query: WindowQuery;
  readonly mask: bigint;
  /** Was the default window removed for it? */
  readonly removed: boolean;
  readonly attempt: Attempt;
}

/** Creates the window and fills it; undefined if that fails, and then it is removed again. */
function createWindow(
  context: DdwContext,
  node: PeNode,
  fn: PciFunction,
  { query, mask, removed, attempt }: CreateRequest,
): OwnWindow | undefined {
  const { calls, kernel, memory } = context;
  const pageShift = largestPage(query.pageSizes);
  if (pageShift === undefined) return undefined;
  const memoryShift = directShift(memory, kernel);
  let windowShift = memoryShift;
  if (memory.persistent === true) {
    if (query.largest >= 1n << BigInt(MAX_PHYSICAL_SHIFT - pageShift)) windowShift = MAX_PHYSICAL_SHIFT;
    else context.say(fn, "Skipping ibm,pmemory");
  }
  const most = largestShift(kernel, query.largest, pageShift, mask);
  if (windowShift > most) {
    windowShift = most;
    attempt.direct = false;
  } else {
    attempt.direct =
      !removed ||
      windowShift === MAX_PHYSICAL_SHIFT ||
      (memory.persistent !== true && windowShift === memoryShift);
  }
  const { configAddress } = fn;
  const [, token] = node.tokens!;
  const [status, liobn, hi, lo] = calls.rtas(
    token,
    [configAddress, node.buidHi, node.buidLo, pageShift, windowShift],
    4,
  ) as [number, number, number, number];
  const hex = (value: number): string => value.toString(16);
  context.say(
    fn,
    `ibm,create-pe-dma-window(${hex(token)}) ${hex(configAddress)} ${hex(node.buidHi)} ${hex(node.buidLo)} ` +
      `${hex(pageShift)} ${hex(windowShift)} returned ${status} ` +
      `(liobn = 0x${hex(liobn)} starting addr = ${hex(hi)} ${hex(lo)})`,
  );
  if (status !== 0) return undefined;
  const busOffset = (BigInt(hi) << 32n) | BigInt(lo);
  const own = new OwnWindow({ liobn, busOffset, pageShift }, windowShift, attempt.direct);
  if (own.direct) {
    const refused = mapAllMemory(context, own);
    if (refused === 0) return own;
    context.say(fn, `failed to map DMA window for ${node.name}: ${refused}`);
    removeOwn(context, node, own);
    return undefined;
  }
  const table = context.makeTable(own);
  node.tables[removed && !kernel.directBySize ? 0 : 1] = table;
  fn.table = table;
  return own;
}

/** The largest page size whose bit is set (LINUX-DDW-2). */
function largestPage(bits: number): number | undefined {
  const shifts = DDW_PAGE_BITS.filter(([, bit]) => (bits & bit) !== 0).map(([shift]) => shift);
  return shifts.length === 0 ? undefined : Math.max(...shifts);
}

/** log2 of the largest window there may be. Newer kernels count its bytes in 64 bits, where they may overflow to 0 (LINUX-DDW-3). */
function largestShift(kernel: LinuxKernel, largest: bigint, pageShift: number, mask: bigint): number {
  const bytes = largest << BigInt(pageShift);
  if (!kernel.limitedAddressing) return ceilLog2(bytes);
  return Math.min(ceilLog2(BigInt.asUintN(64, bytes)), ceilLog2(mask));
}

/** Maps all memory into a window; the status of the call that was refused, or 0. */
function mapAllMemory({ calls, memory, lists }: DdwContext, own: OwnWindow): number {
  for (const range of memory.ram) {
    const { status } = mapMemory(calls, own, range, lists);
    if (status !== 0) return status;
  }
  return 0;
}

/** Clears a window that Linux made, and removes it. */
export function removeOwn({ calls }: Pick<DdwContext, "calls">, node: PeNode, own: OwnWindow): void {
  clearPages(calls, own, 0, own.size / own.pageSize);
  if (node.tokens !== undefined) calls.rtas(node.tokens[2], [own.liobn], 1);
}
