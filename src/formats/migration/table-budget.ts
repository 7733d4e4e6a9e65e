import { streamLimit } from "./byte-cursor.ts";

/**
 * Memory that all tables of a stream may take together, by default: enough for
 * 27 default windows in which no two entries belong together, or for a quarter
 * of a million mappings that are each alone among 512 entries. Linear and
 * constant stretches take nearly nothing, however long.
 */
export const DEFAULT_TABLE_BYTES: number = 64 * 2 ** 20;

/** A run that is alone in its node takes so much (measured), with its part of the nodes above. */
const RUN_BYTES = 270;
/** However many runs there are in 512 entries, these take no more: a dense leaf, with its part of the nodes above. */
const LEAF_BYTES = 4600;
const LEAF_ENTRIES = 512;

/** Counts the memory of all tables of a stream against a limit. */
export class TableBudget {
  readonly limit: number;
  #used = 0;
  /** The 512 entries in which the last run began, and how many began there. */
  #leaf = -1;
  #runs = 0;

  constructor(limit: number = DEFAULT_TABLE_BYTES) {
    this.limit = limit;
  }

  /** To be called when another table begins. */
  begin(): void {
    this.#leaf = -1;
    this.#runs = 0;
  }

  /**
   * Books a run; runs come in the order of their entries.
   *
   * @param first number of its first entry
   * @param offset where in the stream that is
   * @throws IommuError LIMIT_EXCEEDED
   */
  spend(first: number, offset: number): void {
    const leaf = Math.floor(first / LEAF_ENTRIES);
    if (leaf !== this.#leaf) {
      this.#leaf = leaf;
      this.#runs = 0;
    }
    const room = LEAF_BYTES - this.#runs++ * RUN_BYTES;
    if (room <= 0) return;
    this.#used += Math.min(room, RUN_BYTES);
    if (this.#used > this.limit) {
      throw streamLimit(offset, `the TCE tables take more than ${this.limit} bytes of memory by here`);
    }
  }
}
