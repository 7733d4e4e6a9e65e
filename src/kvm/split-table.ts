import type { Errno } from "../base/errno.ts";
import { HostRun, type HostTable, NOT_ACCEPTED } from "./ports.ts";

/** A table of the host with smaller pages than a guest's, as one of the guest's pages: each entry is several of the host's. */
export class SplitTable implements HostTable {
  readonly identity: object;
  readonly pageShift: number = 0;
  readonly start: bigint;
  readonly length: number = 0;
  readonly #host: HostTable;
  /** The host's entries of one of the guest's. */
  readonly #each: number = 0;

  constructor(host: HostTable, pageShift: number) {
    this.identity = host.identity;
    this.pageShift = pageShift;
    this.start = host.start;
    this.#host = host;
    this.#each = 2 ** (pageShift - host.pageShift);
    this.length = host.length / this.#each;
  }

  acceptsPage(vaddrHi: number, vaddrLo: number): boolean {
    return this.#host.accepts(this.#runOf(0, 1, vaddrHi, vaddrLo));
  }

  accepts({ pages, vaddrHi, vaddrLo }: HostRun): boolean {
    return this.#host.accepts(this.#runOf(0, pages, vaddrHi, vaddrLo));
  }

  mapPage(
    index: number,
    vaddrHi: number,
    vaddrLo: number,
    permission: number,
  ): Errno | 0 | typeof NOT_ACCEPTED {
    const run = this.#runOf(index, 1, vaddrHi, vaddrLo);
    run.permission = permission;
    return this.#host.accepts(run) ? this.#host.map(run) : NOT_ACCEPTED;
  }

  /** A page of the guest is several here. */
  routeOf(): null {
    return null;
  }

  map(run: HostRun): Errno | 0 {
    const own = this.#runOf(run.index, run.pages, run.vaddrHi, run.vaddrLo);
    own.permission = run.permission;
    const answer = this.#host.map(own);
    run.done = Math.floor(own.done / this.#each);
    return answer;
  }

  unmap(index: number, pages: number): boolean {
    return this.#host.unmap(index * this.#each, pages * this.#each);
  }

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
