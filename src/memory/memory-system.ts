import type { AddressSpace } from "./address-space.ts";
import type { DmaFault } from "./dma-fault.ts";
import { type FlatRange, type FlatView, renderView } from "./flat-view.ts";
import type { MemoryRegion } from "./memory-region.ts";

/**
 * Somebody who follows the layout of an address space (QEMU's MemoryListener).
 *
 * Among listeners, `regionAdd`, `regionNop`, `begin` and `commit` run in
 * ascending priority, `regionDel` in descending; ranges always in ascending
 * address order, removals before additions (QEMU-MEMORY-2, QEMU-MEMORY-3).
 *
 * @public
 */
export interface MemoryListener {
  /** For messages. */
  readonly name: string;
  /** Default 0. */
  readonly priority?: number;
  begin?(): void;
  commit?(): void;
  regionAdd?(section: FlatRange): void;
  regionDel?(section: FlatRange): void;
  /** The range is as it was; called for every unchanged range at every commit. */
  regionNop?(section: FlatRange): void;
}

interface Registration {
  readonly listener: MemoryListener;
  readonly priority: number;
  readonly space: AddressSpace;
}

/**
 * All memory of one machine: its address spaces, the listeners that follow
 * them, and the transactions in which the layout changes.
 *
 * @public
 */
export class MemorySystem {
  /** Hears of every DMA that failed. */
  onDmaFault: ((fault: DmaFault) => void) | null = null;
  readonly #spaces: AddressSpace[] = [];
  /** In ascending priority, equal ones in order of registration. */
  #registrations: Registration[] = [];
  #depth = 0;
  #pending = false;

  /** Address spaces in order of creation. */
  get spaces(): readonly AddressSpace[] {
    return this.#spaces;
  }

  /**
   * Runs changes of the layout; listeners hear of them when the outermost
   * transaction ends. What listeners change then is another transaction, behind it.
   */
  transaction(change: () => void): void {
    this.#depth++;
    try {
      try {
        change();
      } finally {
        while (this.#depth === 1 && this.#pending) this.#update();
      }
    } finally {
      this.#depth--;
    }
  }

  /** @internal A region reports that views may have changed. */
  setPending(): void {
    this.#pending = true;
  }

  /** @internal Called by a new address space. */
  addSpace(space: AddressSpace): void {
    this.#spaces.push(space);
  }

  /** @internal Called by an address space that goes away, after its listeners. */
  removeSpace(space: AddressSpace): void {
    const at = this.#spaces.indexOf(space);
    if (at < 0) return;
    for (const { listener } of this.#registrations.filter((entry) => entry.space === space)) {
      this.unregister(listener);
    }
    this.#spaces.splice(at, 1);
  }

  /** Registers a listener, which at once hears of everything that is there. */
  register(listener: MemoryListener, space: AddressSpace): void {
    const priority = listener.priority ?? 0;
    const at = this.#registrations.findIndex((other) => other.priority > priority);
    this.#registrations.splice(at < 0 ? this.#registrations.length : at, 0, { listener, priority, space });
    listener.begin?.();
    for (const range of space.view.ranges) listener.regionAdd?.(range);
    listener.commit?.();
  }

  /** Takes a listener away, which first hears everything go. */
  unregister(listener: MemoryListener): void {
    const registration = this.#registrations.find((entry) => entry.listener === listener);
    if (registration === undefined) return;
    listener.begin?.();
    for (const range of registration.space.view.ranges) listener.regionDel?.(range);
    listener.commit?.();
    this.#registrations = this.#registrations.filter((entry) => entry !== registration);
  }

  #update(): void {
    this.#pending = false;
    const views = new Map<MemoryRegion, FlatView>();
    for (const { root } of this.#spaces) if (!views.has(root)) views.set(root, renderView(root));
    const registrations = [...this.#registrations];
    for (const { listener } of registrations) listener.begin?.();
    for (const space of [...this.#spaces]) {
      const view = views.get(space.root);
      if (view === undefined) continue;
      const here = registrations.filter((entry) => entry.space === space).map((entry) => entry.listener);
      if (here.length > 0) announce(here, space.view, view);
      space.setView(view);
    }
    for (const { listener } of registrations) listener.commit?.();
  }
}

/** Tells listeners (in ascending priority) of the difference of two views: removals first. */
function announce(listeners: readonly MemoryListener[], before: FlatView, after: FlatView): void {
  const descending = [...listeners].reverse();
  const old = new Map(before.ranges.map((range) => [range.address, range]));
  const isNow = new Map(after.ranges.map((range) => [range.address, range]));
  for (const range of before.ranges) {
    const next = isNow.get(range.address);
    if (next?.equals(range)) continue;
    for (const listener of descending) listener.regionDel?.(range);
  }
  for (const range of after.ranges) {
    const was = old.get(range.address);
    const same = was?.equals(range) ?? false;
    for (const listener of listeners) {
      if (same) listener.regionNop?.(range);
      else listener.regionAdd?.(range);
    }
  }
}
