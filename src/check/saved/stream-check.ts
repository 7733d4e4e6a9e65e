import { pageStep } from "../../base/page-step.ts";
import { hex } from "../../base/u64.ts";
import type { RamBlock } from "../../formats/migration/ram.ts";
import type { SectionInfo } from "../../formats/migration/section.ts";
import type { PartialStream, SavedWindow } from "../../formats/migration/stream.ts";
import { choiceText, type SavedContainer } from "../../formats/saved/saved-machine.ts";
import { DEFAULT_PAGE_SHIFT, isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import type { CheckOptions } from "../check-options.ts";
import { pagesText } from "../findings/finding.ts";
import { judgedWindows } from "../findings/judged.ts";
import { FindingLog } from "../findings/log.ts";
import type { Place } from "../findings/place.ts";
import type { CheckReport } from "../report.ts";
import { findHoles } from "../windows/direct-map.ts";
import { forEachEntryRun } from "../windows/entry-runs.ts";
import { findFragmented } from "../windows/fragmented.ts";
import { findFull } from "../windows/full.ts";
import { findOverlaps } from "../windows/overlaps.ts";
import type { StaticWindow } from "../windows/static-window.ts";
import { contradictionsBetween, contradictionsOf } from "./stream-headers.ts";

/** Names of main memory, which begins at 0: QEMU's, and those that libvirt gives it where a machine has NUMA nodes. */
const MAIN_MEMORY = /^ppc_spapr\.ram$|^(?:\/objects\/)?ram-node\d+$/;
/** Sizes of memory that can be plugged are multiples of this (256 MiB); ROMs of devices are smaller. */
const PLUGGABLE = 0x1000_0000;

/**
 * Checks a saved machine: what one state shows, without a history. In the
 * report an event is a section of the stream, and a line is the offset of its
 * first byte; what is verified are sections that are as long as described.
 *
 * @param container what the machine is saved in
 */
export function checkStream(
  stream: PartialStream,
  file: string,
  options: CheckOptions,
  container?: SavedContainer,
): CheckReport {
  const log = new FindingLog();
  const places = placesOf(stream);
  const windows = stream.windows
    .filter(({ entries }) => entries > 0)
    .map((saved) => staticWindow(saved, places));
  findContradictions(stream, places, log);
  const { main, end } = memoryOf(stream.ramBlocks, options);
  for (const group of byOwner(windows)) {
    group.forEach((window, i) => {
      findOverlaps(window, group.slice(0, i), log);
      findFull(window, window.createdAt, options, log);
      findFragmented(window, options, log);
      if (end !== undefined) findBeyond(window, end, log);
    });
    findHoles(group, { ...options, ram: main }, log);
  }
  const { damage, sections, description, remarks } = stream;
  for (const message of container?.remarks ?? []) log.add({ kind: "truncated", places: [], message });
  for (const { offset, message } of remarks)
    log.add({ kind: "truncated", places: [{ event: sections.length, line: offset }], message });
  if (damage !== undefined) {
    log.add({
      kind: "truncated",
      severity: "error",
      places: [{ event: sections.length, line: Number(damage.details.offset) }],
      message: `no QEMU loads this: it is damaged before its devices are all there: ${damage.message}`,
    });
  }
  const choice = container === undefined ? undefined : choiceText(container);
  return {
    file,
    format: "migration-stream",
    events: sections.length,
    skippedLines: 0,
    verified: description === null ? 0 : description.sections.length,
    mismatches: log.findings.filter(({ kind }) => kind === "mismatch").length,
    judged: judgedWindows(
      sections.length,
      windows.length,
      description === null ? 0 : description.sections.length,
    ),
    notJudged: choice === undefined ? [] : [{ count: container!.others.length, reason: choice }],
    bounced: [],
    windows: windows.map(({ window }) => ({
      liobn: window.liobn,
      busOffset: window.busOffset,
      pageShift: window.pageShift,
      entries: window.entries,
      assumed: false,
      assumedParts: [],
      createdAt: undefined,
      removedAt: undefined,
      live: window.table?.validCount ?? 0,
      inferred: 0,
      unknown: 0,
    })),
    findings: log.findings,
    droppedFindings: log.dropped,
  };
}

/** Sections by number, as places of findings. */
const placesOf = ({ sections }: PartialStream): Map<SectionInfo, Place> =>
  new Map(sections.map((section, event) => [section, { event, line: section.offset }]));

/** Windows that share a bus, each number once: only damage has one twice. */
function byOwner(windows: readonly StaticWindow[]): StaticWindow[][] {
  const owners = new Map<string, Map<number, StaticWindow>>();
  for (const found of windows) {
    const { owner, liobn } = found.window;
    const group = owners.get(owner) ?? new Map<number, StaticWindow>();
    owners.set(owner, group);
    if (!group.has(liobn)) group.set(liobn, found);
  }
  return [...owners.values()].map((group) => [...group.values()]);
}

function staticWindow(saved: SavedWindow, places: Map<SectionInfo, Place>): StaticWindow {
  const { liobn, entries, table } = saved;
  const { busOffset, pageShift } = saved.geometry ?? { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT };
  const isPci = isPciLiobn(liobn);
  const owner = isPci ? `pci@${phbOfLiobn(liobn)}` : `vio@${hex(liobn)}`;
  return {
    window: { liobn, busOffset, pageShift, page: pageStep(pageShift), entries, isPci, owner, table },
    assumed: false,
    createdAt: places.get(saved.section),
    isKnown: () => true,
  };
}

function findContradictions(
  { windows, machine }: PartialStream,
  places: Map<SectionInfo, Place>,
  log: FindingLog,
): void {
  const found = windows.flatMap((saved) =>
    contradictionsOf(saved, machine).map((text) => [saved, text] as const),
  );
  for (const [saved, text] of [...found, ...contradictionsBetween(windows)]) {
    log.add({
      kind: "mismatch",
      liobn: saved.liobn,
      places: [places.get(saved.section)!],
      message: `the section of this window contradicts itself or the others: ${text}`,
    });
  }
}

/** How far main memory reaches, and where all memory ends; undefined for what the stream does not say. */
function memoryOf(
  blocks: readonly RamBlock[],
  { ram }: CheckOptions,
): { readonly main: bigint | undefined; readonly end: bigint | undefined } {
  if (ram !== undefined) return { main: ram, end: ram };
  const large = blocks.filter(({ size }) => size > 0 && size % PLUGGABLE === 0);
  const named = blocks.filter(({ name }) => MAIN_MEMORY.test(name));
  // Whoever made a backend for it gave it a name: only one that is alone tells what it is.
  const main = named.length === 0 && large.length === 1 ? large : named;
  if (main.length === 0) return { main: undefined, end: undefined };
  const size = BigInt(main.reduce((sum, block) => sum + block.size, 0));
  // Where plugged memory lies is not in the list of blocks.
  return { main: size, end: large.some((block) => !main.includes(block)) ? undefined : size };
}

/** Finds entries that map what is no memory. */
function findBeyond({ window, createdAt }: StaticWindow, end: bigint, log: FindingLog): void {
  const shift = BigInt(window.pageShift);
  let beyond = 0;
  let firstIndex = 0;
  let firstTarget = 0n;
  forEachEntryRun(window.table, 0, window.entries, ({ first, pages, target, step }) => {
    // Pages of the run that end within memory.
    const within = target >= end ? 0n : (end - target) >> shift;
    const inside = step === 0 && within > 0n ? BigInt(pages) : within;
    const outside = pages - Number(inside < BigInt(pages) ? inside : BigInt(pages));
    if (outside === 0) return;
    if (beyond === 0) {
      firstIndex = first + pages - outside;
      firstTarget = target + (BigInt((pages - outside) * step) << shift);
    }
    beyond += outside;
  });
  if (beyond === 0) return;
  log.add({
    kind: "beyond-ram",
    liobn: window.liobn,
    ioba: BigInt.asUintN(64, window.busOffset + (BigInt(firstIndex) << shift)),
    pages: beyond,
    places: createdAt === undefined ? [] : [createdAt],
    message: `maps ${hex(firstTarget)}, but memory ends at ${hex(end)} (${pagesText(beyond)} of this window in all)`,
  });
}
