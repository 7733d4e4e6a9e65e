import { maxBig, minBig } from "../../base/u64.ts";

/**
 * A call that mapped, unmapped or used something; what is kept of it.
 *
 * @public
 */
export interface LifeCall {
  /** As the recording names it: `dma_map_page`, `spapr_iommu_pci_put`, `h_put_tce`. */
  readonly name: string;
  readonly event: number;
  /** Line from 1, or byte offset of the record. */
  readonly line: number;
  /** Time of the recording's clock; NaN and 0 without times. */
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly cpu: number | undefined;
  /** Process (thread) that ran; of QEMU the thread that logged it. */
  readonly pid: number | undefined;
  readonly task: string | undefined;
  /**
   * Who called, innermost first, as the recording names it; without the tracer and the DMA API itself. Undefined where the
   * recording has no call stack, or has not been read to where it stands: that is behind its event.
   */
  readonly stack?: readonly string[] | undefined;
}

/**
 * Addresses from the first to the last one.
 *
 * @public
 */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Consecutive bus addresses of a mapping, and the memory behind them.
 *
 * @public
 */
export interface LifeStretch extends AddressRange {
  /** Memory of the first address; undefined where the recording does not tell it. */
  readonly target: bigint | undefined;
  /** All pages of so many bytes map the same memory; undefined if it is consecutive, too. */
  readonly repeats: bigint | undefined;
}

/**
 * What one call mapped.
 *
 * @public
 */
export interface Life {
  /** Lives before this one. */
  readonly number: number;
  /** Whose addresses these are: a device, a window (`0x80000000`), a container. */
  readonly space: string;
  /** In the order of the call; a list of Linux has several. */
  readonly stretches: readonly LifeStretch[];
  readonly bytes: bigint;
  /** `TO_DEVICE`, or `rw`. */
  readonly access: string;
  /** Undefined in a saved machine: it does not say who mapped what. */
  readonly made: LifeCall | undefined;
  /** The addresses are concluded from the last one of a list. */
  readonly inferred: boolean;
  /** Memory of a list whose entries were joined: where each begins is printed, but not how long it is. */
  readonly entries: readonly bigint[];
  /** The kernel did not write out the whole list. */
  readonly truncated: boolean;
}

/**
 * What was done through addresses.
 *
 * @public
 */
export type UseKind = "translated" | "faulted" | "read back" | "synced for CPU" | "synced for device";

/** Hears of mappings as they begin and end, of all formats. */
export interface LifeSink {
  begin(life: Life): void;
  /**
   * A mapping, or a part of it, ended.
   *
   * @param gone the addresses; undefined for all that it had
   * @param fate how: `unmapped`, `replaced`, `window-gone`, `cleared`
   * @param call what ended it
   */
  end(life: Life, gone: AddressRange | undefined, fate: string, call: LifeCall): void;
  /** Addresses were used. The call is made only if it is asked for. */
  use(space: string, first: bigint, last: bigint, kind: UseKind, call: () => LifeCall): void;
  /** Here is the moment that was asked for. What comes now is later. */
  reached(): void;
}

/** Do two ranges have an address in common? */
export const overlap = (a: AddressRange, b: AddressRange): boolean => a.first <= b.last && b.first <= a.last;

/** Entries of a joined list are as long as nobody knows, but each lies in memory from its address to a page's end. */
const ENTRY_PAGE = 0xfffn;

/** The memory behind a mapping. */
export function* memoryOf({ stretches, entries }: Life): Generator<AddressRange> {
  for (const { first, last, target, repeats } of stretches) {
    if (target === undefined) continue;
    const span = repeats ?? last - first + 1n;
    yield { first: target, last: target + span - 1n };
  }
  for (const first of entries) yield { first, last: first | ENTRY_PAGE };
}

/** Bytes between two ranges that have none in common; 0 if they touch. */
export const distanceOf = (a: AddressRange, b: AddressRange): bigint =>
  maxBig(a.first, b.first) - minBig(a.last, b.last) - 1n;
