import { Spare } from "../base/spare.ts";
import { H_TOO_HARD } from "../spapr/accelerator.ts";
import { MAX_LIST_ENTRIES } from "../spapr/papr.ts";
import { TCE_PERM_MASK } from "../tce/tce.ts";
import type { GuestTable } from "./guest-table.ts";
import { H_PARAMETER, H_SUCCESS, type HandlerStatus } from "./handler-status.ts";
import { linearRun } from "./list-runs.ts";
import type { MemorySlots } from "./memory-slots.ts";
import { HostRun, type HostTable, type KvmProcess } from "./ports.ts";

// V8 folds a constant of the module itself, but loads an imported one each time.
const PERM_MASK = TCE_PERM_MASK;

/** What one call works with. */
class Work {
  /** High and low half of each entry. */
  readonly list = new Uint32Array(MAX_LIST_ENTRIES * 2);
  /** Entries of the guest's table, and what they map. */
  readonly run = new HostRun();
}

/** The lists of H_PUT_TCE_INDIRECT, in stretches of entries that map consecutive pages. */
export class TceLists {
  readonly #process: KvmProcess;
  readonly #slots: MemorySlots;
  readonly #works = new Spare(() => new Work());

  constructor(process: KvmProcess, slots: MemorySlots) {
    this.#process = process;
    this.#slots = slots;
  }

  /**
   * Stores a list in entries from `index`, all of which the table has.
   *
   * @param vaddr where the list is in the process
   */
  put(table: GuestTable, index: number, vaddr: number, pages: number): HandlerStatus {
    const work = this.#works.take();
    const status = this.#put(table, index, vaddr, pages, work);
    this.#works.giveBack(work);
    return status;
  }

  #put(table: GuestTable, index: number, vaddr: number, pages: number, work: Work): HandlerStatus {
    const { list, run } = work;
    if (this.#process.loadBigEndian(vaddr, list, pages) < pages) return H_TOO_HARD;
    if (!this.#isGoodList(table, pages, work)) return H_TOO_HARD;
    let done = 0;
    let status: HandlerStatus = H_SUCCESS;
    while (done < pages && status === H_SUCCESS) {
      run.index = index + done;
      status = this.#applyListRun(table, done, pages, work);
      done += run.done;
    }
    table.entries.putList(index, list, done);
    return status;
  }

  /**
   * May the entries of the list be put? Those with permission bits must be
   * aligned, memory, and good for every attached table. A linear stretch in one
   * slot is one question: its pages are aligned if the first one is.
   */
  #isGoodList(table: GuestTable, count: number, { list, run }: Work): boolean {
    const { attached } = table;
    for (let at = 0; at < count; at += run.pages) {
      const hi = list[at * 2]!;
      const lo = list[at * 2 + 1]!;
      run.pages = 1;
      if ((lo & PERM_MASK) === 0) continue;
      if (!table.isOnPage(hi, lo & ~PERM_MASK)) return false;
      if (!this.#setRun(table, run, list, at, count)) return false;
      for (let i = 0; i < attached.length; i++) if (!attached[i]!.accepts(run)) return false;
    }
    return true;
  }

  /**
   * Gives a stretch of the list to the attached tables. Every entry takes the
   * way of a mapping, also one without permission bits. `run.done` are the
   * entries that all tables took; of one that cannot be mapped nothing is left.
   */
  #applyListRun(table: GuestTable, at: number, count: number, { list, run }: Work): HandlerStatus {
    const { attached } = table;
    run.done = 0;
    // Where several tables are attached an entry goes to all of them before the next one does: it shows when one fails.
    if (!this.#setRun(table, run, list, at, attached.length > 1 ? at + 1 : count)) return H_PARAMETER;
    run.done = run.pages;
    for (let i = 0; i < attached.length; i++) {
      if (mapRun(attached[i]!, run)) continue;
      attached[i]!.clear(run.index + run.done, 1);
      return H_TOO_HARD;
    }
    return H_SUCCESS;
  }

  /**
   * Sets a run to what an entry of the list, and those before `end` that follow
   * it in one slot, map.
   *
   * @returns false if that is no memory
   */
  #setRun(table: GuestTable, run: HostRun, list: Uint32Array, at: number, end: number): boolean {
    const { page } = table.entries;
    const hi = list[at * 2]!;
    const tce = list[at * 2 + 1]!;
    const lo = tce & ~PERM_MASK;
    const slot = this.#slots.find(hi, lo);
    if (slot === undefined) return false;
    run.permission = tce & PERM_MASK;
    run.vaddrHi = slot.map.targetHi(hi, lo);
    run.vaddrLo = slot.map.targetLo(lo);
    run.pages = Math.min(linearRun(list, at, end, page), slot.map.pagesBehind(hi, lo, page.shift) + 1);
    return true;
  }
}

/** Maps the pages of a run, often a single one; false if one cannot be: `run.done` are those before it. */
function mapRun(table: HostTable, run: HostRun): boolean {
  if (run.pages > 1) return table.map(run) === 0;
  const mapped = table.mapPage(run.index, run.vaddrHi, run.vaddrLo, run.permission) === 0;
  run.done = mapped ? 1 : 0;
  return mapped;
}
