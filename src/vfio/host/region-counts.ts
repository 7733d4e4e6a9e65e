import { TWO32 } from "../../base/u64.ts";
import { TCE_PERM_MASK } from "../../tce/tce.ts";
import type { TceTable } from "../../tce/tce-table.ts";
import type { PhysicalMemory } from "./physical-memory.ts";
import type { RegisteredExtent, RegisteredMemory } from "./registered-memory.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const PERM_MASK = TCE_PERM_MASK;
const WEIGHT = TWO32;
/** All low bits of an entry that are no address: I/O pages have 4 KiB at least. */
const FLAGS = 0xfff;

/** A bit of an entry that the bridge ignores: the page was pinned when it was mapped, and no region counts it. */
export const PINNED = 4;

/**
 * For which registered regions the entries of a hardware table count.
 *
 * The kernel keeps the user address that each entry was made from in a second
 * table, and finds the region by it. Here the physical address stands for the user
 * address: what memory a physical address is, and where a process sees it,
 * never changes ({@link PhysicalMemory}).
 */
export class RegionCounts {
  readonly #entries: TceTable;
  readonly #pageSize: number = 0;
  readonly #physical: PhysicalMemory;
  // What the hot path needs is no private name: those make bytecode longer (see TceTable).
  protected readonly pageShift: number = 0;
  protected readonly maskLo: number = 0;
  /**
   * The only extent that entries point into; undefined before there was one, and when there were others.
   *
   * Invariant: while it is there, each valid entry is counted by its region, as a page that
   * lies in the extent. So one of these may give way to another, and nothing is to be counted.
   */
  sole: RegisteredExtent | undefined = undefined;
  /** 1 when there were others than {@link sole}: it never comes back. A number, as several such questions are one for the hot path. */
  mixed: 0 | 1 = 0;

  constructor(entries: TceTable, physical: PhysicalMemory) {
    this.#entries = entries;
    this.#pageSize = 2 ** entries.pageShift;
    this.#physical = physical;
    this.pageShift = entries.pageShift;
    this.maskLo = entries.page.maskLo;
  }

  /** The first of the mapped entries whose region is gone, or `index + pages`. */
  firstOrphan(registered: RegisteredMemory, index: number, pages: number): number {
    const size = this.#pageSize;
    const end = index + pages;
    if (pages === 1) {
      this.#entries.load(index);
      const vaddr = this.#userAddressOf(this.#entries.hi, this.#entries.lo);
      return vaddr < 0 || registered.find(vaddr, size) !== undefined ? end : index;
    }
    let orphan = end;
    this.#forEachCounted(index, end, (first, count, vaddr) => {
      for (let done = 0; done < count && first + done < orphan; ) {
        const stretch = registered.stretch(vaddr + done * size, count - done, size);
        if (stretch.region === undefined) orphan = first + done;
        done += stretch.pages;
      }
    });
    return orphan;
  }

  /** Is the page at an address of an extent, of which this is the low half, all in the extent? */
  isPageOf(extent: RegisteredExtent, vaddrLo: number): boolean {
    return this.pageShift <= extent.ioPageShift && (vaddrLo & ~this.maskLo) === 0;
  }

  /** Pages of an extent are about to be stored, the first of them at an address of this low half. */
  stores(extent: RegisteredExtent, vaddrLo: number): void {
    const isSole = this.sole === extent || (this.sole === undefined && this.mixed === 0);
    if (isSole && this.isPageOf(extent, vaddrLo)) this.sole = extent;
    else this.#mix();
  }

  /** Pages are about to be stored that no region counts. */
  storesPinned(): void {
    this.#mix();
  }

  #mix(): void {
    this.sole = undefined;
    this.mixed = 1;
  }

  /** An entry `(hi, lo)` gave way to one that points into an extent. */
  moved(registered: RegisteredMemory, extent: RegisteredExtent, hi: number, lo: number): void {
    extent.region.mapped++;
    this.gone(registered, hi, lo);
  }

  /** An entry `(hi, lo)` is gone: its region counts less. */
  gone(registered: RegisteredMemory, hi: number, lo: number): void {
    const vaddr = this.#userAddressOf(hi, lo);
    if (vaddr >= 0) registered.unmapped(vaddr, 1, this.#pageSize);
  }

  /** Regions are about to lose entries: they count less. */
  cleared(registered: RegisteredMemory, index: number, pages: number): void {
    const size = this.#pageSize;
    this.#forEachCounted(index, index + pages, (_first, count, vaddr) => {
      registered.unmapped(vaddr, count, size);
    });
  }

  /** The user address that an entry `(hi, lo)` was made from, or -1 if no region counts the entry. */
  #userAddressOf(hi: number, lo: number): number {
    // What no MAP has stored is the memory of nobody.
    return isCounted(lo) ? (this.#physical.vaddrOf(addressOf(hi, lo)) ?? -1) : -1;
  }

  /** Visits the entries that regions count, in runs of consecutive user addresses. */
  #forEachCounted(
    index: number,
    end: number,
    visit: (first: number, count: number, vaddr: number) => void,
  ): void {
    const size = this.#pageSize;
    this.#entries.forEachStoredRun(index, end, (first, count, hi, lo, step) => {
      if (!isCounted(lo)) return;
      const physical = addressOf(hi, lo);
      for (let done = 0; done < count; ) {
        const at = physical + step * done * size;
        const memory = this.#physical.allocationOf(at);
        if (memory === undefined) return;
        const pages = step === 0 ? 1 : Math.min(count - done, Math.ceil((memory.end - at) / size));
        visit(first + done, pages, memory.vaddr + (at - memory.start));
        done += pages;
      }
    });
  }
}

/** Does a region count the entry? It permits something, and was not pinned by its own MAP. */
const isCounted = (lo: number): boolean => (lo & PERM_MASK) !== 0 && (lo & PINNED) === 0;

/** The physical address in an entry. */
export const addressOf = (hi: number, lo: number): number => hi * WEIGHT + ((lo & ~FLAGS) >>> 0);
