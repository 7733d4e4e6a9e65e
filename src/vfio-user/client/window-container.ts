import type { Errno } from "../../base/errno.ts";
import { IommuError } from "../../base/errors.ts";
import type { Permission } from "../../base/permission.ts";
import { type AddressRange, overlaps, rangeOf } from "../../base/range.ts";
import { RangeMap } from "../../base/range-map.ts";
import { hex64 } from "../../base/u64.ts";
import type { DmaContainer } from "../../vfio/container.ts";
import type { DmaRun } from "../../vfio/dma-run.ts";
import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { AnnouncedWindow, type GoneWindow, type WantedMapping } from "./announced-window.ts";

/** Windows that are gone are remembered, so many of the newest ones at least. */
const MAX_GONE = 4096;
const HOST_PAGE_SIZE = 0x1000n;

/** How a device is told of windows. `failed` is called with a RefusedError if the device refuses. */
export interface WindowMessages {
  /** Sends DMA_MAP: `sent` is called when it goes on the way, `done` when the device agrees. */
  map(
    window: AddressRange,
    perm: Permission,
    sent: () => void,
    done: () => void,
    failed: (error: unknown) => void,
  ): void;
  /** Sends DMA_UNMAP; `done` is called with the number of the message as soon as the device agrees. */
  unmap(window: AddressRange, done: (message: number) => void, failed: (error: unknown) => void): void;
}

/**
 * The device and the guest's IOMMU do not agree on a mapping any more.
 *
 * @public
 */
export interface Divergence {
  readonly command: "DMA_MAP" | "DMA_UNMAP";
  readonly first: bigint;
  readonly last: bigint;
  /** What the device answered; 0 if it was not asked. */
  readonly errno: number;
  readonly why: string;
}

/** A mapping that has to wait until windows of another size have gone from its place. */
interface Deferred extends AddressRange {
  readonly wanted: WantedMapping;
}

/**
 * Tells a device of the guest's mappings, a window for each page of the IOMMU.
 *
 * A page that is mapped: DMA_MAP. One that is replaced, or whose permission
 * changes: its use is refused here at once, then DMA_UNMAP, its reply, DMA_MAP.
 * One that is cleared: refused here at once, then DMA_UNMAP. Nothing is sent
 * for what the device was not told of. The calls of the listener return at
 * once; {@link whenSettled} says when the device has answered.
 */
export class WindowContainer implements DmaContainer {
  readonly name: string;
  readonly hostPageSize: bigint = HOST_PAGE_SIZE;
  readonly windows: RangeMap<AnnouncedWindow> = new RangeMap();
  readonly #messages: WindowMessages;
  readonly #maxWindows: number;
  readonly #report: (divergence: Divergence) => void;
  /** Windows of which somebody is telling the device. */
  #busy = 0;
  /** Who waits until there are none. */
  readonly #settling: (() => void)[] = [];
  #gone: GoneWindow[] = [];
  #deferred: Deferred[] = [];

  constructor(
    name: string,
    messages: WindowMessages,
    maxWindows: number,
    report: (divergence: Divergence) => void,
  ) {
    this.name = name;
    this.#messages = messages;
    this.#maxWindows = maxWindows;
    this.#report = report;
  }

  /** Windows that are gone, oldest first; not all of them for ever. */
  get gone(): readonly GoneWindow[] {
    return this.#gone;
  }

  map(run: DmaRun): Errno | 0 {
    const { iova, pageSize, pages, memory, readonly, writeonly } = run;
    const perm = ((readonly ? 0 : 2) | (writeonly ? 0 : 1)) as Permission;
    const { address } = memory;
    if (pages > this.#maxWindows - this.windows.size - this.#deferred.length && pages > 1) {
      return this.#refuseRun(run);
    }
    let first = iova;
    let target = address;
    for (let page = 0; page < pages; page++) {
      if (!this.#want(rangeOf(first, pageSize), { perm, target })) return this.#refuseRun(run);
      first += pageSize;
      target += pageSize;
    }
    return 0;
  }

  unmap(run: DmaRun): Errno | 0 {
    const range = rangeOf(run.iova, run.bytes);
    this.#deferred = this.#deferred.filter((other) => !overlaps(other, range));
    for (const window of this.windows.overlapping(range)) this.#change(window, null);
    return 0;
  }

  unmapStale(run: DmaRun): Errno | 0 {
    return this.unmap(run);
  }

  /** Calls back when the device has answered all that it was told. */
  whenSettled(done: () => void): void {
    if (this.#busy === 0) done();
    else this.#settling.push(done);
  }

  #want(range: AddressRange, wanted: WantedMapping): boolean {
    const first = this.windows.firstIn(range);
    if (first !== undefined && first.first === range.first && first.last === range.last) {
      this.#change(first, wanted);
      return true;
    }
    if (this.windows.size + this.#deferred.length >= this.#maxWindows) return false;
    if (this.#deferred.length > 0) this.#deferred = this.#deferred.filter((other) => !overlaps(other, range));
    if (first === undefined) {
      this.#place(range, wanted);
      return true;
    }
    this.#deferred.push({ ...range, wanted });
    for (const window of this.windows.overlapping(range)) this.#change(window, null);
    return true;
  }

  #place(range: AddressRange, wanted: WantedMapping): void {
    const window = new AnnouncedWindow(range);
    this.windows.add(window);
    this.#change(window, wanted);
  }

  #change(window: AnnouncedWindow, wanted: WantedMapping | null): void {
    window.wanted = wanted;
    if (isSame(wanted, window.told)) return;
    if (window.told !== null) window.state = "unmapping";
    if (window.isBusy) return;
    window.isBusy = true;
    this.#busy++;
    this.#bring(window);
  }

  /** Tells the device until it knows what the guest wants, or refuses. */
  #bring(window: AnnouncedWindow): void {
    if (isSame(window.wanted, window.told)) {
      if (window.told !== null) window.state = "mapped";
      this.#finish(window);
    } else if (window.told === null) this.#sendMap(window);
    else this.#sendUnmap(window, window.told);
  }

  #finish(window: AnnouncedWindow): void {
    window.isBusy = false;
    this.#busy--;
    // What takes its place is told of at once, and waited for with the others.
    if (window.told === null && window.wanted === null) this.#remove(window);
    while (this.#busy === 0 && this.#settling.length > 0) this.#settling.shift()!();
  }

  #sendMap(window: AnnouncedWindow): void {
    window.state = "queued";
    const wanted = window.wanted!;
    const sent = (): void => {
      window.told = wanted;
      // What is wanted may have changed while the message waited its turn.
      window.state = isSame(window.wanted, wanted) ? "mapping" : "unmapping";
    };
    const done = (): void => this.#bring(window);
    const failed = (error: unknown): void => {
      window.told = null;
      this.#refused("DMA_MAP", window, error);
    };
    this.#messages.map(window, wanted.perm, sent, done, failed);
  }

  #sendUnmap(window: AnnouncedWindow, { perm }: WantedMapping): void {
    window.state = "unmapping";
    const gone = (): void => {
      window.told = null;
      window.state = "gone";
      this.#bring(window);
    };
    const done = (unmap: number): void => {
      this.#forget({ first: window.first, last: window.last, perm, unmap });
      gone();
    };
    const failed = (error: unknown): void => {
      // What the device does not know cannot be used by it.
      if (error instanceof RefusedError && error.errno === ErrnoNumber.ENOENT) {
        this.#diverged("DMA_UNMAP", window, error);
        gone();
      } else this.#refused("DMA_UNMAP", window, error);
    };
    this.#messages.unmap(window, done, failed);
  }

  /** The device refused, which is reported; when the connection ended, its owner hears of that. */
  #refused(command: Divergence["command"], window: AnnouncedWindow, error: unknown): void {
    if (!(error instanceof IommuError)) throw error;
    window.state = "refused";
    this.#diverged(command, window, error);
    this.#finish(window);
  }

  #remove(window: AnnouncedWindow): void {
    this.windows.delete(window);
    const ready = this.#deferred.filter((other) => this.windows.overlapping(other).length === 0);
    if (ready.length === 0) return;
    this.#deferred = this.#deferred.filter((other) => !ready.includes(other));
    for (const { wanted, ...range } of ready) this.#place(range, wanted);
  }

  #forget(window: GoneWindow): void {
    this.#gone.push(window);
    if (this.#gone.length >= 2 * MAX_GONE) this.#gone = this.#gone.slice(-MAX_GONE);
  }

  #diverged(command: Divergence["command"], { first, last }: AddressRange, error: unknown): void {
    if (!(error instanceof RefusedError)) return;
    this.#report({ command, first, last, errno: error.errno, why: error.message });
  }

  #refuseRun({ iova, bytes, pages }: DmaRun): Errno {
    const { first, last } = rangeOf(iova, bytes);
    const why = `${pages} pages at ${hex64(first)}: the device takes ${this.#maxWindows} windows at once`;
    this.#report({ command: "DMA_MAP", first, last, errno: 0, why });
    return "ENOSPC";
  }
}

const isSame = (a: WantedMapping | null, b: WantedMapping | null): boolean =>
  a === b || (a !== null && b !== null && a.perm === b.perm && a.target === b.target);
