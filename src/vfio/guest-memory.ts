import { hiOf, loOf, minBig, toBig } from "../base/u64.ts";
import { DmaTarget } from "../memory/dma-target.ts";
import type { FlatView } from "../memory/flat-view.ts";
import type { GuestRam } from "../memory/guest-ram.ts";

/** What is found where nothing is. */
const GRANULARITY = "iommu has granularity incompatible with target AS";

/**
 * What a stretch of pages maps to: guest memory, contiguous, or nothing. One
 * object is filled again and again; halves are signed.
 *
 * @public
 */
export class GuestMemory {
  /** The memory; null if the pages cannot be mapped. */
  ram: GuestRam | null = null;
  /** Offset in that memory. */
  offsetHi = 0;
  offsetLo = 0;
  /** Guest address. */
  addressHi = 0;
  addressLo = 0;
  /** The device may not write it, as far as the memory is concerned. */
  readonly = false;
  /** Pages of the stretch. */
  pages = 0;
  readonly #target = new DmaTarget();

  /** Offset in the memory. */
  get offset(): bigint {
    return toBig(this.offsetHi, this.offsetLo);
  }

  /** Guest address. */
  get address(): bigint {
    return toBig(this.addressHi, this.addressLo);
  }

  /** Why the pages cannot be mapped, in QEMU's words (QEMU-LISTENER-5). */
  get refusal(): string {
    // A page that begins in memory was found to end outside of it: it alone is the stretch.
    return this.#target.region?.ram != null
      ? GRANULARITY
      : `iommu map to non memory area ${this.address.toString(16)}`;
  }

  /**
   * Finds the beginning of a run of pages: as many as lie in one piece of
   * memory, or as many as do not.
   *
   * @param hi guest address of the first page, in halves of either sign
   * @param pageBytes bytes of a page, below 2^53 or a power of two
   * @param pages how many follow each other, at least 1
   */
  find(view: FlatView, hi: number, lo: number, pageBytes: number, pages: number): this {
    const target = this.#target;
    target.length = pageBytes * pages;
    this.addressHi = hi | 0;
    this.addressLo = lo | 0;
    this.ram = null;
    if (!view.locate(hi | 0, lo | 0, target)) target.region = null;
    const ram = target.region === null ? null : target.region.ram;
    if (ram === null) {
      this.pages = pagesOutside(view, this.address, pageBytes, pages);
      return this;
    }
    // Of memory, the access was cut at its end.
    this.pages = pages === 1 ? 1 : Math.max(1, Math.floor(target.length / pageBytes));
    if (target.length < pageBytes) return this;
    this.ram = ram;
    this.readonly = view.found!.readonly;
    this.offsetHi = target.offsetHi;
    this.offsetLo = target.offsetLo;
    return this;
  }

  /** {@link find} for callers off the hot path. */
  findAt(view: FlatView, address: bigint, pageBytes: number, pages: number): this {
    return this.find(view, hiOf(address), loOf(address), pageBytes, pages);
  }
}

/** A page that begins outside of memory is outside, even if it ends inside. */
function pagesOutside(view: FlatView, address: bigint, pageBytes: number, pages: number): number {
  const next = view.ranges.find((other) => other.address > address);
  const free = (next === undefined ? 1n << 64n : next.address) - address;
  const size = BigInt(pageBytes);
  return Number(minBig((free + size - 1n) / size, BigInt(pages)));
}
