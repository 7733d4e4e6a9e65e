import { hex } from "../../base/u64.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { pciDeviceToJson } from "../../formats/machine/pci-devices.ts";
import { type AliveGroup, type AliveMapping, AliveWatch, bytesOf } from "../lives/alive.ts";
import { type Moment, momentToJson, type ShownMoment } from "../state/moment.ts";
import { type FollowOptions, followLives } from "./follow-lives.ts";
import type { KnownDevices } from "./known-devices.ts";
import { callToJson, lifeToJson } from "./who-maps.ts";

/**
 * What is mapped at a moment.
 *
 * @public
 */
export interface AliveAnswer {
  readonly file: string;
  readonly format: string;
  /** The moment that is shown; undefined for a saved machine. */
  readonly moment: ShownMoment | undefined;
  /** The oldest first. */
  readonly mappings: readonly AliveMapping[];
  /** What limits the answer, as sentences. */
  readonly notes: readonly string[];
  /** Places where something of the input is missing, of which nobody knows what happened there. */
  readonly missing: number;
}

/**
 * Lists what is mapped at a moment; `groupAlive` groups it.
 *
 * @param input a trace of QEMU, a recording of Linux, an op or kernel script, or a saved machine
 * @throws IommuError UNSUPPORTED if the input is nothing of that kind; BAD_ARGUMENT for a moment that is not in it;
 * BAD_FILE
 * @public
 */
export async function aliveAt(
  input: InputData,
  moment?: Moment,
  options: FollowOptions = {},
): Promise<AliveAnswer> {
  const watch = new AliveWatch();
  const { file, format, moment: shown, notes, missing } = await followLives(input, moment, watch, options);
  return { file, format, moment: shown, mappings: watch.found, notes, missing };
}

/**
 * The answer in groups, in the shape of the JSON output of `alive`.
 *
 * @param groups of its mappings
 * @param top mappings of each group that are written out
 * @param devices what the devices of a recording of Linux are; see {@link knownDevices}
 * @public
 */
export function aliveToJson(
  { file, format, moment, mappings, notes }: AliveAnswer,
  groups: readonly AliveGroup[],
  top: number = Number.POSITIVE_INFINITY,
  devices: KnownDevices = new Map(),
): Record<string, unknown> {
  return {
    file,
    format,
    moment: moment === undefined ? null : momentToJson(moment),
    count: mappings.length,
    bytes: Number(bytesOf(mappings)),
    groups: groups.map((group) => ({
      ...(group.space === undefined
        ? {}
        : { space: group.space, ...pciDeviceToJson(devices.get(group.space)) }),
      ...(group.access === undefined ? {} : { access: group.access }),
      ...(group.size === undefined ? {} : { size: Number(group.size) }),
      ...(group.comm === undefined ? {} : { comm: group.comm }),
      ...(group.stack === undefined ? {} : { stack: group.stack }),
      count: group.mappings.length,
      bytes: Number(group.bytes),
      oldest: callToJson(group.oldest.life.made),
      mappings: group.mappings.slice(0, top).map((mapping) => aliveMappingToJson(mapping)),
    })),
    notes,
  };
}

/**
 * A mapping that is alive, in the shape of JSON outputs.
 *
 * @public
 */
export function aliveMappingToJson({ life, stretches, left }: AliveMapping): Record<string, unknown> {
  return {
    space: life.space,
    ...lifeToJson({ ...life, stretches }),
    left: Number(left),
    first: hex(stretches[0]!.first),
  };
}
