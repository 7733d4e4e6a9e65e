import { IommuError } from "../../base/errors.ts";
import { hex, toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { MAX_LIST_ENTRIES } from "../../spapr/papr.ts";
import { Rebuild } from "../rebuild/rebuild.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { forEachEntryRun } from "../windows/entry-runs.ts";
import { createCall } from "./header.ts";
import { MAX_OPERATIONS } from "./history.ts";
import type { Operation, Target } from "./target.ts";

/**
 * Makes the calls that lead to a state of the windows, for findings that are
 * about a state and not about how it came: a window that is full, memory that
 * a direct window leaves out.
 */
export class ShrinkState {
  readonly #target: Target;
  readonly #rebuild = new Rebuild();

  constructor(target: Target) {
    this.#target = target;
  }

  /** Takes an event of those that led to the state; the object may be reused. */
  take(event: QemuTraceEvent): void {
    this.#rebuild.handle(event);
  }

  /** Events are missing. */
  lose(): void {
    this.#rebuild.lose();
  }

  /** @throws IommuError LIMIT_EXCEEDED if the state takes too many calls */
  get operations(): readonly Operation[] {
    const { liobn, finding } = this.#target;
    const rebuilt = this.#rebuild.windows.get(liobn);
    if (rebuilt === undefined) return [];
    const calls = finding.kind === "window-full" ? fill(rebuilt) : this.#leaveOut(rebuilt);
    const operations = [...this.#creations(rebuilt)];
    for (const call of calls) {
      if (operations.length >= MAX_OPERATIONS) {
        throw new IommuError("LIMIT_EXCEEDED", `more than ${MAX_OPERATIONS} calls lead to this state`);
      }
      operations.push(call);
    }
    return operations;
  }

  /** Creates the windows of the bridge that a machine does not have from its start. */
  *#creations({ window: { owner } }: RebuiltWindow): Generator<Operation> {
    for (const { window } of this.#rebuild.windows.values()) {
      if (window.owner !== owner || !window.isPci || (window.liobn & 0xff) === 0) continue;
      const pagesShift = Math.ceil(Math.log2(window.entries));
      yield createCall(window.liobn, window.pageShift, window.pageShift + pagesShift);
    }
  }

  /** The direct map around the hole, and what others map of the memory in it. */
  *#leaveOut(direct: RebuiltWindow): Generator<Operation> {
    const { first, end, pageShift, busOffset } = this.#target;
    const shift = BigInt(pageShift);
    const page = Number((first - busOffset) >> shift);
    const past = Number((end - busOffset) >> shift);
    const { table, entries } = direct.window;
    let last = -1;
    forEachEntryRun(table, 0, Math.min(page, entries), ({ first: from, pages }) => {
      last = from + pages - 1;
    });
    if (last >= 0) yield putOf(direct, last);
    let next = -1;
    forEachEntryRun(table, Math.min(past, entries), entries, ({ first: from }) => {
      if (next < 0) next = from;
    });
    if (next >= 0) yield putOf(direct, next);
    for (const other of this.#rebuild.windows.values()) {
      if (other === direct || other.window.owner !== direct.window.owner) continue;
      const start = first - busOffset;
      yield* mapsOf(other, start, end - busOffset);
    }
  }
}

/** Fills a window as it was, whatever its pages were mapped to. */
function* fill(rebuilt: RebuiltWindow): Generator<Operation> {
  const { table, entries, liobn } = rebuilt.window;
  const stretches: { first: number; end: number }[] = [];
  forEachEntryRun(table, 0, entries, ({ first, pages }) => {
    const last = stretches.at(-1);
    if (last?.end === first) last.end += pages;
    else if (stretches.length <= MAX_OPERATIONS) stretches.push({ first, end: first + pages });
  });
  // Not to its own address, which is what a direct window does.
  const tce = hex((1n << BigInt(rebuilt.window.pageShift)) | 3n);
  for (const { first, end } of stretches) {
    for (let at = first; at < end; at += MAX_LIST_ENTRIES) {
      const npages = hex(Math.min(MAX_LIST_ENTRIES, end - at));
      const ioba = hex(rebuilt.iobaOf(at));
      yield { op: "h_stuff_tce", liobn: hex(liobn), ioba, tce, npages, result: { ret: 0 } };
    }
  }
}

/** Puts of the pages of a window that map memory from `start` to `end`. */
function mapsOf(rebuilt: RebuiltWindow, start: bigint, end: bigint): readonly Operation[] {
  const { table, entries, pageShift } = rebuilt.window;
  const size = 1n << BigInt(pageShift);
  const puts: Operation[] = [];
  forEachEntryRun(table, 0, entries, ({ first: from, pages, target, step }) => {
    const last = target + BigInt(step * (pages - 1)) * size;
    if (target >= end || last + size <= start) return;
    // The first page of the run that reaches into the memory.
    const before = step === 0 || target >= start ? 0 : Number((start - target) / size);
    for (let i = before; i < pages && puts.length < MAX_LIST_ENTRIES; i++) {
      if (target + BigInt(step * i) * size >= end) break;
      puts.push(putOf(rebuilt, from + i));
    }
  });
  return puts;
}

function putOf(rebuilt: RebuiltWindow, index: number): Operation {
  const { table, liobn } = rebuilt.window;
  table!.load(index);
  const tce = hex(toBig(table!.hi, table!.lo));
  return { op: "h_put_tce", liobn: hex(liobn), ioba: hex(rebuilt.iobaOf(index)), tce, result: { ret: 0 } };
}
