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

/** How a device is told of windows. */
export interface WindowMessages {
  /**
   * Sends DMA_MAP.
   *
   * @param sent called when it is on the way
   * @throws RefusedError if the device refuses
   */
  map(window: AddressRange, perm: Permission, sent: () => void): Promise<void>;
  /** Sends DMA_UNMAP; `done` is called with the number of the message as soon as the device agrees. */
  unmap(window: AddressRange, done: (message: number) => void): Promise<void>;
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
 * once; {@link settle} waits until the device has answered.
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
  #settling: (() => void)[] = [];
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
    for (let i = 0n; i < BigInt(pages); i++) {
      const range = rangeOf(iova + i * pageSize, pageSize);
      if (!this.#want(range, { perm, target: address + i * pageSize })) return this.#refuseRun(run);
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

  /** Resolves when the device has answered all that it was told. */
  settle(): Promise<void> {
    if (this.#busy === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settling.push(resolve);
    });
  }

  #want(range: AddressRange, wanted: WantedMapping): boolean {
    const there = this.windows.overlapping(range);
    const [same] = there;
    if (same !== undefined && same.first === range.first && same.last === range.last) {
      this.#change(same, wanted);
      return true;
    }
    if (this.windows.size + this.#deferred.length >= this.#maxWindows) return false;
    this.#deferred = this.#deferred.filter((other) => !overlaps(other, range));
    if (there.length > 0) {
      this.#deferred.push({ ...range, wanted });
      for (const window of there) this.#change(window, null);
    } else {
      this.#place(range, wanted);
    }
    return true;
  }

  #place({ first, last }: AddressRange, wanted: WantedMapping): void {
    const window = new AnnouncedWindow(first, last - first + 1n);
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
    if (this.#busy > 0) return;
    const settling = this.#settling;
    this.#settling = [];
    for (const resolve of settling) resolve();
  }

  #sendMap(window: AnnouncedWindow): void {
    window.state = "queued";
    const wanted = window.wanted!;
    const sent = (): void => {
      window.told = wanted;
      // What is wanted may have changed while the message waited its turn.
      window.state = isSame(window.wanted, wanted) ? "mapping" : "unmapping";
    };
    this.#messages.map(window, wanted.perm, sent).then(
      () => this.#bring(window),
      (error: unknown) => {
        window.told = null;
        this.#refused("DMA_MAP", window, error);
      },
    );
  }

  #sendUnmap(window: AnnouncedWindow, { perm }: WantedMapping): void {
    window.state = "unmapping";
    const done = (unmap: number): void => {
      this.#forget({ first: window.first, last: window.last, perm, unmap });
      window.state = "gone";
    };
    const gone = (): void => {
      window.told = null;
      this.#bring(window);
    };
    this.#messages.unmap(window, done).then(gone, (error: unknown) => {
      // What the device does not know cannot be used by it.
      if (error instanceof RefusedError && error.errno === ErrnoNumber.ENOENT) {
        this.#diverged("DMA_UNMAP", window, error);
        gone();
      } else this.#refused("DMA_UNMAP", window, error);
    });
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
