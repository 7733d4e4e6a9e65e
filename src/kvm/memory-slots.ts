import type { Answer } from "../base/errno.ts";
import { hiOf, loOf } from "../base/u64.ts";

/** Slots of one virtual machine; user space numbers them. */
const MAX_SLOTS = 32764;
/** Pages of one slot. */
const MAX_PAGES: bigint = (1n << 31n) - 1n;
/** User addresses end here. */
const USER_END: bigint = 1n << 52n;

/** KVM_SET_USER_MEMORY_REGION. */
export interface SlotRequest {
  readonly slot: number;
  /** Guest physical address. */
  readonly address: bigint;
  /** Bytes; 0 removes the slot. */
  readonly size: bigint;
  /** Where the memory is in the process. */
  readonly vaddr: bigint;
}

interface Slot {
  readonly number: number;
  readonly firstPage: number;
  readonly pages: number;
  readonly vaddr: number;
  // The same for the hot path, in signed halves: first guest address, bytes minus 1, address in the process.
  readonly firstHi: number;
  readonly firstLo: number;
  readonly spanHi: number;
  readonly spanLo: number;
  readonly vaddrHi: number;
  readonly vaddrLo: number;
}

/** Which guest physical addresses are memory, and where in the process. */
export class MemorySlots {
  readonly #pageShift: number;
  /** Address in the process of what {@link find} found last, in signed halves. */
  vaddrHi = 0;
  vaddrLo = 0;
  /** Bytes of memory behind that byte, to the end of the slot, in signed halves. */
  behindHi = 0;
  behindLo = 0;
  #slots: Slot[] = [];
  /**
   * The slot found last.
   *
   * Invariant: one of {@link #slots}, which do not overlap, or undefined;
   * {@link #replace}, the only way in which slots come and go, forgets it.
   */
  #last: Slot | undefined;

  constructor(hostPageShift: number) {
    this.#pageShift = hostPageShift;
  }

  /** KVM_SET_USER_MEMORY_REGION: makes, moves or removes a slot. */
  set({ slot, address, size, vaddr }: SlotRequest): Answer {
    const pageMask = (1n << BigInt(this.#pageShift)) - 1n;
    if (((address | size | vaddr) & pageMask) !== 0n) return "EINVAL";
    if (vaddr + size > USER_END || slot >= MAX_SLOTS) return "EINVAL";
    if (address + size >= 1n << 64n || size >> BigInt(this.#pageShift) > MAX_PAGES) return "EINVAL";

    const old = this.#slots.find((s) => s.number === slot);
    if (size === 0n) {
      if (old === undefined) return "EINVAL";
      this.#replace(slot);
      return 0;
    }
    const made: Slot = {
      number: slot,
      firstPage: Number(address >> BigInt(this.#pageShift)),
      pages: Number(size >> BigInt(this.#pageShift)),
      vaddr: Number(vaddr),
      firstHi: hiOf(address) | 0,
      firstLo: loOf(address) | 0,
      spanHi: hiOf(size - 1n) | 0,
      spanLo: loOf(size - 1n) | 0,
      vaddrHi: hiOf(vaddr) | 0,
      vaddrLo: loOf(vaddr) | 0,
    };
    // A slot that exists may move in the guest, but stays as large and where it is in the process.
    if (old !== undefined && (old.vaddr !== made.vaddr || old.pages !== made.pages)) return "EINVAL";
    const overlaps = (s: Slot): boolean =>
      s.number !== slot &&
      s.firstPage < made.firstPage + made.pages &&
      made.firstPage < s.firstPage + s.pages;
    if (this.#slots.some(overlaps)) return "EEXIST";
    this.#replace(slot, made);
    return 0;
  }

  /**
   * Finds the slot of a guest address, in halves of either sign; then where it
   * is in the process, and how much memory follows, is known.
   *
   * @returns false if the address is no memory
   */
  find(hi: number, lo: number): boolean {
    const last = this.#last;
    return (last !== undefined && this.#locate(last, hi, lo)) || this.#search(hi, lo);
  }

  // Not in `find`, where V8 would make an object for what the arrow function captures, at each call.
  #search(hi: number, lo: number): boolean {
    const slot = this.#slots.find((s) => this.#locate(s, hi, lo));
    if (slot === undefined) return false;
    this.#last = slot;
    return true;
  }

  #locate(slot: Slot, hi: number, lo: number): boolean {
    const { firstLo, spanHi, spanLo } = slot;
    const aheadLo = (lo - firstLo) | 0;
    const aheadHi = (hi - slot.firstHi - (lo >>> 0 < firstLo >>> 0 ? 1 : 0)) | 0;
    const borrow = spanLo >>> 0 < aheadLo >>> 0 ? 1 : 0;
    if (aheadHi === spanHi ? borrow === 1 : aheadHi >>> 0 > spanHi >>> 0) return false;
    this.behindLo = (spanLo - aheadLo) | 0;
    this.behindHi = (spanHi - aheadHi - borrow) | 0;
    const vaddrLo = (slot.vaddrLo + aheadLo) | 0;
    this.vaddrLo = vaddrLo;
    this.vaddrHi = (slot.vaddrHi + aheadHi + (vaddrLo >>> 0 < aheadLo >>> 0 ? 1 : 0)) | 0;
    return true;
  }

  #replace(number: number, made?: Slot): void {
    this.#slots = this.#slots.filter((s) => s.number !== number);
    if (made !== undefined) this.#slots.push(made);
    this.#last = undefined;
  }
}
