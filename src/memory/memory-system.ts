import { FirstError } from "../base/first-error.ts";
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
 * What a listener throws keeps nobody from hearing the rest; it is thrown at
 * the end of the transaction.
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

/** One listener from when it is registered to when it is taken away. */
class Registration {
  readonly listener: MemoryListener;
  readonly priority: number;
  readonly space: AddressSpace;
  active = true;
  /** The ranges it heard come and not go, by address. */
  readonly #known = new Map<bigint, FlatRange>();

  constructor(listener: MemoryListener, space: AddressSpace) {
    this.listener = listener;
    this.priority = listener.priority ?? 0;
    this.space = space;
  }

  add(range: FlatRange): void {
    if (!this.active) return;
    this.#known.set(range.address, range);
    this.listener.regionAdd?.(range);
  }

  remove(range: FlatRange): void {
    if (!this.active || !this.#known.delete(range.address)) return;
    this.listener.regionDel?.(range);
  }

  keep(range: FlatRange): void {
    if (!this.active) return;
    this.#known.set(range.address, range);
    this.listener.regionNop?.(range);
  }

  begin(): void {
    if (this.active) this.listener.begin?.();
  }

  commit(): void {
    if (this.active) this.listener.commit?.();
  }

  /** What the listener has heard of, in ascending order. */
  known(): FlatRange[] {
    return [...this.#known.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }
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
  /** The views that listeners are being told of, by root; null outside of an update. */
  #next: ReadonlyMap<MemoryRegion, FlatView> | null = null;

  /** Address spaces in order of creation. */
  get spaces(): readonly AddressSpace[] {
    return this.#spaces;
  }

  /**
   * Runs changes of the layout; listeners hear of them when the outermost
   * transaction ends. What listeners change then is another transaction, behind it.
   */
  transaction(change: () => void): void {
    const errors = new FirstError();
    this.#depth++;
    try {
      errors.attempt(change);
      while (this.#depth === 1 && this.#pending) this.#update(errors);
    } finally {
      this.#depth--;
    }
    errors.rethrow();
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
    const errors = new FirstError();
    for (const { listener } of this.#registrations.filter((entry) => entry.space === space)) {
      errors.attempt(() => this.unregister(listener));
    }
    const at = this.#spaces.indexOf(space);
    if (at >= 0) this.#spaces.splice(at, 1);
    errors.rethrow();
  }

  /**
   * Registers a listener, which at once hears of everything that is there.
   *
   * @throws what the listener throws, when it has heard all
   */
  register(listener: MemoryListener, space: AddressSpace): void {
    const registration = new Registration(listener, space);
    const { priority } = registration;
    const at = this.#registrations.findIndex((other) => other.priority > priority);
    this.#registrations.splice(at < 0 ? this.#registrations.length : at, 0, registration);
    // From a callback of an update: it hears no more of the way to the new view, so it begins with that.
    const { ranges } = this.#next?.get(space.root) ?? space.view;
    this.#tell(registration, ranges, (range) => registration.add(range));
  }

  /**
   * Takes a listener away, which first hears everything go that it heard come.
   *
   * @throws what the listener throws, when it has heard all
   */
  unregister(listener: MemoryListener): void {
    const registration = this.#registrations.find((entry) => entry.listener === listener);
    if (registration === undefined) return;
    this.#registrations = this.#registrations.filter((entry) => entry !== registration);
    try {
      this.#tell(registration, registration.known(), (range) => registration.remove(range));
    } finally {
      registration.active = false;
    }
  }

  /** Tells one listener of ranges; what it changes of the layout meanwhile is another transaction, behind that. */
  #tell(registration: Registration, ranges: readonly FlatRange[], tell: (range: FlatRange) => void): void {
    this.transaction(() => {
      const errors = new FirstError();
      errors.attempt(() => registration.begin());
      for (const range of ranges) errors.attempt(() => tell(range));
      errors.attempt(() => registration.commit());
      errors.rethrow();
    });
  }

  /** All listeners hear all of it, whatever one of them throws. */
  #update(errors: FirstError): void {
    this.#pending = false;
    const views = new Map<MemoryRegion, FlatView>();
    for (const { root } of this.#spaces) if (!views.has(root)) views.set(root, renderView(root));
    this.#next = views;
    const registrations = [...this.#registrations];
    for (const entry of registrations) errors.attempt(() => entry.begin());
    for (const space of [...this.#spaces]) {
      const view = views.get(space.root);
      if (view === undefined) continue;
      const here = registrations.filter((entry) => entry.space === space);
      if (here.length > 0) announce(here, space.view, view, errors);
      space.setView(view);
    }
    this.#next = null;
    for (const entry of registrations) errors.attempt(() => entry.commit());
  }
}

/** Tells listeners (in ascending priority) of the difference of two views: removals first. */
function announce(
  listeners: readonly Registration[],
  before: FlatView,
  after: FlatView,
  errors: FirstError,
): void {
  const descending = [...listeners].reverse();
  const old = new Map(before.ranges.map((range) => [range.address, range]));
  const isNow = new Map(after.ranges.map((range) => [range.address, range]));
  for (const range of before.ranges) {
    const next = isNow.get(range.address);
    if (next?.equals(range)) continue;
    for (const listener of descending) errors.attempt(() => listener.remove(range));
  }
  for (const range of after.ranges) {
    const was = old.get(range.address);
    const same = was?.equals(range) ?? false;
    for (const listener of listeners) {
      errors.attempt(() => (same ? listener.keep(range) : listener.add(range)));
    }
  }
}
