import type { PageStep } from "../base/page-step.ts";
import type { Permission } from "../base/permission.ts";
import { permOf } from "./tce.ts";

/**
 * Receives a run of valid entries: consecutive pages that map consecutive
 * targets with one permission.
 *
 * @param first number of the first entry
 * @param pages number of entries
 * @param targetHi page address of the first target, high half
 * @param targetLo page address of the first target, low half
 * @public
 */
export type RunVisitor = (
  first: number,
  pages: number,
  targetHi: number,
  targetLo: number,
  perm: Permission,
) => void;

/** Makes maximal runs of valid entries from the raw runs of a tree, which end where its nodes do. */
export class RunJoiner {
  // A walk of few runs costs what making its objects costs: no private names, and the constructor stores all, as fields
  // that are not `declare` are stored by a function of their own.
  declare protected readonly page: PageStep;
  declare protected readonly visit: RunVisitor;
  declare protected first: number;
  declare protected pages: number;
  declare protected hi: number;
  declare protected lo: number;
  declare protected perm: Permission;

  constructor(page: PageStep, visit: RunVisitor) {
    this.page = page;
    this.visit = visit;
    this.first = 0;
    this.pages = 0;
    this.hi = 0;
    this.lo = 0;
    this.perm = 0;
  }

  /** Takes the next raw run. */
  addRaw(first: number, count: number, hi: number, lo: number, step: number): void {
    const perm = permOf(lo);
    if (perm === 0) return;
    const targetHi = (hi & this.page.maskHi) >>> 0;
    const targetLo = (lo & this.page.maskLo) >>> 0;
    if (step === 1 || count === 1) {
      this.add(first, count, targetHi, targetLo, perm);
    } else {
      // Many pages to one target: consecutive pages, but not consecutive targets.
      for (let i = 0; i < count; i++) this.add(first + i, 1, targetHi, targetLo, perm);
    }
  }

  protected add(first: number, pages: number, hi: number, lo: number, perm: Permission): void {
    if (
      first === this.first + this.pages &&
      this.pages > 0 &&
      perm === this.perm &&
      this.page.follows(this.hi, this.lo, this.pages, hi, lo)
    ) {
      this.pages += pages;
      return;
    }
    this.finish();
    this.first = first;
    this.pages = pages;
    this.hi = hi;
    this.lo = lo;
    this.perm = perm;
  }

  /** Passes on the last run. */
  finish(): void {
    if (this.pages > 0) this.visit(this.first, this.pages, this.hi, this.lo, this.perm);
  }
}
