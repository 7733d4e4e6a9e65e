import type { Errno } from "../base/errno.ts";
import { HostRun, type HostTable, NOT_ACCEPTED } from "./ports.ts";

/** A table of the host that follows a guest's. Entries are the guest's: each is one or more of the host's. */
export class AttachedTable {
  /** The same object whenever it is the same table of the host. */
  readonly identity: object;
  /** Whole entries of the guest's that the table has. */
  readonly length: number = 0;
  readonly #host: HostTable;
  /** The host's entries of one of the guest's: its pages are never larger. */
  readonly #each: number = 0;

  constructor(host: HostTable, pageShift: number) {
    this.identity = host.identity;
    this.#host = host;
    this.#each = 2 ** (pageShift - host.pageShift);
    this.length = host.length / this.#each;
  }

  /** May a page be mapped to an address of the process? */
  acceptsPage(vaddrHi: number, vaddrLo: number): boolean {
    if (this.#each === 1) return this.#host.acceptsPage(vaddrHi, vaddrLo);
    return this.#host.accepts(this.#runOf(0, 1, vaddrHi, vaddrLo));
  }

  /** May all pages of a run be mapped? */
  accepts(run: HostRun): boolean {
    const { pages, vaddrHi, vaddrLo } = run;
    if (this.#each !== 1) return this.#host.accepts(this.#runOf(0, pages, vaddrHi, vaddrLo));
    return pages === 1 ? this.#host.acceptsPage(vaddrHi, vaddrLo) : this.#host.accepts(run);
  }

  /** Maps a page. If it is not accepted all is as before; if it cannot be mapped nothing is left of it. */
  mapPage(index: number, vaddrHi: number, vaddrLo: number, permission: number): boolean {
    const answer =
      this.#each === 1
        ? this.#host.mapPage(index, vaddrHi, vaddrLo, permission)
        : this.#mapSmaller(index, vaddrHi, vaddrLo, permission);
    if (answer === 0) return true;
    if (answer !== NOT_ACCEPTED) this.clear(index, 1);
    return false;
  }

  /**
   * Maps the pages of a run; false if one cannot be. `run.done` are those
   * before it, which are mapped; of itself nothing is left.
   */
  map(run: HostRun): boolean {
    const { index, pages, vaddrHi, vaddrLo, permission } = run;
    let answer: Errno | typeof NOT_ACCEPTED | 0;
    if (this.#each !== 1) {
      const own = this.#runOf(index, pages, vaddrHi, vaddrLo);
      own.permission = permission;
      answer = this.#host.map(own);
      run.done = Math.floor(own.done / this.#each);
    } else if (pages === 1) {
      answer = this.#host.mapPage(index, vaddrHi, vaddrLo, permission);
      run.done = answer === 0 ? 1 : 0;
    } else {
      answer = this.#host.map(run);
    }
    if (answer === 0) return true;
    this.clear(index + run.done, 1);
    return false;
  }

  #mapSmaller(
    index: number,
    vaddrHi: number,
    vaddrLo: number,
    permission: number,
  ): Errno | 0 | typeof NOT_ACCEPTED {
    const run = this.#runOf(index, 1, vaddrHi, vaddrLo);
    run.permission = permission;
    return this.#host.accepts(run) ? this.#host.map(run) : NOT_ACCEPTED;
  }

  /** Unmaps entries; false if a mapped one has no memory behind it any more, from there on nothing is done. */
  unmap(index: number, pages: number): boolean {
    return this.#host.unmap(index * this.#each, pages * this.#each);
  }

  /** Clears entries and nothing else. */
  clear(index: number, pages: number): void {
    this.#host.clear(index * this.#each, pages * this.#each);
  }

  /** Entries of the guest's as entries of the host's. */
  #runOf(index: number, pages: number, vaddrHi: number, vaddrLo: number): HostRun {
    const run = new HostRun();
    run.index = index * this.#each;
    run.pages = pages * this.#each;
    run.vaddrHi = vaddrHi;
    run.vaddrLo = vaddrLo;
    return run;
  }
}
