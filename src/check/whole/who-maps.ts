import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { pciDeviceToJson } from "../../formats/machine/pci-devices.ts";
import type { AddressRange, Life, LifeCall } from "../lives/life.ts";
import {
  isSpace,
  type WhoLife,
  type WhoNeighbour,
  type WhoQuery,
  type WhoSpace,
  type WhoUse,
  WhoWatch,
} from "../lives/who.ts";
import { type Moment, momentToJson, type ShownMoment, timeText } from "../state/moment.ts";
import { type FollowOptions, followLives } from "./follow-lives.ts";
import type { KnownDevices } from "./known-devices.ts";

/**
 * Who mapped addresses, as far as an input tells.
 *
 * @public
 */
export interface WhoAnswer extends AddressRange {
  readonly file: string;
  readonly format: string;
  readonly physical: boolean;
  /** The moment that is shown; undefined for a saved machine. */
  readonly moment: ShownMoment | undefined;
  /** Were the addresses ever mapped, as far as the input tells? */
  readonly found: boolean;
  /** By device, window or container: those that had the addresses; if none had them, all. */
  readonly spaces: readonly WhoSpace[];
  /** What limits the answer, as sentences. */
  readonly notes: readonly string[];
  /** Places where something of the input is missing, of which nobody knows what happened there. */
  readonly missing: number;
}

/**
 * Looks who had bus addresses, or addresses of memory: who mapped them, who unmapped them, what was done through them
 * and what lay around them.
 *
 * @param input a trace of QEMU, a recording of Linux, an op or kernel script, or a saved machine
 * @param moment of which is said what was mapped then; default: the end
 * @throws IommuError UNSUPPORTED if the input is nothing of that kind; BAD_ARGUMENT for a moment or a space that is not
 * in it, and a range that ends before it begins; BAD_FILE
 * @public
 */
export async function whoMaps(
  input: InputData,
  query: WhoQuery,
  moment?: Moment,
  options: FollowOptions = {},
): Promise<WhoAnswer> {
  const { first, last, physical = false } = query;
  if (last < first)
    throw new IommuError("BAD_ARGUMENT", `${hex(first)}-${hex(last)}: the range ends before it begins`);
  const watch = new WhoWatch(query);
  const { file, format, moment: shown, notes, missing } = await followLives(input, moment, watch, options);
  const { space } = query;
  if (space !== undefined && !watch.names.some((name) => isSpace(name, space))) {
    const there = watch.names.slice(0, 10).join(", ") || "none";
    throw new IommuError(
      "BAD_ARGUMENT",
      `${file}: nothing is mapped for "${space}"; there is something for ${there}`,
    );
  }
  const all = watch.answer();
  const having = all.filter(hasAny);
  const found = having.some(
    ({ now, earlierCount, laterCount }) => now.length + earlierCount + laterCount > 0,
  );
  const spaces = found ? having : all;
  return {
    file,
    format,
    first,
    last,
    physical,
    moment: shown,
    found,
    spaces,
    notes: [...notes, ...unordered(spaces)],
    missing,
  };
}

const hasAny = ({ now, earlierCount, laterCount, strayUses }: WhoSpace): boolean =>
  now.length + earlierCount + laterCount + strayUses.length > 0;

/** Events of one time on different CPUs have no order: which came first is not known. */
function unordered(spaces: readonly WhoSpace[]): string[] {
  const notes: string[] = [];
  for (const { now, earlier, later } of spaces) {
    const lives = [...earlier, ...now, ...later];
    const ends = lives.flatMap((had) => had.ends.map(({ call }) => call));
    const begins = lives.flatMap(({ life }) => life.made ?? []);
    for (const end of ends) {
      for (const begin of begins) {
        const isSame = begin.seconds === end.seconds && begin.nanoseconds === end.nanoseconds;
        if (!isSame || begin.cpu === undefined || begin.cpu === end.cpu) continue;
        notes.push(
          `lines ${end.line} (CPU ${end.cpu}) and ${begin.line} (CPU ${begin.cpu}) have one time: which came first is not known`,
        );
      }
    }
  }
  return notes;
}

/**
 * The answer in the shape of the JSON output of `who`.
 *
 * @param devices what the devices of a recording of Linux are; see {@link knownDevices}
 * @public
 */
export function whoToJson(answer: WhoAnswer, devices: KnownDevices = new Map()): Record<string, unknown> {
  const { file, format, first, last, physical, moment, found, spaces, notes } = answer;
  return {
    file,
    format,
    first: hex(first),
    last: hex(last),
    physical,
    moment: moment === undefined ? null : momentToJson(moment),
    found,
    spaces: spaces.map((space) => ({
      ...space,
      ...pciDeviceToJson(devices.get(space.space)),
      now: space.now.map(whoLifeToJson),
      earlier: space.earlier.map(whoLifeToJson),
      later: space.later.map(whoLifeToJson),
      strayUses: space.strayUses.map(useToJson),
      before: neighbourToJson(space.before),
      after: neighbourToJson(space.after),
    })),
    notes,
  };
}

/** A mapping that had an address in the shape of JSON outputs. */
export const whoLifeToJson = ({ life, ends, endCount, uses }: WhoLife): Record<string, unknown> => ({
  ...lifeToJson(life),
  ends: ends.map(({ gone, fate, call }) => ({
    ...(gone === undefined ? {} : { first: hex(gone.first), last: hex(gone.last) }),
    fate,
    ...callToJson(call),
  })),
  endCount,
  uses: uses.map(useToJson),
});

const useToJson = ({ kind, count, first, last }: WhoUse): Record<string, unknown> => ({
  kind,
  count,
  first: callToJson(first),
  last: callToJson(last),
});

const neighbourToJson = (neighbour: WhoNeighbour | undefined): Record<string, unknown> | null =>
  neighbour === undefined
    ? null
    : {
        first: hex(neighbour.first),
        last: hex(neighbour.last),
        distance: hex(neighbour.distance),
        isAlive: neighbour.isAlive,
        made: callToJson(neighbour.life.made),
      };

/** A mapping in the shape of JSON outputs. */
export function lifeToJson(life: Life): Record<string, unknown> {
  const { stretches, entries, access, bytes, inferred, truncated, made } = life;
  return {
    ranges: stretches.map(({ first, last, target, repeats }) => ({
      first: hex(first),
      last: hex(last),
      target: target === undefined ? null : hex(target),
      ...(repeats === undefined ? {} : { sameTarget: true }),
    })),
    ...(entries.length === 0 ? {} : { entries: entries.map(hex) }),
    access,
    bytes: Number(bytes),
    inferred,
    ...(truncated ? { truncated: true } : {}),
    made: callToJson(made),
  };
}

/** A call in the shape of JSON outputs; what the recording does not tell is not there. */
export function callToJson(call: LifeCall | undefined): Record<string, unknown> | null {
  if (call === undefined) return null;
  const { name, event, line, cpu, pid, task, stack } = call;
  const time = Number.isNaN(call.seconds) ? {} : { time: timeText(call) };
  return {
    call: name,
    event,
    line,
    ...time,
    ...(cpu === undefined ? {} : { cpu }),
    ...(pid === undefined ? {} : { pid }),
    ...(task === undefined ? {} : { task }),
    ...(stack === undefined ? {} : { stack }),
  };
}
