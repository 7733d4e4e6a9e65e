import { toBig } from "../../base/u64.ts";
import type { CheckOptions } from "../check-options.ts";
import { pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { forEachEntryRun } from "./entry-runs.ts";
import type { StaticWindow } from "./static-window.ts";

/** Holes of one window that are reported; further ones are counted. */
const MAX_HOLES = 100;

/**
 * Does a window map memory directly: the page at an offset of the window to
 * the page of that address, for most of its entries? Linux does that with a
 * window that holds all memory (LINUX-DDW-1); its entries then live as long as the window.
 */
export function isDirectMap({ window }: StaticWindow): boolean {
  const { table, page } = window;
  if (table === null || table.validCount === 0) return false;
  let direct = 0;
  forEachEntryRun(table, 0, window.entries, ({ first, pages, targetHi: hi, targetLo: lo, step }) => {
    if (step === 0) {
      // Of pages that map one target, one may lie at its address.
      const at = Number(toBig(hi, lo) >> BigInt(page.shift));
      if (at >= first && at < first + pages) direct++;
    } else if (hi === page.bytesHi(first) && lo === page.bytesLo(first)) direct += pages;
  });
  return direct * 2 > table.validCount;
}

/**
 * Finds memory that a direct window does not reach: what other windows of its
 * bridge map, which is memory for sure, and all RAM if its size is known.
 */
export function findHoles(windows: readonly StaticWindow[], options: CheckOptions, log: FindingLog): void {
  for (const direct of windows) {
    if (!direct.window.isPci || direct.assumed || !isDirectMap(direct)) continue;
    const holes = new HoleFinder(direct, log);
    if (options.ram !== undefined) holes.cover(0n, options.ram);
    for (const other of windows) {
      if (other === direct || other.window.owner !== direct.window.owner) continue;
      const shift = BigInt(other.window.pageShift);
      forEachEntryRun(other.window.table, 0, other.window.entries, ({ pages, target: start, step }) => {
        holes.cover(start, start + (BigInt(step === 0 ? 1 : pages) << shift));
      });
    }
  }
}

class HoleFinder {
  readonly #direct: StaticWindow;
  readonly #log: FindingLog;
  readonly #reported = new Set<number>();

  constructor(direct: StaticWindow, log: FindingLog) {
    this.#direct = direct;
    this.#log = log;
  }

  /** Looks whether memory from `start` to `end` (exclusive) is mapped at its place. */
  cover(start: bigint, end: bigint): void {
    const { window } = this.#direct;
    const shift = BigInt(window.pageShift);
    const first = Number(start >> shift);
    const last = Number((end - 1n) >> shift) + 1;
    if (first >= window.entries) {
      this.#hole(first, last - first);
      return;
    }
    const stop = Math.min(last, window.entries);
    let at = first;
    forEachEntryRun(window.table, first, stop, ({ first: from, pages }) => {
      if (from > at) this.#hole(at, from - at);
      at = from + pages;
    });
    if (stop > at) this.#hole(at, stop - at);
    if (last > window.entries) this.#hole(window.entries, last - window.entries);
  }

  #hole(first: number, pages: number): void {
    if (this.#reported.has(first) || this.#reported.size >= MAX_HOLES) return;
    const inside = Math.min(pages, this.#direct.window.entries - first);
    if (inside > 0 && !this.#direct.isKnown(first, inside)) return;
    this.#reported.add(first);
    const { window, createdAt } = this.#direct;
    const address = BigInt(first) << BigInt(window.pageShift);
    this.#log.add({
      kind: "direct-map-hole",
      liobn: window.liobn,
      ioba: BigInt.asUintN(64, window.busOffset + address),
      pages,
      places: createdAt === undefined ? [] : [createdAt],
      message: `memory at 0x${address.toString(16)} (${pagesText(pages)}) is in use, but the direct window does not map it: DMA to it must go through another window`,
    });
  }
}
