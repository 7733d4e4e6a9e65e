import type { Answer } from "../base/errno.ts";
import { MemorySlot } from "./memory-slot.ts";

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

/** Which guest physical addresses are memory, and where in the process. */
export class MemorySlots {
  readonly #pageShift: number;
  #slots: MemorySlot[] = [];
  /**
   * The slot found last.
   *
   * Invariant: one of {@link #slots}, which do not overlap, or undefined;
   * {@link #replace}, the only way in which slots come and go, forgets it.
   */
  protected last: MemorySlot | undefined;

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
    const made = new MemorySlot(slot, address, size, vaddr);
    // A slot that exists may move in the guest, but stays as large and where it is in the process.
    if (old !== undefined && (old.vaddr !== vaddr || old.size !== size)) return "EINVAL";
    if (this.#slots.some((s) => s !== old && s.overlaps(made))) return "EEXIST";
    this.#replace(slot, made);
    return 0;
  }

  /** The slot of a guest address in halves of either sign; undefined if it is no memory. */
  find(hi: number, lo: number): MemorySlot | undefined {
    const last = this.last;
    return last?.map.has(hi, lo) ? last : this.search(hi, lo);
  }

  // Not in `find`, where V8 would make an object for what the arrow function captures, at each call.
  protected search(hi: number, lo: number): MemorySlot | undefined {
    const found = this.#slots.find(({ map }) => map.has(hi, lo));
    if (found !== undefined) this.last = found;
    return found;
  }

  #replace(number: number, made?: MemorySlot): void {
    for (const slot of this.#slots) if (slot.number === number) slot.gone = 1;
    this.#slots = this.#slots.filter((s) => s.gone === 0);
    if (made !== undefined) this.#slots.push(made);
    this.last = undefined;
  }
}
