import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { permOf } from "../../tce/tce.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Mappings that are remembered of a window, a power of two. */
const SLOTS = 1024;
/** Numbers of a slot. */
const WIDTH = 5;
/** Mappings that may be known to have been mapped again; a window has no more that are alive and were. */
const MAX_KNOWN = 2 ** 16;

/**
 * Which live mappings of a window had their memory mapped anew, as many pages with the same permission: whoever
 * asked for the first one was done with it. That says little of one page, which small buffers share, and nothing
 * of memory that was never mapped again; it is for telling leaks apart from what a driver holds.
 *
 * The last mappings are remembered by their (last) TCE; of two that fall on one slot the newer one is.
 */
export class MappedAgain {
  /** High and low half of the TCE, pages, first entry, event + 1; undefined while nothing was mapped. */
  #slots: Uint32Array | undefined;
  /** Events that made such a mapping; none is there twice, as it is in one slot. */
  readonly #events: number[] = [];
  /** The same, as far as somebody asked for it. */
  readonly #known = new Set<number>();

  /** A call is about to map entries, with its value in the last of them. */
  mapping(event: QemuTraceEvent, rebuilt: RebuiltWindow, first: number, count: number): void {
    const { tceHi: hi, tceLo: lo } = event;
    this.#slots ??= new Uint32Array(SLOTS * WIDTH);
    const slots = this.#slots;
    const at = slotOf(hi, lo, count);
    const maker = slots[at + 4]! - 1;
    const isSame = slots[at] === hi && slots[at + 1] === lo && slots[at + 2] === count;
    if (isSame && maker >= 0 && isAlive(rebuilt, slots[at + 3]!, maker)) {
      if (this.#events.length < MAX_KNOWN) this.#events.push(maker);
    }
    slots[at] = hi;
    slots[at + 1] = lo;
    slots[at + 2] = count;
    slots[at + 3] = first;
    slots[at + 4] = event.number + 1;
  }

  /**
   * Entries that hold a value are about to be unmapped: of what is gone nobody has to look at the table, of which that
   * entry is far from those in use by the time that the memory is mapped again.
   */
  unmapping(hi: number, lo: number, first: number, count: number): void {
    const slots = this.#slots;
    if (slots === undefined) return;
    const at = slotOf(hi, lo, count);
    if (slots[at + 3] === first && slots[at + 1] === lo && slots[at] === hi) slots[at + 4] = 0;
  }

  /** Was nothing mapped again? */
  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** Was what this event mapped mapped again while it was alive? */
  has(event: number): boolean {
    for (const known of this.#events.slice(this.#known.size)) this.#known.add(known);
    return this.#known.has(event);
  }
}

/** Where mappings like this one are remembered. */
const slotOf = (hi: number, lo: number, count: number): number =>
  (Math.imul((lo >>> 12) ^ (hi << 20) ^ count, 0x9e37_79b1) >>> 22) * WIDTH;

/** Does an entry hold what an event mapped? Mostly it is empty by then. */
function isAlive({ window, history }: RebuiltWindow, index: number, maker: number): boolean {
  const table = window.table!;
  table.load(index);
  return permOf(table.lo) !== 0 && history.eventAt(index) === maker;
}
