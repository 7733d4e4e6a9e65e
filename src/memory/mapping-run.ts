import { type PageStep, pageStep } from "../base/page-step.ts";
import type { Permission } from "../base/permission.ts";
import { toBig } from "../base/u64.ts";

const SMALL_PAGE = pageStep(12);

/**
 * What an IOMMU notifier is told: pages of one IOMMU region that map (or, with
 * permission 0, no longer map) memory.
 *
 * Consecutive pages map consecutive targets. An unmapped run has one target
 * for all its pages: the address bits of the entry that unmaps, normally 0.
 *
 * The object is reused for the next event: copy it ({@link copy}) to keep it.
 * Until the callback returns it stays as it is, whatever is called meanwhile.
 *
 * The halves of the target are signed, as bitwise operators make them: V8 keeps
 * numbers of 2^31 and more outside of the object.
 *
 * @public
 */
export class MappingRun {
  /** Page size of the region. */
  page: PageStep = SMALL_PAGE;
  /** Number of the first page, counted from the start of the region. */
  firstPage = 0;
  /** Number of pages, at least 1. */
  pages = 0;
  /** Address of the first target page, high half, signed. */
  targetHi = 0;
  /** Address of the first target page, low half, signed. */
  targetLo = 0;
  perm: Permission = 0;

  /** The halves of the target may have either sign. */
  set(
    page: PageStep,
    firstPage: number,
    pages: number,
    targetHi: number,
    targetLo: number,
    perm: Permission,
  ): this {
    this.page = page;
    this.firstPage = firstPage;
    this.pages = pages;
    this.targetHi = targetHi | 0;
    this.targetLo = targetLo | 0;
    this.perm = perm;
    return this;
  }

  /** Pages of an entry, in halves of either sign: its permission is in the lowest two bits, its target in those of `page`. */
  setEntry(page: PageStep, firstPage: number, pages: number, hi: number, lo: number): this {
    this.page = page;
    this.firstPage = firstPage;
    this.pages = pages;
    this.targetHi = hi & page.maskHi;
    this.targetLo = lo & page.maskLo;
    this.perm = (lo & 3) as Permission;
    return this;
  }

  /** First address, relative to the start of the region. */
  get iova(): bigint {
    return BigInt(this.firstPage) << BigInt(this.page.shift);
  }

  get sizeBytes(): bigint {
    return BigInt(this.pages) << BigInt(this.page.shift);
  }

  get target(): bigint {
    return toBig(this.targetHi, this.targetLo);
  }

  copy(): MappingRun {
    return this.slice(0, this.pages);
  }

  /** The part of `pages` pages that begins `skip` pages into this run, as an object of its own. */
  slice(skip: number, pages: number): MappingRun {
    const { page, firstPage, perm } = this;
    const hi = this.targetHi >>> 0;
    const lo = this.targetLo >>> 0;
    const ahead = perm === 0 ? 0 : skip;
    return new MappingRun().set(
      page,
      firstPage + skip,
      pages,
      page.addHi(hi, lo, ahead),
      page.addLo(lo, ahead),
      perm,
    );
  }
}

/**
 * Calls `visit` for each page of a run, as systems that speak pages tell it: offset in the region and target.
 *
 * @public
 */
export function forEachPage(run: MappingRun, visit: (iova: bigint, target: bigint) => void): void {
  const size = 1n << BigInt(run.page.shift);
  const step = run.perm === 0 ? 0n : size;
  const { iova, target } = run;
  const pages = BigInt(run.pages);
  for (let i = 0n; i < pages; i++) {
    visit(iova + i * size, BigInt.asUintN(64, target + i * step));
  }
}
