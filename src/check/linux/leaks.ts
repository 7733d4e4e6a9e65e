import { toBig } from "../../base/u64.ts";
import { DIRECTION_NAMES } from "../../formats/trace/dma-event.ts";
import { ALLOCATION } from "../../formats/trace/dma-kinds.ts";
import type { CheckOptions } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import type { LinuxDevice } from "./device.ts";
import { groupsBy } from "./groups.ts";
import { FAMILY_NAMES, type LiveMapping } from "./live-mapping.ts";
import type { DeviceMappings } from "./mappings.ts";
import { findNeverUnmapped } from "./never-unmapped.ts";
import { type DmaReport, pagesOf, timeOf } from "./report.ts";

/** The program that removes drivers: what it gives back ends their work. */
const REMOVER = "rmmod";

/**
 * Finds leaks among what a device has mapped at the end.
 *
 * Drivers hold rings and buffers for as long as they run, so that being alive
 * says nothing. A mapping leaked if
 * - its driver is gone: it gave back as much as is left or more, and among that what it had had for long; or
 * - those like it are never unmapped, and more of them are made all the time; or
 * - all of its kind overtook it: many maps of its family and direction were
 *   made before, and later, and are gone; or, of streaming maps, it is much older than any of its pattern got, or than
 *   those of its pattern that its caller made; or
 * - its caller left other mistakes on the same device.
 */
export function findDmaLeaks(
  linuxDevice: LinuxDevice,
  name: string,
  options: CheckOptions,
  report: DmaReport,
): void {
  const { mappings: device } = linuxDevice;
  if (device.live.size === 0) return;
  if (isGone(device, options, report)) {
    reportLeaks(
      [...device.live],
      name,
      "is alive at the end, while the driver gave back everything else",
      report,
    );
    return;
  }
  const never = findNeverUnmapped(linuxDevice, name, options, report);
  const alive = [...device.live].filter((mapping) => !never.has(mapping)).sort(byEvent);
  const overtaken = new Set([
    ...overtakenOf(alive, device, options),
    ...outlivedOf(alive, device, options),
    ...outlivedByCaller(alive, linuxDevice, options, report),
  ]);
  const left = alive.filter((mapping) => overtaken.has(mapping));
  reportLeaks(
    left,
    name,
    "is alive at the end, while those of its kind that were made later are gone",
    report,
  );
  const guilty = alive.filter((mapping) => !overtaken.has(mapping) && report.guilty.made(mapping));
  reportLeaks(guilty, name, "is alive at the end, and its caller left other mistakes on this device", report);
}

/** Says that mappings leaked: one finding for each pattern and caller. */
export function reportLeaks(
  mappings: readonly LiveMapping[],
  name: string,
  why: string,
  report: DmaReport,
): Finding[] {
  const groups = groupsBy(
    [...mappings].sort(byEvent),
    ({ pattern, size, pid, task, event }) =>
      `${pattern} ${size} ${pid} ${task} ${report.stacks.callerOf(event)}`,
  );
  return groups.map((group) => {
    const [first, ...others] = group as [LiveMapping, ...LiveMapping[]];
    const { family, size, direction } = first;
    const way = family === ALLOCATION ? "" : ` ${DIRECTION_NAMES[direction]}`;
    const finding = report.log.add({
      kind: "leak",
      device: name,
      ioba: toBig(first.dmaHi, first.dmaLo),
      pages: group.reduce((sum, one) => sum + pagesOf(one.size), 0),
      places: [first],
      time: timeOf(first),
      task: report.taskOf(first),
      message: `${FAMILY_NAMES[family]} of ${size} bytes${way}, made by ${report.actText(first)}, ${why}`,
    });
    report.log.extend(finding, others, 0, others.length);
    return finding;
  });
}

const byEvent = (a: LiveMapping, b: LiveMapping): number => a.event - b.event;

/**
 * Did the driver of a device go? Its last calls gave back at least as much as is left, and allocations among that: by
 * the program that removes drivers, or one that the driver had from its first half on.
 */
function isGone(device: DeviceMappings, { goneAt }: CheckOptions, report: DmaReport): boolean {
  const { released, releasedSince, releasedBy, live, firstEvent, lastEvent } = device;
  if (!Number.isFinite(releasedSince)) return false;
  if (report.taskName(releasedBy) === REMOVER) return true;
  const isOld = releasedSince <= (firstEvent + lastEvent) / 2;
  return isOld && released >= (released + live.size) * goneAt;
}

/** Mappings that many of their family and direction overtook; none that were made together and are a pool. */
function overtakenOf(
  alive: readonly LiveMapping[],
  { made }: DeviceMappings,
  { overtaken, pool }: CheckOptions,
): LiveMapping[] {
  const kindOf = ({ family, direction }: LiveMapping): number => family * 4 + direction;
  const younger = made.map(() => 0);
  const byKind: LiveMapping[][] = made.map(() => []);
  for (let i = alive.length - 1; i >= 0; i--) {
    const mapping = alive[i]!;
    const kind = kindOf(mapping);
    const later = made[kind]! - mapping.sequence - 1 - younger[kind]!;
    if (later >= overtaken && mapping.sequence >= overtaken) byKind[kind]!.push(mapping);
    younger[kind]!++;
  }
  return byKind.flatMap((mappings) => withoutPools(mappings.reverse(), ({ sequence }) => sequence, pool));
}

/** Streaming maps that are much older than any of their pattern got; none that were made together and are a pool. */
function outlivedOf(
  alive: readonly LiveMapping[],
  { patterns }: DeviceMappings,
  { outlived, older, pool }: CheckOptions,
): LiveMapping[] {
  const byPattern: LiveMapping[][] = patterns.map(() => []);
  for (const mapping of alive) {
    if (mapping.family !== ALLOCATION) byPattern[mapping.pattern]!.push(mapping);
  }
  return byPattern.flatMap((mappings, number) => {
    const { made, longest } = patterns[number]!;
    const found = mappings.filter(({ order }, before) => {
      const age = made - order - 1;
      const after = mappings.length - before - 1;
      return order - before >= outlived && age - after >= outlived && age >= older * Math.max(longest, 1);
    });
    return withoutPools(found, ({ order }) => order, pool);
  });
}

/** The same by caller: others that treat such sizes and directions otherwise do not count. */
function outlivedByCaller(
  alive: readonly LiveMapping[],
  { mappings, callers }: LinuxDevice,
  { outlived, older, pool }: CheckOptions,
  { stacks }: DmaReport,
): LiveMapping[] {
  const groups = groupsBy(alive, (mapping) => {
    const caller = stacks.callerOf(mapping.event);
    if (caller < 0 || mapping.family === ALLOCATION) return undefined;
    const { before, after, longest } = callers.others(mapping, caller);
    const age = mappings.patterns[mapping.pattern]!.made - mapping.order - 1;
    const isOld = before >= outlived && after >= outlived && age >= older * Math.max(longest, 1);
    return isOld ? `${mapping.pattern} ${caller}` : undefined;
  });
  return groups.flatMap((group) => withoutPools(group, ({ order }) => order, pool));
}

/** Mappings in the order in which they were made, without rows of more than `pool` that were made one after another. */
function withoutPools(
  mappings: readonly LiveMapping[],
  orderOf: (mapping: LiveMapping) => number,
  pool: number,
): LiveMapping[] {
  const found: LiveMapping[] = [];
  let row: LiveMapping[] = [];
  mappings.forEach((mapping, i) => {
    row.push(mapping);
    const next = mappings[i + 1];
    if (next !== undefined && orderOf(next) === orderOf(mapping) + 1) return;
    if (row.length <= pool) found.push(...row);
    row = [];
  });
  return found;
}
