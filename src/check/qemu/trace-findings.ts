import type { Permission } from "../../base/permission.ts";
import { hex, toBig } from "../../base/u64.ts";
import type { HostEvent } from "../../formats/trace/host-event.ts";
import { type QemuTraceEvent, XLATE } from "../../formats/trace/trace-event.ts";
import type { Refusal } from "../../spapr/observer.ts";
import { permOf } from "../../tce/tce.ts";
import { type CheckOptions, MAX_PAST_UNMAPS } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import { FindingLog } from "../findings/log.ts";
import { type Place, placeOf } from "../findings/place.ts";
import { askedPages } from "../rebuild/call-range.ts";
import type { Mismatch } from "../rebuild/mismatch.ts";
import type { RebuildObserver, RebuildWatch, Removal } from "../rebuild/observer.ts";
import type { RebuiltWindow } from "../rebuild/rebuilt-window.ts";
import { type WindowRecord, WindowRecords } from "../rebuild/window-records.ts";
import { findHoles } from "../windows/direct-map.ts";
import { findFragmented } from "../windows/fragmented.ts";
import { RamFindings } from "./beyond-ram.ts";
import { FaultFindings } from "./faults.ts";
import { GeometryFindings } from "./geometry.ts";
import { HostPages } from "./host-pages.ts";
import { HostSide, type HostWindow } from "./host-side.ts";
import { InferredFindings } from "./inferred.ts";
import { LeakFindings } from "./leaks.ts";
import { MappingFindings } from "./mappings.ts";
import { MismatchFindings } from "./mismatches.ts";
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
  readonly #mismatches = new MismatchFindings(this.log);
  readonly #inferred = new InferredFindings(this.log);
  readonly #geometry = new GeometryFindings(this.log);
  readonly #host = new HostSide(this.log);
  /** Nearly no trace has a host's side. */
  #hostPages: HostPages | undefined;
  readonly #records = new WindowRecords();
  readonly #live = new Set<RebuiltWindow>();
  /** Findings of refused calls, by call and reason. */
  readonly #refusals = new Map<string, Finding>();
  #tidyAt = TIDY_EVERY;
  readonly #watch: RebuildWatch | undefined;

  /** @param watch is notified of what happens to windows, too */
  constructor(options: CheckOptions, watch?: RebuildWatch) {
    this.#options = options;
    this.#watch = watch;
    this.#mappings = new MappingFindings(this.log, options);
    this.#windowFindings = new WindowFindings(this.log, options);
    this.#leaks = new LeakFindings(this.log, options);
    this.#ram = options.ram === undefined ? undefined : new RamFindings(this.log, options.ram);
  }

  /** Windows of the host, as far as the trace tells of them. */
  get hostWindows(): readonly HostWindow[] {
    return this.#host.windows;
  }

  /** Takes an event of the host's side. */
  host(event: HostEvent): void {
    this.#host.handle(event);
    this.#hostPages ??= new HostPages(this.log);
    this.#hostPages.handle(event);
  }

  /** Events are missing. */
  lose(): void {
    this.#hostPages?.lose();
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
    this.#watch?.changing(event, rebuilt, first, count, was);
    this.#mappings.changing(event, rebuilt, first, count, was);
    const maps = permOf(event.tceLo) !== 0;
    if (this.#hostPages !== undefined) this.#hostPages.changing(event, rebuilt, first, count, maps);
    if (!maps) {
      this.#leaks.unmapping(event, rebuilt, first, count, was);
      return;
    }
    this.#leaks.mapping(event, rebuilt, first, count);
    this.#ram?.mapping(event, rebuilt, first, count);
  }

  changed(event: QemuTraceEvent, rebuilt: RebuiltWindow): void {
    this.#watch?.changed(event, rebuilt);
    if (permOf(event.tceLo) === 0) return;
    const { table, entries } = rebuilt.window;
    const enough = entries * this.#options.fullAt;
    // Nearly no window gets here.
    if (table!.validAtMost >= enough && table!.validCount >= enough)
      this.#windowFindings.grown(event, rebuilt);
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
    this.#watch?.created();
    this.#windowFindings.created(rebuilt, this.#live);
    this.#leaks.created(rebuilt);
    this.#records.created(rebuilt);
    this.#live.add(rebuilt);
  }

  removing(rebuilt: RebuiltWindow, place: Place, how: Removal): void {
    this.#watch?.removing(rebuilt, place, how);
    if (how === "removed") this.#leaks.removing(rebuilt, place);
    // A log may have several runs, one after the other: what was alive in this one is judged as at an end.
    else this.#leaks.end(rebuilt, place.event);
    this.#geometry.add(rebuilt);
    this.#records.removed(rebuilt, place);
    this.#live.delete(rebuilt);
  }

  mismatch(mismatch: Mismatch): void {
    this.#mismatches.add(mismatch);
  }

  contradicted(event: QemuTraceEvent, rebuilt: RebuiltWindow, index: number): void {
    // A fault says so itself.
    if (event.kind !== XLATE || event.perm !== 0) this.#inferred.contradicted(event, rebuilt, index);
  }

  moved({ window }: RebuiltWindow, bytes: bigint): void {
    for (const finding of this.log.findings) {
      if (finding.kind !== "dma-fault" || finding.liobn !== window.liobn || finding.ioba === undefined)
        continue;
      finding.ioba = BigInt.asUintN(64, finding.ioba + bytes);
    }
  }

  /** To be called now and then: bounds what is remembered of the past. */
  tidy(event: number): void {
    if (event >= this.#tidyAt) this.#tidyAll(event);
  }

  #tidyAll(event: number): void {
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
    this.#mismatches.end();
    for (const rebuilt of this.#live) this.#geometry.add(rebuilt);
    this.#host.end(this.#live);
    for (const rebuilt of this.#live) this.#leaks.end(rebuilt, events);
    for (const rebuilt of this.#live) findFragmented(rebuilt, this.#options, this.log);
    findHoles([...this.#live], this.#options, this.log);
  }
}

const describe = ({ source, values }: Refusal): string =>
  `${source}; ${Object.entries(values)
    .map(([name, value]) => `${name} ${typeof value === "bigint" ? hex(value) : value}`)
    .join(", ")}`;
