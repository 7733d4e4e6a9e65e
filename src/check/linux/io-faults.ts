import { hex, hiOf, loOf, toBig } from "../../base/u64.ts";
import { formatTime } from "../../base/units.ts";
import { BIDIRECTIONAL, DIRECTION_NAMES, FROM_DEVICE, TO_DEVICE } from "../../formats/trace/dma-event.ts";
import { ALLOCATION } from "../../formats/trace/dma-kinds.ts";
import type { KernelEvent, KernelStatement } from "../../formats/trace/kernel-event.ts";
import type { Finding } from "../findings/finding.ts";
import type { Place } from "../findings/place.ts";
import { byteOf, bytesOf, FAMILY_NAMES, type LiveMapping, offsetIn, RANGE } from "./live-mapping.ts";
import type { AddressSpace } from "./mappings.ts";
import { between, type DmaReport, timeOf } from "./report.ts";
import type { PastMapping, PastUnmap } from "./used-addresses.ts";
import { WaitingAddresses } from "./waiting-addresses.ts";

type Fault = Extract<KernelStatement, { readonly type: "fault" }>;

/** Bytes beside a mapping in which an access is one that overran it: the largest usual page of an IOMMU. */
const NEAR = 65_536;
/** Faults that are looked into; those after them are only counted. */
const MAX_FAULTS = 10_000;
/** Faults of a step that make it the size of something. */
const REGULAR = 3;

const ACCESS_NAMES = { read: "reads", write: "writes", unknown: "accesses" } as const;

/** Where faults find what is mapped. */
export interface FaultSpaces {
  /** Addresses of a device: its own, or those of the IOMMU's events; undefined if nothing is known of it. */
  spaceOf(device: string | undefined): AddressSpace | undefined;
  /** Are devices known, and this one is none of them? */
  knowsOthersThan(device: string | undefined): boolean;
  /** Another device that has an address mapped now. */
  otherWith(
    device: string | undefined,
    hi: number,
    lo: number,
  ): { name: string; mapping: LiveMapping } | undefined;
}

/** Why a device was refused. */
interface Cause {
  /** Of what sort it is, and what faults of it have in common besides. */
  readonly sort: "refused" | "unmapped" | "beside" | "foreign" | "unknown";
  readonly key: object | string;
  readonly places: readonly Place[];
  readonly text: string;
  /** Does the access lie in the mapping? Then its steps are those of a ring. */
  readonly isInside: boolean;
}

/** Faults of a device that have one cause. */
interface FaultGroup {
  readonly finding: Finding;
  readonly device: string | undefined;
  readonly cause: Cause;
  readonly head: string;
  /** Addresses by the file that the first one stood in: the other file may tell of the same faults. */
  readonly seen: Set<bigint>;
  readonly isInLog: boolean;
  last: bigint;
  /** Distance of all of them so far; 0 if there is none. */
  step: bigint;
  isRegular: boolean;
  /** The mapping that came later for the address, if one did. */
  later: string;
}

/**
 * Ties each access that an IOMMU refused to the mapping that had the address: now, before, beside it, on another
 * device, or later.
 */
export class IoFaults {
  readonly #report: DmaReport;
  readonly #spaces: FaultSpaces;
  readonly #groups = new Map<string, Map<object | string, FaultGroup>>();
  /** Groups of addresses that nothing mapped so far: each has a stretch of {@link NEAR} bytes to itself. */
  readonly #unmapped = new WaitingAddresses<FaultGroup>();
  #faults = 0;

  constructor(report: DmaReport, spaces: FaultSpaces) {
    this.#report = report;
    this.#spaces = spaces;
  }

  /** Faults that were not looked into. */
  get beyond(): number {
    return Math.max(0, this.#faults - MAX_FAULTS);
  }

  /** Is there a fault for which a later mapping can be the one that was meant? */
  get isWaiting(): boolean {
    return !this.#unmapped.isEmpty;
  }

  fault(event: KernelEvent, said: Fault, place: Place): void {
    if (++this.#faults > MAX_FAULTS) return;
    const what = this.#checked(said);
    const cause = this.#causeOf(event, what);
    const sort = `${cause.sort} ${what.device ?? what.stream ?? ""}`;
    const byCause = this.#groups.get(sort) ?? new Map<object | string, FaultGroup>();
    this.#groups.set(sort, byCause);
    const known = byCause.get(cause.key);
    if (known === undefined) byCause.set(cause.key, this.#begin(event, what, cause, place));
    else this.#extend(known, what.address, place);
  }

  /** A stream is of no device where devices are known, and that is none of them. */
  #checked(what: Fault): Fault {
    if (what.stream === undefined || !this.#spaces.knowsOthersThan(what.device)) return what;
    return { ...what, device: undefined };
  }

  /** A mapping was made: is it the one that a device used too early? */
  mapped(mapping: LiveMapping, device: string): void {
    const first = toBig(mapping.dmaHi, mapping.dmaLo);
    for (const group of this.#unmapped.take(device, first, first + BigInt(mapping.size) - 1n)) {
      const after = sinceText(between(group.finding.time === undefined ? NOWHEN : momentOf(group), mapping));
      group.later = `; it is mapped ${after}later, by ${this.#report.actText(mapping)}`;
      this.#report.log.extend(group.finding, [mapping], 0, 0);
      this.#describe(group);
    }
  }

  /** Events are missing: what was mapped is not known any more. */
  lose(): void {
    this.#unmapped.clear();
  }

  #begin(event: KernelEvent, what: Fault, cause: Cause, place: Place): FaultGroup {
    const { device, address, access, stream } = what;
    const finding = this.#report.log.add({
      kind: "io-fault",
      ...(device === undefined ? {} : { device }),
      ioba: address,
      pages: 1,
      places: [...cause.places, place],
      time: timeOf(event),
      message: "",
    });
    const by = stream === undefined ? "" : `, known by its stream ${hex(stream)} only,`;
    const head = `${device === undefined ? "a device" : "the device"}${by} ${ACCESS_NAMES[access]}`;
    const group: FaultGroup = {
      finding,
      device,
      cause,
      head,
      seen: new Set([address]),
      isInLog: place.isInLog === true,
      last: address,
      step: 0n,
      isRegular: true,
      later: "",
    };
    if (cause.sort === "unknown" && device !== undefined) this.#unmapped.add(device, group);
    this.#describe(group);
    return group;
  }

  #extend(group: FaultGroup, address: bigint, place: Place): void {
    const isOther = (place.isInLog === true) !== group.isInLog;
    if (isOther && group.seen.has(address)) {
      this.#report.log.extend(group.finding, [place], 0, 0);
      return;
    }
    group.seen.add(address);
    const step = address - group.last;
    if (group.step === 0n) group.step = step;
    else if (step !== group.step) group.isRegular = false;
    group.last = address;
    this.#report.log.extend(group.finding, [place]);
    this.#describe(group);
  }

  #describe({ finding, cause, head, last, step, isRegular, later }: FaultGroup): void {
    const size = step < 0n ? -step : step;
    const isStep = isRegular && size > 0n && finding.count >= REGULAR;
    const ring = cause.isInside ? `: so long are the descriptors of a ring` : "";
    const steps = isStep ? `; ${finding.count} faults up to ${hex(last)}, ${size} bytes apart${ring}` : "";
    finding.message = `${head} ${cause.text}${steps}${later}`;
  }

  #causeOf(event: KernelEvent, { device, address, access }: Fault): Cause {
    const [hi, lo] = [hiOf(address), loOf(address)];
    const space = this.#spaces.spaceOf(device);
    const live = space?.covering(hi, lo);
    if (live !== undefined) return this.#ofLive(live, access, hi, lo);
    const past = space?.coveredBefore(hi, lo);
    if (past !== undefined) return this.#ofPast(event, past, hi, lo);
    const near = space?.nearest(hi, lo, NEAR);
    if (near !== undefined) return this.#ofNeighbour(near, hi, lo);
    const other = this.#spaces.otherWith(device, hi, lo);
    if (other !== undefined) {
      const { name, mapping } = other;
      const whose =
        device === undefined ? "; nothing tells whether that is the device" : ", and not for itself";
      const text = `${hex(address)}, which is mapped for ${name}, by ${this.#report.actText(mapping)}${whose}`;
      return { sort: "foreign", key: mapping, places: [mapping], text, isInside: true };
    }
    const text =
      space === undefined
        ? `${hex(address)}: nothing here tells what is mapped for it`
        : `${hex(address)}, which nothing mapped before in this recording`;
    return { sort: "unknown", key: hex(address / BigInt(NEAR)), places: [], text, isInside: false };
  }

  #ofLive(mapping: LiveMapping, access: Fault["access"], hi: number, lo: number): Cause {
    const { direction, family } = mapping;
    const where = this.#inside(mapping, hi, lo);
    const allows =
      family === ALLOCATION ||
      direction === BIDIRECTIONAL ||
      access === "unknown" ||
      direction === (access === "write" ? FROM_DEVICE : TO_DEVICE);
    const text = allows
      ? `${where}, which is mapped: another domain, or entries that the IOMMU still has cached, refuse it`
      : `${where}: its direction ${DIRECTION_NAMES[direction]} does not allow the device to ${access}`;
    return { sort: "refused", key: mapping, places: [mapping], text, isInside: true };
  }

  #ofPast(event: KernelEvent, past: PastUnmap, hi: number, lo: number): Cause {
    const { mapping } = past;
    const after = sinceText(between(past, event));
    const text = `${this.#inside(mapping, hi, lo)}, ${after}after its unmap by ${this.#report.actText(past)}`;
    return { sort: "unmapped", key: String(past.line), places: [mapping, past], text, isInside: true };
  }

  #ofNeighbour(mapping: LiveMapping, hi: number, lo: number): Cause {
    const offset = offsetIn(mapping, hi, lo);
    const { size } = mapping;
    const text =
      offset < 0
        ? `${bytesText(-offset)} before ${this.#describeMapping(mapping)}`
        : `behind the end of ${this.#describeMapping(mapping)}: it overran that by ${bytesText(offset - size + 1)} or more`;
    return { sort: "beside", key: mapping, places: [mapping], text, isInside: false };
  }

  /** `byte 0x8c of an allocation of 4096 bytes, made by event 0 (line 12) of modprobe-901`. */
  #inside(mapping: PastMapping, hi: number, lo: number): string {
    return `byte ${hex(byteOf(mapping, hi, lo))} of ${this.#describeMapping(mapping)}`;
  }

  #describeMapping(mapping: PastMapping): string {
    const { family, direction } = mapping;
    const way = family === ALLOCATION || family === RANGE ? "" : ` ${DIRECTION_NAMES[direction]}`;
    return `${FAMILY_NAMES[family]} of ${bytesOf(mapping)} bytes${way} at ${hex(toBig(mapping.dmaHi, mapping.dmaLo))}, made by ${this.#report.actText(mapping)}`;
  }
}

const NOWHEN = { seconds: Number.NaN, nanoseconds: 0 };
const momentOf = ({
  finding: { time = Number.NaN },
}: FaultGroup): { seconds: number; nanoseconds: number } => ({
  seconds: Math.floor(time),
  nanoseconds: (time % 1) * 1e9,
});

/** `2.3 ms `, nothing where the time is not known. */
const sinceText = (seconds: number): string => (seconds > 0 ? `${formatTime(seconds)} ` : "");

/** As other numbers of bytes in these messages, without separators. */
const bytesText = (bytes: number): string => `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
