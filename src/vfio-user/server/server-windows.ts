import type { Permission } from "../../base/permission.ts";
import type { AddressRange } from "../../base/range.ts";
import { RangeMap } from "../../base/range-map.ts";
import { hex64, U64_MAX } from "../../base/u64.ts";
import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import type { BusWindow } from "./device-model.ts";
import type { ServerProfile } from "./profile.ts";

const PAGE = 4096n;
const READ_WRITE = 3;

/** A window as DMA_MAP described it. */
export interface KnownWindow extends BusWindow {
  readonly offset: bigint;
}

/** The windows that the client announced, with the rules of a profile. */
export class ServerWindows {
  readonly #windows = new RangeMap<KnownWindow>();
  readonly #profile: ServerProfile;

  constructor(profile: ServerProfile) {
    this.#profile = profile;
  }

  get all(): readonly BusWindow[] {
    return this.#windows.all;
  }

  /**
   * Checks a DMA_MAP, without adding anything.
   *
   * @returns the window; undefined if it has no bytes, and so is none
   * @throws RefusedError
   */
  check(flags: number, offset: bigint, address: bigint, size: bigint): KnownWindow | undefined {
    const { oddWindowsAccepted, overlapErrno, sameMapAccepted, maxWindowBytes, tooLargeErrno, maxWindows } =
      this.#profile;
    const what = (): string => `DMA_MAP of ${size} bytes at ${hex64(address)}`;
    if ((flags & ~READ_WRITE) !== 0) throw new RefusedError(ErrnoNumber.EINVAL, `${what()}: flags ${flags}`);
    if (!oddWindowsAccepted && (address % PAGE !== 0n || size % PAGE !== 0n || size === 0n)) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${what()} is not of whole pages`);
    }
    if (size === 0n) return undefined;
    const last = address + size - 1n;
    if (last > U64_MAX) throw new RefusedError(ErrnoNumber.EINVAL, `${what()} passes the top of the bus`);
    if (size > maxWindowBytes) throw new RefusedError(tooLargeErrno, `${what()} is too large`);
    const window = { first: address, last, perm: flags as Permission, offset };
    const there = this.#windows.firstIn(window);
    if (there !== undefined) {
      const same =
        there.first === address && there.last === last && there.perm === flags && there.offset === offset;
      if (same && sameMapAccepted) return there;
      throw new RefusedError(overlapErrno, `${what()} overlaps ${hex64(there.first)}-${hex64(there.last)}`);
    }
    if (this.#windows.size >= maxWindows) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${what()}: there are ${maxWindows} windows already`);
    }
    return window;
  }

  /** Adds a window that {@link check} returned. */
  add(window: KnownWindow): void {
    if (this.#windows.at(window.first) !== window) this.#windows.add(window);
  }

  /**
   * The window that a DMA_UNMAP names exactly.
   *
   * @throws RefusedError ENOENT
   */
  exactly(address: bigint, size: bigint): KnownWindow {
    const window = this.#windows.at(address);
    if (window !== undefined && window.first === address && window.last === address + size - 1n)
      return window;
    throw new RefusedError(ErrnoNumber.ENOENT, `no window is ${size} bytes at ${hex64(address)}`);
  }

  delete(window: BusWindow): void {
    this.#windows.delete(window as KnownWindow);
  }

  clear(): void {
    this.#windows.clear();
  }

  /** Windows of a range, as far as the device finds them. */
  #found(range: AddressRange): readonly KnownWindow[] {
    const windows = this.#windows.overlapping(range);
    return this.#profile.lastPageUnreachable ? windows.filter(({ last }) => last !== U64_MAX) : windows;
  }

  /**
   * Checks a transfer of the device.
   *
   * @throws RefusedError ENOENT where no window is, EACCES against a permission, ENOTSUP over several windows where one must do
   */
  checkTransfer(range: AddressRange, write: boolean): void {
    const what = (): string => `${write ? "write" : "read"} of ${hex64(range.first)}-${hex64(range.last)}`;
    const windows = this.#found(range);
    let next = range.first;
    for (const window of windows) {
      if (window.first > next) break;
      const need = write ? 2 : this.#profile.readsWriteOnly ? 0 : 1;
      if ((window.perm & need) !== need) throw new RefusedError(ErrnoNumber.EACCES, what());
      next = window.last + 1n;
    }
    if (next <= range.last)
      throw new RefusedError(ErrnoNumber.ENOENT, `${what()}: no window at ${hex64(next)}`);
    if (windows.length > 1 && this.#profile.oneWindowPerTransfer) {
      throw new RefusedError(ErrnoNumber.ENOTSUP, `${what()} needs ${windows.length} windows`);
    }
  }
}
