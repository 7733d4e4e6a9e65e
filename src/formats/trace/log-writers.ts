import { DDW_CREATE, DDW_RESET, NEW_TABLE, POST_LOAD, type QemuTraceEvent, XLATE } from "./trace-event.ts";

/** Events that say why the table before them was made: not by a reset of the machine, which its main thread does. */
const EXPLAINS_TABLE = [DDW_CREATE, DDW_RESET, POST_LOAD];

/**
 * Notices that two QEMUs write one log at the same time. A logger that tells their processes shows it where one goes on
 * after another one has written. Of a log without these: each QEMU makes the tables of its devices in its main thread. If
 * another thread does so, another QEMU has begun; that is a run after the first one's, unless threads of that go on.
 */
export class LogWriters {
  /** Main thread of the QEMU that began last, and of that before it; NaN if there is none. */
  main: number = Number.NaN;
  before: number = Number.NaN;
  readonly #threads = new Set<number>();
  /** Threads of QEMUs that began earlier. */
  readonly #earlier = new Set<number>();
  /** Thread of the event before this one, which is none of these; and who made a table that nothing has explained yet. */
  #last = Number.NaN;
  #maker = Number.NaN;
  /** Process of the event before this one, and all that have written. */
  #process = -1;
  readonly #processes = new Set<number>();

  /** Does a process go on after which another one has written? Returns that one; -1 if not. To be asked of each event that has one. */
  otherProcess(process: number): number {
    const before = this.#process;
    if (process === before) return -1;
    this.#process = process;
    if (this.#processes.has(process)) return before;
    this.#processes.add(process);
    return -1;
  }

  /** Is the event one of a QEMU after which another one began? To be asked of each event that has a thread. */
  areTwo({ kind, thread }: QemuTraceEvent): boolean {
    if (thread === this.#last && kind !== NEW_TABLE && Number.isNaN(this.#maker)) return false;
    // Devices translate addresses in threads of their own, at any moment.
    if (!Number.isNaN(this.#maker) && (kind !== XLATE || thread === this.#maker)) {
      if (!EXPLAINS_TABLE.includes(kind)) this.#begin(this.#maker);
      this.#maker = Number.NaN;
    }
    if (kind === NEW_TABLE) this.#maker = thread;
    if (this.#earlier.has(thread)) return true;
    this.#threads.add(thread);
    this.#last = thread;
    return false;
  }

  #begin(main: number): void {
    if (main === this.main) return;
    if (!Number.isNaN(this.main)) {
      for (const thread of this.#threads) if (thread !== main) this.#earlier.add(thread);
      this.#threads.clear();
      this.#last = Number.NaN;
      this.before = this.main;
    }
    this.main = main;
  }
}
