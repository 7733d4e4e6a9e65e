import { hex } from "../../base/u64.ts";
import type { SavedWindow } from "../../formats/migration/stream.ts";
import { DEFAULT_PAGE_SHIFT, isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import { pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import type { Place } from "../findings/place.ts";
import type { Rebuild } from "../rebuild/rebuild.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { EntryComparison, NO_AGREEMENT, placesOf, type WindowAgreement } from "./against-entries.ts";

/**
 * Compares the windows of a trace, as they are now, with those of a saved machine.
 *
 * @param log takes a finding for each stretch of entries that differ
 */
export function compareWithSaved(
  rebuild: Rebuild,
  saved: readonly SavedWindow[],
  log: FindingLog,
): WindowAgreement[] {
  const agreements = saved.map((window) => new WindowComparison(rebuild, window, log).compare());
  findMissing(rebuild, saved, log);
  return agreements;
}

/** Windows of which the trace knows that they are there, but which the saved machine has no section for. */
function findMissing(rebuild: Rebuild, saved: readonly SavedWindow[], log: FindingLog): void {
  for (const rebuilt of rebuild.windows.values()) {
    const { liobn, isPci } = rebuilt.window;
    // A bridge or device of which nothing was saved was unplugged, which leaves no line.
    const ownerIsThere = saved.some((one) => isPci && phbOfLiobn(one.liobn) === phbOfLiobn(liobn));
    if (rebuilt.assumed || !ownerIsThere || saved.some((one) => one.liobn === liobn)) continue;
    log.add({
      kind: "mismatch",
      places: placesOf(rebuilt),
      message: "the window is there by all that the trace shows, and the saved machine does not have it",
    });
  }
}

class WindowComparison {
  readonly #rebuild: Rebuild;
  readonly #saved: SavedWindow;
  readonly #log: FindingLog;
  readonly #agreement: WindowAgreement;
  constructor(rebuild: Rebuild, saved: SavedWindow, log: FindingLog) {
    this.#rebuild = rebuild;
    this.#saved = saved;
    this.#log = log;
    this.#agreement = { ...NO_AGREEMENT, liobn: saved.liobn, entries: saved.entries };
  }

  compare(): WindowAgreement {
    const agreement = this.#agreement;
    const { liobn, entries, table } = this.#saved;
    const rebuilt = this.#rebuild.windows.get(liobn);
    if (rebuilt === undefined) this.#compareMissing();
    else if (table === null) this.#compareGone(rebuilt);
    else if (this.#isElsewhere(rebuilt)) this.#compareElsewhere(rebuilt);
    else {
      const onMismatch = this.#mismatch.bind(this);
      new EntryComparison(rebuilt, table, agreement, onMismatch).compare();
    }
    if (agreement.unknown === entries) agreement.unknownMapped = table?.storedCount ?? 0;
    return agreement;
  }

  /** The trace has no such window: is that because it cannot know? */
  #compareMissing(): void {
    const { entries } = this.#saved;
    const sibling = this.#seenSibling();
    if (entries === 0 || sibling === undefined) {
      this.#agreement.unknown = entries;
      return;
    }
    this.#agreement.differing = entries;
    const also = `the trace shows its bridge from the start on (LIOBN ${hex(sibling.window.liobn)})`;
    this.#mismatch(
      "error",
      placesOf(sibling),
      undefined,
      entries,
      `the saved machine has the window, the trace does not, and ${also}`,
    );
  }

  /** A window of the same bridge that was seen to come: then all windows of the bridge were. */
  #seenSibling(): RebuiltWindow | undefined {
    const { liobn } = this.#saved;
    if (!isPciLiobn(liobn)) return undefined;
    const windows = [...this.#rebuild.windows.values()];
    return windows.find(
      ({ window, assumed, createdAt }) =>
        window.isPci && phbOfLiobn(window.liobn) === phbOfLiobn(liobn) && !assumed && createdAt !== undefined,
    );
  }

  /** The saved machine says that the window is not there. */
  #compareGone(rebuilt: RebuiltWindow): void {
    if (rebuilt.assumed) return;
    const { entries } = rebuilt.window;
    const message =
      "the window is there by all that the trace shows, and the saved machine says that it is not";
    this.#mismatch("error", placesOf(rebuilt), undefined, entries, message);
  }

  #isElsewhere({ window, assumed }: RebuiltWindow): boolean {
    const { busOffset, pageShift } = this.#saved.geometry ?? { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };
    const same = window.busOffset === busOffset && window.pageShift === pageShift;
    return !same || (!assumed && window.entries !== this.#saved.entries);
  }

  #compareElsewhere(rebuilt: RebuiltWindow): void {
    const { entries, geometry } = this.#saved;
    if (rebuilt.assumed) {
      this.#agreement.unknown = entries;
      return;
    }
    this.#agreement.differing = entries;
    const shape = (count: number, shift: number, start: bigint): string =>
      `${pagesText(count)} of 2^${shift} bytes at ${hex(start)}`;
    const { window } = rebuilt;
    const ours = shape(window.entries, window.pageShift, window.busOffset);
    const theirs = shape(entries, geometry?.pageShift ?? DEFAULT_PAGE_SHIFT, geometry?.busOffset ?? 0n);
    this.#mismatch(
      "error",
      placesOf(rebuilt),
      undefined,
      entries,
      `the window has ${ours} by the trace, and ${theirs} in the saved machine`,
    );
  }

  #mismatch(
    severity: "error" | "warning",
    places: readonly Place[],
    ioba: bigint | undefined,
    pages: number,
    message: string,
  ): void {
    const { busOffset } = this.#saved.geometry ?? { busOffset: 0n };
    const { liobn } = this.#saved;
    this.#log.add({ kind: "mismatch", severity, liobn, ioba: ioba ?? busOffset, pages, places, message });
  }
}
