import type { Permission } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import type { Refusal } from "../../spapr/observer.ts";
import { permOf } from "../../tce/tce.ts";
import { type CheckOptions, MAX_PAST_UNMAPS } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import { FindingLog } from "../findings/log.ts";
import { type Place, placeOf } from "../findings/place.ts";
import { askedPages } from "../rebuild/call-range.ts";
import type { RebuildObserver, Removal } from "../rebuild/observer.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import type { Mismatch } from "../rebuild/verdicts.ts";
import { type WindowRecord, WindowRecords } from "../rebuild/window-records.ts";
import { findHoles } from "../windows/direct-map.ts";
import { RamFindings } from "./beyond-ram.ts";
import { FaultFindings } from "./faults.ts";
import { LeakFindings } from "./leaks.ts";
import { MappingFindings } from "./mappings.ts";
import { WindowFindings } from "./windows.ts";

/** Events between two looks at how many past unmaps are remembered. */
const TIDY_EVERY = 2 ** 18;

/** Listens to a rebuilt trace with all detectors. */
export class TraceFindings implements RebuildObserver {
  readonly log: FindingLog = new FindingLog();
  readonly #options: CheckOptions;
  readonly #mappings: MappingFindings;
  readonly #faults = new FaultFindings(this.log);
  readonly #windowFindings: WindowFindings;
  readonly #leaks: LeakFindings;
  readonly #ram: RamFindings | undefined;
  readonly #records = new WindowRecords();
  readonly #live = new Set<RebuiltWindow>();
  /** Findings of refused calls, by call and reason. */
  readonly #refusals = new Map<string, Finding>();
  #tidyAt = TIDY_EVERY;

  constructor(options: CheckOptions) {
    this.#options = options;
    this.#mappings = new MappingFindings(this.log, options);
    this.#windowFindings = new WindowFindings(this.log, options);
    this.#leaks = new LeakFindings(this.log, options);
    this.#ram = options.ram === undefined ? undefined : new RamFindings(this.log, options.ram);
  }

  /** All windows that were there, in order of creation. */
  get windows(): readonly WindowRecord[] {
    return this.#records.all(this.#live);
  }

  changing(
    event: QemuTraceEvent,
    rebuilt: RebuiltWindow,
    first: number,
    count: number,
    was: Permission,
  ): void {
    this.#mappings.changing(event, rebuilt, first, count, was);
    if (permOf(event.tceLo) === 0) {
      this.#leaks.unmapping(event, rebuilt, first, was);
      return;
    }
    this.#leaks.mapping(event, rebuilt, count);
    this.#ram?.mapping(event, rebuilt, first, count);
  }

  changed(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    const { table, entries } = rebuilt.window;
    // Nearly no window gets here.
    if (table!.validCount >= entries * this.#options.fullAt) this.#windowFindings.grown(event, rebuilt);
  }

  translated(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number, same: boolean): boolean {
    return this.#faults.translated(event, rebuilt, index, same);
  }

  outside(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    this.#faults.outside(event, rebuilt);
  }

  refused(event: QemuTraceEvent, refusal: Refusal | undefined): void {
    const rule = refusal?.rule ?? "the arguments are not what the call takes";
    const call = refusal?.call ?? "a call";
    const key = `${call} ${rule} ${event.liobn}`;
    const known = this.#refusals.get(key);
    if (known !== undefined) {
      this.log.extend(known, [placeOf(event)]);
      return;
    }
    const values = refusal === undefined ? "" : ` (${describe(refusal)})`;
    this.#refusals.set(
      key,
      this.log.add({
        kind: "refused-call",
        liobn: event.liobn,
        ioba: toBig(event.iobaHi, event.iobaLo),
        pages: askedPages(event),
        places: [placeOf(event)],
        message: `${call} was refused with ${event.ret}: ${rule}${values}`,
      }),
    );
  }

  created(rebuilt: RebuiltWindow): void {
    this.#windowFindings.created(rebuilt, this.#live);
    this.#leaks.created(rebuilt);
    this.#records.created(rebuilt);
    this.#live.add(rebuilt);
  }

  removing(rebuilt: RebuiltWindow, place: Place, how: Removal): void {
    if (how === "removed") this.#leaks.removing(rebuilt, place);
    this.#records.removed(rebuilt, place);
    this.#live.delete(rebuilt);
  }

  mismatch(event: QemuTraceEvent, { expected, actual, text }: Mismatch): void {
    const { liobn } = event;
    this.log.add({
      kind: "mismatch",
      liobn,
      ioba: toBig(event.iobaHi, event.iobaLo),
      pages: 1,
      places: [placeOf(event)],
      message: `recorded "${text}" (${expected}), but by all that the trace shows before it is ${actual}`,
    });
  }

  /** To be called now and then: bounds what is remembered of the past. */
  tidy(event: number): void {
    if (event < this.#tidyAt) return;
    this.#tidyAt = event + TIDY_EVERY;
    for (const rebuilt of this.#live) {
      const { table, entries } = rebuilt.window;
      if (rebuilt.history.size - table!.storedCount > MAX_PAST_UNMAPS) {
        rebuilt.history.forgetUnmapped(table!, entries);
      }
    }
  }

  /** To be called after the last of so many events. */
  end(events: number): void {
    this.#mappings.end();
    for (const rebuilt of this.#live) this.#leaks.end(rebuilt, events);
    findHoles([...this.#live], this.#options, this.log);
  }
}

const describe = ({ source, values }: Refusal): string =>
  `${source}; ${Object.entries(values)
    .map(([name, value]) => `${name} ${typeof value === "bigint" ? hex(value) : value}`)
    .join(", ")}`;
