import { hex } from "../../base/u64.ts";
import { formatSize } from "../../base/units.ts";
import { pagesText } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { WindowEvidence } from "../rebuild/window-evidence.ts";

/** Tells of windows that are not as usual, as far as the trace shows, and of which something is still assumed. */
export class GeometryFindings {
  readonly #log: FindingLog;
  /** The default window of a bridge comes again as it was: it is told once. */
  readonly #told = new Set<WindowEvidence>();

  constructor(log: FindingLog) {
    this.#log = log;
  }

  /** To be called when a window goes, and after the last event. */
  add({ window, evidence }: RebuiltWindow): void {
    if (!evidence.isUnusual || evidence.assumed.length === 0 || this.#told.has(evidence)) return;
    this.#told.add(evidence);
    const { liobn } = window;
    const { busOffset } = evidence.geometry;
    this.#log.add({
      kind: "assumed-geometry",
      liobn,
      ioba: busOffset,
      places: evidence.shownAt === undefined ? [] : [evidence.shownAt],
      message: `${partsOf(evidence).join("; ")}. If you know better: --window ${optionOf(liobn, evidence)}`,
    });
  }
}

function partsOf(evidence: WindowEvidence): string[] {
  const { geometry, usual, start, page, least } = evidence;
  const size = 2 ** geometry.pageShift;
  const parts: string[] = [];
  if (start === "shown" && geometry.busOffset !== usual.busOffset)
    parts.push(
      `the window starts at ${hex(geometry.busOffset)} (usual: ${hex(usual.busOffset)}), as pages show that were mapped there and read at their offset`,
    );
  if (start === "assumed") parts.push(`its start, ${hex(geometry.busOffset)}, is assumed`);
  if (page === "shown" && geometry.pageShift !== usual.pageShift)
    parts.push(`its pages have ${formatSize(size)} (usual: ${formatSize(2 ** usual.pageShift)})`);
  if (evidence.size === "assumed")
    parts.push(
      `its size, ${formatSize(geometry.entries * size)}, is assumed: at least ${formatSize(least * size)} (${pagesText(least)}) are shown to be there`,
    );
  else if (geometry.entries * size !== usual.entries * 2 ** usual.pageShift)
    parts.push(`it ends after ${formatSize(geometry.entries * size)}, as refused calls show`);
  return parts;
}

/** The geometry as `--window` takes it. */
function optionOf(liobn: number, { geometry }: WindowEvidence): string {
  const size = 2 ** geometry.pageShift;
  return `${hex(liobn)}=${hex(geometry.busOffset)}+${plain(geometry.entries * size)},${plain(size)}`;
}

/** A size without a blank, as options take it. */
function plain(bytes: number): string {
  const unit = ["", "K", "M", "G", "T", "P"].findLastIndex(
    (_, i) => bytes % 1024 ** i === 0 && bytes >= 1024 ** i,
  );
  return unit < 0 ? `${bytes}` : `${bytes / 1024 ** unit}${"KMGTP"[unit - 1] ?? ""}`;
}
