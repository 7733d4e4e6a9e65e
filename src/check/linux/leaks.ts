import { toBig } from "../../base/u64.ts";
import { DIRECTION_NAMES, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, SINGLE } from "../../formats/trace/dma-kinds.ts";
import type { CheckOptions } from "../check-options.ts";
import type { Finding } from "../findings/finding.ts";
import type { FindingLog } from "../findings/log.ts";
import { placeText } from "../findings/place.ts";
import { FAMILY_NAMES, type LiveMapping } from "./live-mapping.ts";
import type { DeviceMappings } from "./mappings.ts";

/** Callers that are remembered. */
const MAX_CALLERS = 65_536;
/** Events before and after an error that are its caller's, where a recording does not say who runs. */
const CALLER_BEFORE = 16;
const CALLER_AFTER = 8;
/** A driver that went gave back its rings and most of its buffers: what may be left, at most. */
const LEFT_OVER = 16;
const LEFT_OVER_PART = 8;

/** Who made mistakes: a process on a device, or a stretch of events where no process is printed. */
export class GuiltyCallers {
  readonly #callers = new Set<string>();
  /** Events of errors of unknown callers, by device; in order. */
  readonly #errors = new Map<number, number[]>();

  add({ device, pid, number }: LinuxDmaEvent): void {
    if (this.#callers.size >= MAX_CALLERS) return;
    if (pid >= 0) this.#callers.add(`${device} ${pid}`);
    else {
      const errors = this.#errors.get(device);
      if (errors === undefined) this.#errors.set(device, [number]);
      else if (errors.length < MAX_CALLERS) errors.push(number);
    }
  }

  clear(): void {
    this.#callers.clear();
    this.#errors.clear();
  }

  made({ device, pid, event }: LiveMapping): boolean {
    if (pid >= 0) return this.#callers.has(`${device} ${pid}`);
    const errors = this.#errors.get(device) ?? [];
    return errors.some((error) => event >= error - CALLER_BEFORE && event <= error + CALLER_AFTER);
  }
}

/**
 * Finds leaks among what a device has mapped at the end.
 *
 * Drivers hold rings and buffers for as long as they run, so that being alive
 * says nothing. A mapping leaked if
 * - its driver is gone: rings and nearly everything else were given back; or
 * - all of its kind overtook it: many maps of its family and direction were
 *   made before, and later, and are gone; or
 * - its caller left other mistakes on the same device.
 */
export function findDmaLeaks(
  device: DeviceMappings,
  name: string,
  guilty: GuiltyCallers,
  options: CheckOptions,
  log: FindingLog,
): void {
  const alive = [...device.live].sort((a, b) => a.event - b.event);
  const gone = isGone(device);
  const overtaken = gone ? new Set<LiveMapping>() : overtakenOf(alive, device, options);
  let last: Finding | undefined;
  let before: LiveMapping | undefined;
  for (const mapping of alive) {
    const why = gone
      ? "while the driver gave back everything else"
      : overtaken.has(mapping)
        ? "while those of its kind that were made later are gone"
        : guilty.made(mapping)
          ? "and its caller left other mistakes on this device"
          : undefined;
    if (why === undefined) continue;
    const pages = Math.ceil(mapping.size / 4096);
    if (last !== undefined && before !== undefined && isSame(before, mapping)) {
      log.extend(last, [mapping], pages);
    } else {
      const direction = mapping.family === ALLOCATION ? "" : ` ${DIRECTION_NAMES[mapping.direction]}`;
      last = log.add({
        kind: "leak",
        device: name,
        ioba: toBig(mapping.dmaHi, mapping.dmaLo),
        pages,
        places: [mapping],
        message: `${FAMILY_NAMES[mapping.family]} of ${mapping.size} bytes${direction}, made by ${placeText(mapping)}, is alive at the end, ${why}`,
      });
    }
    before = mapping;
  }
}

/** Are two mappings one call pattern? */
const isSame = (a: LiveMapping, b: LiveMapping): boolean =>
  a.family === b.family &&
  a.direction === b.direction &&
  a.size === b.size &&
  a.pid === b.pid &&
  a.family === SINGLE;

/** Did the driver of a device give back its rings, and leave next to nothing? */
function isGone({ freed, live, peak, releasing }: DeviceMappings): boolean {
  return releasing && freed > 0 && live.size <= Math.min(LEFT_OVER, Math.ceil(peak / LEFT_OVER_PART));
}

/** Mappings that many of their family and direction overtook; none if they are so many that they are a pool. */
function overtakenOf(
  alive: readonly LiveMapping[],
  { made }: DeviceMappings,
  options: CheckOptions,
): Set<LiveMapping> {
  const found = new Set<LiveMapping>();
  const kindOf = ({ family, direction }: LiveMapping): number => family * 4 + direction;
  const younger = made.map(() => 0);
  const byKind: LiveMapping[][] = made.map(() => []);
  for (let i = alive.length - 1; i >= 0; i--) {
    const mapping = alive[i]!;
    const kind = kindOf(mapping);
    const later = made[kind]! - mapping.sequence - 1 - younger[kind]!;
    if (later >= options.overtaken && mapping.sequence >= options.overtaken) byKind[kind]!.push(mapping);
    younger[kind]!++;
  }
  for (const mappings of byKind) {
    if (mappings.length <= options.pool) for (const mapping of mappings) found.add(mapping);
  }
  return found;
}
