import { type PageStep, pageStep } from "../base/page-step.ts";
import type { Permission } from "../base/permission.ts";
import { toBig } from "../base/u64.ts";

/**
 * What an IOMMU notifier is told: pages of one IOMMU region that map (or, with
 * permission 0, no longer map) memory.
 *
 * Consecutive pages map consecutive targets. An unmapped run has one target
 * for all its pages: the address bits of the entry that unmaps, normally 0.
 *
 * The object is reused for the next event: copy it ({@link copy}) to keep it.
 *
 * @public
 */
export class MappingRun {
  /** Page size of the region. */
  page: PageStep = pageStep(12);
  /** Number of the first page, counted from the start of the region. */
  firstPage = 0;
  /** Number of pages, at least 1. */
  pages = 0;
  /** Address of the first target page, high half. */
  targetHi = 0;
  /** Address of the first target page, low half. */
  targetLo = 0;
  perm: Permission = 0;

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
    this.targetHi = targetHi;
    this.targetLo = targetLo;
    this.perm = perm;
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
    return new MappingRun().set(
      this.page,
      this.firstPage,
      this.pages,
      this.targetHi,
      this.targetLo,
      this.perm,
    );
  }

  /** The part of `pages` pages that begins `skip` pages into this run, in `into`. */
  slice(skip: number, pages: number, into: MappingRun): MappingRun {
    const ahead = this.perm === 0 ? 0 : skip;
    return into.set(
      this.page,
      this.firstPage + skip,
      pages,
      this.page.addHi(this.targetHi, this.targetLo, ahead),
      this.page.addLo(this.targetLo, ahead),
      this.perm,
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
  for (let i = 0n; i < BigInt(run.pages); i++) {
    visit(run.iova + i * size, BigInt.asUintN(64, run.target + i * step));
  }
}
