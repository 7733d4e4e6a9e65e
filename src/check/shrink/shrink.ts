import { hex } from "../../base/u64.ts";
import { parseOpScript } from "../../formats/op-script/script.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { OpRunner } from "../../script/op/run.ts";
import { reduceList } from "../../script/reduce-list.ts";
import { Hcall, isPciLiobn } from "../../spapr/papr.ts";
import type { CheckOptions } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import { checkOpScript } from "../script-check.ts";
import { headerOf } from "./header.ts";
import { ShrinkHistory } from "./history.ts";
import { ShrinkState } from "./state.ts";
import { type Operation, type Target, unsupported } from "./target.ts";

/** Operations that are run at most, in all scripts that are tried; entries of lists count. */
const MAX_WORK = 2 ** 18;
const SCRIPT = "shrunk.jsonl";

/** Collects operations from the events of a trace. */
export interface ShrinkInput {
  /** The last event that is to be taken. */
  readonly lastEvent: number;
  /** @throws IommuError LIMIT_EXCEEDED if they are too many */
  take(event: QemuTraceEvent): void;
  /** Events are missing. */
  lose(): void;
  /** @throws IommuError LIMIT_EXCEEDED if they are too many */
  readonly operations: readonly Operation[];
}

/** What a trace must be searched for to show a finding. */
export function shrinkInput(target: Target): ShrinkInput {
  const { kind, events } = target.finding;
  if (kind !== "window-full" && kind !== "direct-map-hole") {
    const history = new ShrinkHistory(target);
    return {
      lastEvent: events.at(-1) ?? Number.POSITIVE_INFINITY,
      take: (event) => history.take(event),
      lose: () => {},
      get operations() {
        return history.operations;
      },
    };
  }
  const state = new ShrinkState(target);
  return {
    // Whether memory is left out is asked at the end.
    lastEvent: kind === "direct-map-hole" ? Number.POSITIVE_INFINITY : events.at(-1)!,
    take: (event) => state.take(event),
    lose: () => state.lose(),
    get operations() {
      return state.operations;
    },
  };
}

/**
 * Reduces operations to a few that still show the finding, by leaving out ever
 * smaller parts (delta debugging): no single one of the rest can go, unless so
 * many are needed that trying took too long.
 *
 * @returns the lines of an op script, which real QEMU can run
 * @throws IommuError UNSUPPORTED if the operations do not show the finding by themselves
 */
export function shrink(operations: readonly Operation[], target: Target, options: CheckOptions): string[] {
  const { kind } = target.finding;
  const title = `${kind} at ${hex(target.first)} of LIOBN ${hex(target.liobn)}`;
  // Where memory ends is what some findings are about.
  const ram = kind === "beyond-ram" || kind === "direct-map-hole" ? options.ram : undefined;
  const header = headerOf(operations, { ...target, title }, ram);
  // The script says where its memory ends.
  const { ram: _ram, ...thresholds } = options;
  const textOf = (part: readonly Operation[]): string =>
    [header, ...part].map((line) => JSON.stringify(line)).join("\n");
  const shown = (part: readonly Operation[]): Finding | undefined =>
    checkOpScript(textOf(part), SCRIPT, thresholds).findings.find(
      ({ kind, liobn, ioba }) =>
        kind === target.finding.kind && liobn === target.liobn && ioba === target.first,
    );
  const whole = shown(operations);
  const stays = whole === undefined && target.finding.kind === "leak";
  const shows = (part: readonly Operation[]): boolean => {
    if (stays) return staysMapped(textOf(part), target);
    const finding = shown(part);
    // Another value that is wrong is another mismatch.
    return finding !== undefined && (finding.kind !== "mismatch" || finding.message === whole?.message);
  };
  if (!shows(operations)) throw unsupported(target.finding.kind, reasonOf(target));
  // A window without so many pages in one piece is not full.
  const isNeeded = ({ npages }: Operation): boolean =>
    target.finding.kind === "window-full" && Number(npages) >= options.freePages;
  return [header, ...reduce(operations, shows, isNeeded)].map((line) => JSON.stringify(line));
}

/** @param isNeeded operations that need not be tried */
function reduce(
  operations: readonly Operation[],
  shows: (part: readonly Operation[]) => boolean,
  isNeeded: (operation: Operation) => boolean,
): readonly Operation[] {
  const reduction = reduceList(operations, isNeeded);
  let rest = operations;
  let work = 0;
  for (let next = reduction.next(); !next.done; ) {
    const part = next.value;
    work += part.reduce((sum, { list }) => sum + (Array.isArray(list) ? list.length : 1), 0);
    if (work > MAX_WORK) break;
    const still = shows(part);
    if (still) rest = part;
    next = reduction.next(still);
  }
  return rest;
}

function reasonOf({ finding, liobn }: Target): string {
  if (finding.kind.startsWith("dma-")) {
    return isPciLiobn(liobn)
      ? "a DMA at this address does not reach the window of a machine that begins anew"
      : "no operation of a script is a DMA of a VIO device";
  }
  return "the calls on its pages do not lead to it on a machine that begins anew";
}

/**
 * A leak is one for its age, which a few operations cannot have: what they show
 * is the mapping that nobody takes away.
 */
function staysMapped(text: string, { liobn, first }: Target): boolean {
  const script = parseOpScript(text, SCRIPT);
  const runner = new OpRunner(script.config);
  for (const { operation } of script.lines) runner.run(operation);
  const { status, registers } = runner.machine.call(Hcall.GET_TCE, liobn, first);
  return status === 0 && (registers.get(4) & 3n) !== 0n;
}
