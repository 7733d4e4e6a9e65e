import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import { DIRECTION_NAMES } from "../../formats/trace/dma-event.ts";
import { ALLOCATION } from "../../formats/trace/dma-kinds.ts";
import type { CheckOptions } from "../check-options.ts";
import type { LinuxDevice } from "./device.ts";
import { groupsBy } from "./groups.ts";
import type { LiveMapping } from "./live-mapping.ts";
import type { DeviceMappings, Pattern } from "./mappings.ts";
import { between, type DmaReport, pagesOf, timeOf } from "./report.ts";

/** Parts of a recording in each of which mappings must be made: a pool that is filled once is no leak. */
const PARTS = 4;
/** Of all mappings each part has at least the share of an even spread, divided by this. */
const UNEVEN = 2.5;

/** Mappings of which not one was ever unmapped. */
interface NeverUnmapped {
  readonly what: string;
  readonly mappings: readonly LiveMapping[];
}

/**
 * Finds streaming mappings of a device that are never unmapped, though more of them are made all the time: all of them,
 * or those of a direction, or of a direction and size class, or of a direction and caller.
 *
 * @returns the mappings that were told
 */
export function findNeverUnmapped(
  device: LinuxDevice,
  name: string,
  options: CheckOptions,
  report: DmaReport,
): ReadonlySet<LiveMapping> {
  const told = new Set<LiveMapping>();
  for (const { what, mappings } of setsOf(device, options, report)) {
    for (const mapping of mappings) told.add(mapping);
    const [first] = mappings;
    const finding = report.log.add({
      kind: "never-unmapped",
      device: name,
      ioba: BigInt(first!.dmaHi) * 2n ** 32n + BigInt(first!.dmaLo),
      pages: mappings.reduce((sum, { size }) => sum + pagesOf(size), 0),
      places: [first!],
      time: timeOf(first!),
      task: report.taskOf(first!),
      message: `${what} are never unmapped: ${formatCount(mappings.length)} were made, from ${report.actText(first!)} on, and all of them are alive${rateText(mappings, options)}`,
    });
    report.log.extend(finding, mappings.slice(1), 0, mappings.length - 1);
  }
  return told;
}

/** The largest sets that qualify; a part of one is not told again. */
function setsOf(
  { mappings: device, callers }: LinuxDevice,
  options: CheckOptions,
  { stacks }: DmaReport,
): NeverUnmapped[] {
  const streaming = device.patterns.filter(({ family }) => family !== ALLOCATION);
  const alive = [...device.live]
    .filter(({ family }) => family !== ALLOCATION)
    .sort((a, b) => a.event - b.event);
  const ifSteady = (mappings: readonly LiveMapping[], what: string): NeverUnmapped[] => {
    const goesOn = mappings.length >= Math.max(options.neverUnmapped, PARTS) && isSteady(mappings, device);
    return goesOn ? [{ what, mappings }] : [];
  };
  const found = (patterns: readonly Pattern[], what: string): NeverUnmapped[] => {
    if (patterns.length === 0 || patterns.some(({ gone }) => gone > 0)) return [];
    const numbers = new Set(patterns.map(({ number }) => number));
    return ifSteady(
      alive.filter(({ pattern }) => numbers.has(pattern)),
      what,
    );
  };
  /** Some of a direction are undone; perhaps none of one caller. */
  const foundByCaller = (ofWay: readonly LiveMapping[], what: string): NeverUnmapped[] =>
    groupsBy(ofWay, ({ event, direction }) => {
      const caller = stacks.callerOf(event);
      return caller >= 0 && callers.neverUndone(direction, caller) ? caller : undefined;
    }).flatMap((mappings) => ifSteady(mappings, what));
  const all = found(streaming, "all streaming mappings of the device");
  if (all.length > 0) return all;
  return DIRECTION_NAMES.flatMap((way, direction) => {
    const ofWay = streaming.filter((pattern) => pattern.direction === direction);
    const whole = found(ofWay, `mappings ${way}`);
    if (whole.length > 0) return whole;
    const bySize = ofWay.flatMap((pattern) => found([pattern], `mappings ${way} of similar size`));
    const told = new Set(bySize.flatMap(({ mappings }) => mappings));
    const others = alive.filter((mapping) => mapping.direction === direction && !told.has(mapping));
    return [...bySize, ...foundByCaller(others, `mappings ${way} of one caller`)];
  });
}

/** Are mappings made in all parts of the time in which the device was active? */
function isSteady(mappings: readonly LiveMapping[], { firstEvent, lastEvent }: DeviceMappings): boolean {
  if (!(between(mappings[0]!, mappings.at(-1)!) >= FILLED_AFTER)) return false;
  const parts = new Array<number>(PARTS).fill(0);
  const length = lastEvent - firstEvent + 1;
  for (const { event } of mappings) parts[Math.floor(((event - firstEvent) * PARTS) / length)]!++;
  return parts.every((count) => count >= mappings.length / PARTS / UNEVEN);
}

/** Filling a pool when a device is opened takes less than so many seconds. */
const FILLED_AFTER = 1;

/** How fast that goes, and when no address is left. */
function rateText(mappings: readonly LiveMapping[], { dmaMask }: CheckOptions): string {
  const seconds = between(mappings[0]!, mappings.at(-1)!);
  const bytes = mappings.reduce((sum, { size }) => sum + pagesOf(size) * 4096, 0);
  const rate = bytes / seconds;
  const isLow = mappings.every(({ dmaHi }) => dmaHi === 0);
  const bits = dmaMask > 0 ? dmaMask : isLow ? 32 : 0;
  const text = `; that is ${Number((mappings.length / seconds).toPrecision(3))} mappings and ${formatSize(Math.round(rate / 4096) * 4096)} of addresses in a second`;
  if (bits === 0) return text;
  return `${text}, and ${formatSize(2n ** BigInt(bits))} are full after ${formatTime(2 ** bits / rate)}`;
}
