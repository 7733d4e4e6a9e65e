import { hiOf, loOf, pageOf, smallInteger, toBig } from "../base/u64.ts";
import { TceTable } from "../tce/tce-table.ts";
import type { HostTable, PageRoute } from "./ports.ts";
import { SplitTable } from "./split-table.ts";

/** Bytes of the kernel's own description of a table; it counts as locked, too. Less than a page. */
const DESCRIPTOR_BYTES = 128;
/** Bytes of a TCE, and of the kernel's pointer to each page of them. */
const WORD_BYTES = 8;

/** How a table is made (KVM_CREATE_SPAPR_TCE_64). */
export interface GuestTableShape {
  /** Logical I/O bus number, all 64 bits. */
  readonly liobn: bigint;
  /** log2 of the I/O page size. */
  readonly pageShift: number;
  /** First I/O page of the window. */
  readonly offset: bigint;
  /** I/O pages. */
  readonly size: bigint;
}

/** Host pages that a table of so many entries takes. */
export const pagesOfTable = (size: number, hostPageShift: number): number =>
  Math.ceil((size * WORD_BYTES) / 2 ** hostPageShift);

/** Bytes of the description of a table of so many pages: one contiguous piece of memory. */
export const descriptorBytes = (tablePages: number): number => DESCRIPTOR_BYTES + WORD_BYTES * tablePages;

/**
 * A table of TCEs in the kernel, for one window of a guest.
 *
 * Its pages are shared with user space (mmap), so {@link entries} reach to the
 * end of the last page, past {@link size}: user space can see and write what
 * lies there, and a hypercall that begins inside may run into it.
 */
export class GuestTable {
  readonly shape: GuestTableShape;
  // Numbers are numbers from the start: V8 knows no integer field that was undefined once.
  /** The bus number in signed halves, as V8 keeps those as small integers. */
  readonly liobnHi: number = 0;
  readonly liobnLo: number = 0;
  /** Number of the last entry that an address may name; -1 where the window wraps around and none is inside. */
  readonly last: number = 0;
  // First bus address in signed halves, and the page, a step nearer to the hot path.
  // Private names make bytecode longer (see TceTable).
  protected readonly startHi: number = 0;
  protected readonly startLo: number = 0;
  /** Bits of an address that are none of a page's, in signed halves. */
  protected readonly offsetHi: number = 0;
  protected readonly offsetLo: number = 0;
  /** 0 where an address of the 4 GiB in which the window begins is found by its low half alone, else 1. */
  protected readonly isFar: number = 0;
  protected readonly shift: number = 0;
  /** I/O pages of the window. */
  readonly size: number = 0;
  /** Pages charged to the process. */
  readonly chargedPages: number = 0;
  /** The entries as the guest put them. */
  readonly entries: TceTable;
  /** Tables of the host that follow this one, in the order of attachment, each in pages of this one's size. */
  attached: readonly HostTable[] = [];
  /**
   * How H_PUT_TCE gets into the only table of the host that follows; null where that is to be asked.
   *
   * Invariant: it is of {@link attached}, which is one table then; {@link attach} and {@link detach} forget it.
   */
  route: PageRoute | null = null;
  /** How often each of them was attached, by identity. */
  readonly #references = new Map<object, number>();

  constructor(shape: GuestTableShape, hostPageShift: number) {
    this.shape = shape;
    this.liobnHi = hiOf(shape.liobn) | 0;
    this.liobnLo = loOf(shape.liobn) | 0;
    this.size = Number(shape.size);
    this.last = shape.offset + shape.size > 1n << 64n ? -1 : smallInteger(this.size - 1);
    this.startHi = hiOf(this.start) | 0;
    this.startLo = loOf(this.start) | 0;
    const pages = pagesOfTable(this.size, hostPageShift);
    this.chargedPages = pages + Math.ceil(descriptorBytes(pages) / 2 ** hostPageShift);
    this.entries = new TceTable({
      length: (pages * 2 ** hostPageShift) / WORD_BYTES,
      pageShift: shape.pageShift,
    });
    const { maskHi, maskLo, shift } = this.entries.page;
    this.offsetHi = ~maskHi;
    this.offsetLo = ~maskLo;
    this.shift = shift;
    this.isFar = this.startLo === 0 && shift < 32 ? 0 : 1;
  }

  /** First bus address. */
  get start(): bigint {
    return BigInt.asUintN(64, this.shape.offset << BigInt(this.shape.pageShift));
  }

  /** Number of the entry for a bus address; more than {@link last} if it is not on a page or outside of the window. */
  indexOf(hi: number, lo: number): number {
    // Nearly all addresses are of the 4 GiB that the window begins in. The checks are one, as that is shorter.
    const isNear = ((hi ^ this.startHi) | (lo & this.offsetLo) | this.isFar) === 0;
    return isNear ? lo >>> this.shift : this.indexOfFar(hi, lo);
  }

  /** {@link indexOf} for any address. One before the window is a page after it, modulo 2^64. */
  protected indexOfFar(hi: number, lo: number): number {
    if (!this.isOnPage(hi, lo)) return Infinity;
    const { startLo } = this;
    const aheadHi = hi - this.startHi - (lo >>> 0 < startLo >>> 0 ? 1 : 0);
    return pageOf(aheadHi >>> 0, (lo - startLo) >>> 0, this.shift);
  }

  /** Is an address, in halves of either sign, a multiple of the page size? */
  isOnPage(hi: number, lo: number): boolean {
    return ((lo & this.offsetLo) | (hi & this.offsetHi)) === 0;
  }

  /** Attaches a table of the host, or counts it once more. Nothing is copied to it. */
  attach(host: HostTable): void {
    const references = this.#references.get(host.identity) ?? 0;
    this.#references.set(host.identity, references + 1);
    if (references > 0) return;
    this.route = null;
    const { pageShift } = this.shape;
    this.attached = [...this.attached, host.pageShift === pageShift ? host : new SplitTable(host, pageShift)];
  }

  /**
   * Takes one reference to a table of the host away. A table that was attached
   * twice stays (recording k04: an H_PUT_TCE after GROUP_DEL still goes to it).
   */
  detach(identity: object): void {
    const references = this.#references.get(identity);
    if (references === undefined) return;
    if (references > 1) {
      this.#references.set(identity, references - 1);
      return;
    }
    this.#references.delete(identity);
    this.route = null;
    this.attached = this.attached.filter((table) => table.identity !== identity);
  }

  /** Reads an entry as user space does through its mapping; undefined past the last page. */
  read(index: number): bigint | undefined {
    if (index >= this.entries.length) return undefined;
    this.entries.load(index);
    return toBig(this.entries.hi, this.entries.lo);
  }

  /** Writes an entry as user space does; false past the last page. Attached tables do not follow. */
  write(index: number, value: bigint): boolean {
    if (index >= this.entries.length) return false;
    this.entries.set(index, value);
    return true;
  }
}
