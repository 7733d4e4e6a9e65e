import { HostRun, type HostTable } from "./ports.ts";

/** A table of the host that follows a guest's. Entries are the guest's: each is one or more of the host's. */
export class AttachedTable {
  /** The same object whenever it is the same table of the host. */
  readonly identity: object;
  /** Whole entries of the guest's that the table has. */
  readonly length: number;
  readonly #host: HostTable;
  /** The host's entries of one of the guest's: its pages are never larger. */
  readonly #each: number;
  readonly #run = new HostRun();

  constructor(host: HostTable, pageShift: number) {
    this.identity = host.identity;
    this.#host = host;
    this.#each = 2 ** (pageShift - host.pageShift);
    this.length = host.length / this.#each;
  }

  /** May all pages of a run be mapped? */
  accepts(guest: HostRun): boolean {
    return this.#host.accepts(this.#ownRun(guest));
  }

  /**
   * Maps the pages of a run; false if one cannot be. `guest.done` are those
   * before it, which are mapped; of itself nothing is left.
   */
  map(guest: HostRun): boolean {
    const run = this.#ownRun(guest);
    const mapped = this.#host.map(run) === 0;
    guest.done = mapped ? guest.pages : Math.floor(run.done / this.#each);
    if (!mapped) this.clear(guest.index + guest.done, 1);
    return mapped;
  }

  /** Unmaps entries; false if a mapped one has no memory behind it any more, from there on nothing is done. */
  unmap(index: number, pages: number): boolean {
    return this.#host.unmap(index * this.#each, pages * this.#each);
  }

  /** Clears entries and nothing else. */
  clear(index: number, pages: number): void {
    this.#host.clear(index * this.#each, pages * this.#each);
  }

  #ownRun({ index, pages, vaddr, permission }: HostRun): HostRun {
    const run = this.#run;
    run.index = index * this.#each;
    run.pages = pages * this.#each;
    run.vaddr = vaddr;
    run.permission = permission;
    return run;
  }
}
