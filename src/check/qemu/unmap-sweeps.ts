import type { FindingLog, NewFinding } from "../findings/log.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";

/** Findings that are held until the end of a sweep is seen; a longer one is no mistake anyway. */
const MAX_HELD = 1000;

/**
 * Distinguishes mistaken unmaps from the clearing of tables: VFIO and Linux clear every
 * entry of a window, one after another, whether it is mapped or not (LINUX-CLEAR-1). So what is
 * found is held back until unmaps stop to follow one another.
 */
export class UnmapSweeps {
  readonly #log: FindingLog;
  readonly #sweep: number;
  #window: RebuiltWindow | undefined;
  #end = 0;
  /** Pages of the row that were not mapped. */
  #empty = 0;
  #held: NewFinding[] = [];

  /** @param sweep pages of a row that were not mapped, from which on it clears a table */
  constructor(log: FindingLog, sweep: number) {
    this.#log = log;
    this.#sweep = sweep;
  }

  /** Is there a row of unmaps that began with one of nothing? */
  get active(): boolean {
    return this.#window !== undefined;
  }

  /** Pages are unmapped, of which all were mapped or (`empty`) none. */
  unmapped(rebuilt: RebuiltWindow, first: number, count: number, empty: boolean): void {
    if (this.#window !== rebuilt || first !== this.#end) {
      this.flush();
      this.#window = rebuilt;
    }
    if (empty) this.#empty += count;
    this.#end = first + count;
  }

  /** Holds a finding about the pages unmapped last. */
  hold(finding: NewFinding): void {
    if (this.#held.length < MAX_HELD) this.#held.push(finding);
  }

  /** The row ended. */
  flush(): void {
    if (this.#empty < this.#sweep) for (const finding of this.#held) this.#log.add(finding);
    if (this.#held.length > 0) this.#held = [];
    this.#empty = 0;
    this.#window = undefined;
  }
}
