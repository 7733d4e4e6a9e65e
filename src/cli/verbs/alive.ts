import { IommuError } from "../../base/errors.ts";
import { counted, formatCount, formatSize, formatTime } from "../../base/units.ts";
import { framesText } from "../../check/findings/finding-stack.ts";
import {
  type AliveGroup,
  type AliveOrder,
  bytesOf,
  GROUP_KEYS,
  type GroupKey,
  groupAlive,
} from "../../check/lives/alive.ts";
import type { LifeCall } from "../../check/lives/life.ts";
import type { Moment, ShownMoment } from "../../check/state/moment.ts";
import { aliveAt, aliveMappingToJson, aliveToJson } from "../../check/whole/alive-at.ts";
import type { KnownDevices } from "../../check/whole/known-devices.ts";
import { type Answer, type AnswerOptions, printAnswer } from "../answer.ts";
import { type DeviceOptions, devicesOption, devicesTold, spaceText } from "../device-options.ts";
import { Exit, noteMissing } from "../exit-status.ts";
import { withInput } from "../input.ts";
import { ALIVE_COLUMNS, addressesText, momentText } from "../life-text.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import {
  answerOptions,
  MAPPED_FILE,
  momentOption,
  quietOption,
  text,
  value,
  wholeNumber,
} from "../options.ts";
import { print, toJson } from "../output.ts";
import { printTable, type TableColumn } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";

interface AliveOptions extends AnswerOptions, MachineOptions, DeviceOptions {
  readonly at: Moment;
  readonly sort: AliveOrder;
  readonly by: readonly GroupKey[];
  readonly top: number;
  readonly quiet: boolean;
}

const TABLE: readonly TableColumn[] = [
  { head: "device" },
  { head: "direction" },
  { head: "size", align: "right" },
  { head: "task", isCut: true },
  { head: "count", align: "right" },
  { head: "bytes", align: "right" },
  { head: "age", align: "right" },
  { head: "oldest" },
  { head: "line", align: "right" },
  { head: "called by", isCut: true },
];
/** Names of what mappings are grouped by, as people say it. */
const KEY_NAMES: Readonly<Record<string, GroupKey>> = {
  device: "space",
  direction: "access",
  size: "size",
  comm: "comm",
  stack: "stack",
};

/** `alive FILE`: what is mapped at a moment, by pattern, the oldest first. */
async function alive(path: string, options: AliveOptions): Promise<number> {
  const { at, sort, by, top, quiet, buffer } = options;
  const windows = await windowsTold(options);
  const devices = await devicesTold(options);
  const answer = await withInput(path, quiet, (data, read) =>
    aliveAt(data, at, { ...read, windows, buffer }),
  );
  const groups = groupAlive(answer.mappings, by, sort);
  const shown = groups.slice(0, top);
  const answerForms: Answer = {
    human: async () => {
      const { file, moment, mappings, notes } = answer;
      const count = counted(mappings.length, "mapping is", "mappings are");
      const sum = `${formatSize(bytesOf(mappings))}, ${counted(groups.length, "pattern")}`;
      print(`${file}: ${count} alive (${sum}) ${momentText(moment)}`);
      if (shown.length > 0) {
        await printTable(
          TABLE,
          shown.map((group) => cellsOf(group, moment, devices)),
        );
      }
      if (groups.length > top) print(`and ${formatCount(groups.length - top)} more (--top)`);
      for (const note of notes) print(`note: ${note}`);
    },
    json: () => [toJson(aliveToJson(answer, shown, top, devices))],
    columns: ALIVE_COLUMNS,
    rows: () =>
      groups
        .flatMap((group) => group.mappings)
        .slice(0, top)
        .map(aliveMappingToJson),
  };
  await printAnswer(answerForms, options);
  noteMissing(answer.missing);
  return Exit.OK;
}

const cellsOf = (
  { space, access, size, comm, stack, mappings, bytes, oldest }: AliveGroup,
  moment: ShownMoment | undefined,
  devices: KnownDevices,
): string[] => [
  space === undefined ? "" : spaceText(space, devices),
  access ?? "",
  size === undefined ? "" : formatSize(size),
  comm ?? "",
  formatCount(mappings.length),
  formatSize(bytes),
  ageText(oldest.life.made, moment),
  addressesText(oldest.stretches[0]!),
  String(oldest.life.made?.line ?? ""),
  framesText(stack ?? []),
];

function ageText(made: LifeCall | undefined, moment: ShownMoment | undefined): string {
  if (made === undefined || moment === undefined) return "";
  const age = moment.seconds - made.seconds + (moment.nanoseconds - made.nanoseconds) / 1e9;
  if (Number.isNaN(age)) return counted(moment.event - made.event, "event");
  return formatTime(Math.max(0, age));
}

/**
 * Reads names with commas between them.
 *
 * @throws IommuError BAD_ARGUMENT
 */
const parseKeys = (given: string): GroupKey[] =>
  given.split(",").map((name) => {
    if (Object.hasOwn(KEY_NAMES, name)) return KEY_NAMES[name]!;
    const names = Object.keys(KEY_NAMES).join(", ");
    throw new IommuError("BAD_ARGUMENT", `"${name}" is nothing to group by; there are ${names}`);
  });

export const verb: Verb = defineVerb({
  name: "alive",
  summary: "what is mapped at a moment, the oldest first, by device, direction, size, task and call stack",
  arguments: [["<file>", MAPPED_FILE]],
  options: [
    momentOption(),
    text("--sort <order>", "what comes first: the oldest, the largest, or the lowest address")
      .choices(["age", "size", "address"])
      .default("age"),
    value(
      "--by <what>",
      "group by device, direction, size, comm (task), stack, or several with commas",
      parseKeys,
    ).default(GROUP_KEYS, "all of them"),
    value("--top <count>", "patterns (as rows: mappings) that are shown", wholeNumber(1, 2 ** 40)).default(
      Number.POSITIVE_INFINITY,
      "all",
    ),
    ...answerOptions(),
    ...machineOptions(),
    devicesOption(),
    quietOption("no progress bar"),
  ],
  examples: [
    "alive trace.txt",
    "alive --at 2s --sort size --top 10 trace.txt",
    "alive --by comm trace.txt",
    "alive --by stack --sort size trace.txt",
  ],
  run: alive,
});
