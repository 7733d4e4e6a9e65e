import type { Answer } from "../base/errno.ts";
import { LinearMap } from "../base/linear-map.ts";

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

interface MemorySlot {
  readonly number: number;
  readonly firstPage: number;
  readonly pages: number;
  readonly vaddr: bigint;
  /** Its guest addresses, and where they are in the process. */
  readonly map: LinearMap;
}

/** Which guest physical addresses are memory, and where in the process. */
export class MemorySlots {
  readonly #pageShift: number;
  #slots: MemorySlot[] = [];
  /**
   * The map of the slot found last.
   *
   * Invariant: that of one of {@link #slots}, which do not overlap, or undefined;
   * {@link #replace}, the only way in which slots come and go, forgets it.
   */
  protected last: LinearMap | undefined;

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
    const made: MemorySlot = {
      number: slot,
      firstPage: Number(address >> BigInt(this.#pageShift)),
      pages: Number(size >> BigInt(this.#pageShift)),
      vaddr,
      map: new LinearMap(address, size, vaddr),
    };
    // A slot that exists may move in the guest, but stays as large and where it is in the process.
    if (old !== undefined && (old.vaddr !== made.vaddr || old.pages !== made.pages)) return "EINVAL";
    const overlaps = (s: MemorySlot): boolean =>
      s.number !== slot &&
      s.firstPage < made.firstPage + made.pages &&
      made.firstPage < s.firstPage + s.pages;
    if (this.#slots.some(overlaps)) return "EEXIST";
    this.#replace(slot, made);
    return 0;
  }

  /** Where in the process the slot of a guest address is, in halves of either sign; undefined if it is no memory. */
  find(hi: number, lo: number): LinearMap | undefined {
    const last = this.last;
    return last?.has(hi, lo) ? last : this.search(hi, lo);
  }

  // Not in `find`, where V8 would make an object for what the arrow function captures, at each call.
  protected search(hi: number, lo: number): LinearMap | undefined {
    const found = this.#slots.find(({ map }) => map.has(hi, lo))?.map;
    if (found !== undefined) this.last = found;
    return found;
  }

  #replace(number: number, made?: MemorySlot): void {
    this.#slots = this.#slots.filter((s) => s.number !== number);
    if (made !== undefined) this.#slots.push(made);
    this.last = undefined;
  }
}
