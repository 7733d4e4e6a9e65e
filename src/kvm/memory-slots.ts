import type { Answer } from "../base/errno.ts";
import { pageOf } from "../base/u64.ts";

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
}

/** Which guest physical addresses are memory, and where in the process. */
export class MemorySlots {
  readonly #pageShift: number;
  readonly #pageSize: number;
  /** Address in the process of what {@link find} found last. */
  vaddr = 0;
  /** Bytes of memory from there to the end of the slot. */
  behind = 0;
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
    this.#pageSize = 2 ** hostPageShift;
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
   * Finds the slot of a guest address; then {@link vaddr} and {@link behind} are set.
   *
   * @returns false if the address is no memory
   */
  find(hi: number, lo: number): boolean {
    const page = pageOf(hi, lo, this.#pageShift);
    let slot = this.#last;
    if (slot === undefined || page < slot.firstPage || page >= slot.firstPage + slot.pages) {
      slot = this.#slots.find((s) => s.firstPage <= page && page < s.firstPage + s.pages);
      if (slot === undefined) return false;
      this.#last = slot;
    }
    const ahead = (page - slot.firstPage) * this.#pageSize + (lo & (this.#pageSize - 1));
    this.vaddr = slot.vaddr + ahead;
    this.behind = slot.pages * this.#pageSize - ahead;
    return true;
  }

  #replace(number: number, made?: Slot): void {
    this.#slots = this.#slots.filter((s) => s.number !== number);
    if (made !== undefined) this.#slots.push(made);
    this.#last = undefined;
  }
}
