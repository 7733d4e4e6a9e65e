import { IommuError } from "../../base/errors.ts";
import { hex, U64_MAX } from "../../base/u64.ts";
import { counted, formatCount, formatSize, formatTime, parseSize } from "../../base/units.ts";
import { framesText } from "../../check/findings/finding-stack.ts";
import type { AddressRange, LifeCall } from "../../check/lives/life.ts";
import type { WhoLife, WhoNeighbour, WhoSpace, WhoUse } from "../../check/lives/who.ts";
import type { Moment } from "../../check/state/moment.ts";
import type { KnownDevices } from "../../check/whole/known-devices.ts";
import { type WhoAnswer, whoLifeToJson, whoMaps, whoToJson } from "../../check/whole/who-maps.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { type DeviceOptions, devicesOption, devicesTold, spaceText } from "../device-options.ts";
import { Exit, noteMissing } from "../exit-status.ts";
import { withInput } from "../input.ts";
import { addressesText, callText, lifeText, momentText } from "../life-text.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import {
  answerOptions,
  flag,
  MAPPED_FILE,
  momentOption,
  quietOption,
  text,
  value,
  wholeNumber,
} from "../options.ts";
import { print, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";

interface WhoOptions extends AnswerOptions, MachineOptions, DeviceOptions {
  readonly at: Moment;
  readonly device: string | undefined;
  readonly physical: boolean;
  readonly top: number;
  readonly quiet: boolean;
}

const COLUMNS = [
  "when",
  "space",
  "ranges",
  "entries",
  "access",
  "bytes",
  "inferred",
  "truncated",
  "made",
  "ends",
  "endCount",
  "uses",
];

/** No map of it is in the file. */
const NO_MAP = Exit.LEAKS;

/** `who FILE ADDRESS`: who had an address; exit 3 if no map of it is in the file. */
async function who(path: string, address: string, options: WhoOptions): Promise<number> {
  const { at, device, physical, top, quiet, buffer } = options;
  const query = { ...parseRange(address), physical, space: device, most: top };
  const windows = await windowsTold(options);
  const devices = await devicesTold(options);
  const answer = await withInput(path, quiet, (data, read) =>
    whoMaps(data, query, at, { ...read, windows, buffer }),
  );
  const forms: Answer = {
    human: () => printWho(answer, devices),
    json: () => [toJson(whoToJson(answer, devices))],
    columns: COLUMNS,
    rows: () => rowsOf(answer),
  };
  await printAnswer(forms, options);
  noteMissing(answer.missing);
  return answer.found ? Exit.OK : NO_MAP;
}

/** The mappings that had the address, in the order of time. */
function* rowsOf({ spaces }: WhoAnswer): Generator<Row> {
  for (const { space, ...lives } of spaces) {
    for (const when of ["earlier", "now", "later"] as const)
      for (const life of lives[when]) yield { when, space, ...whoLifeToJson(life) };
  }
}

/**
 * Reads `A`, `A-B` (with B) or `A+LENGTH`.
 *
 * @throws IommuError BAD_ARGUMENT
 */
function parseRange(given: string): AddressRange {
  const [, start, sign, end] = /^([^+-]+)(?:([+-])([^+-]+))?$/.exec(given) ?? [];
  if (start === undefined) {
    throw new IommuError(
      "BAD_ARGUMENT",
      `"${given}" is no address: write 0x1000, 0x1000-0x1fff or 0x1000+4K`,
    );
  }
  const first = parseAddress(start);
  if (end === undefined) return { first, last: first };
  const last = sign === "-" ? parseAddress(end) : first + parseSize(end) - 1n;
  if (last >= first && last <= U64_MAX) return { first, last };
  throw new IommuError("BAD_ARGUMENT", `"${given}": the range has no addresses, or more than there are`);
}

/** A number as {@link parseSize} reads it; one as traces print it has no `0x`, and could be a decimal one. */
function parseAddress(given: string): bigint {
  const isBare = /^(?!\d+E?$)[0-9a-f]{1,16}$/i.test(given);
  if (isBare)
    throw new IommuError("BAD_ARGUMENT", `"${given}" is no address: in hexadecimal write 0x${given}`);
  return parseSize(given);
}

function printWho(answer: WhoAnswer, devices: KnownDevices): void {
  const { file, moment, found, spaces, physical, notes } = answer;
  const asked = `${addressesText(answer)}${physical ? " (memory)" : ""}`;
  print(`${file}: ${asked} ${momentText(moment)}`);
  if (!found) print(`  no map of it is in this file${spaces.some(wasUsed) ? USED : ""}`);
  for (const space of spaces) printSpace(space, found, devices);
  for (const note of notes) print(`note: ${note}`);
}

/** Was it used without a fault? Then it was mapped. */
const wasUsed = ({ strayUses }: WhoSpace): boolean => strayUses.some(({ kind }) => kind !== "faulted");

const USED = ", but it was used: it was mapped before the file begins, or its map is missing";

function printSpace(space: WhoSpace, found: boolean, devices: KnownDevices): void {
  const { now, earlier, earlierCount, later, laterCount, strayUses, before, after } = space;
  print(`${spaceText(space.space, devices)}: ${now.length > 0 ? "mapped" : "not mapped"} at that moment`);
  printMore(earlierCount - earlier.length, "before");
  for (const had of earlier) printLife("before", had);
  for (const had of now) printLife("now", had);
  for (const had of later) printLife("later", had);
  printMore(laterCount - later.length, "later");
  for (const use of strayUses) print(`  while nothing is known to be mapped there: ${useText(use)}`);
  if (found && now.length === 0 && earlierCount + laterCount === 0) print("  no map of it here");
  if (before !== undefined) print(`  in front: ${neighbourText(before)}`);
  if (after !== undefined) print(`  behind: ${neighbourText(after)}`);
}

function printMore(count: number, when: string): void {
  if (count > 0) print(`  ${when}: ${counted(count, "more mapping")} (--top)`);
}

function printLife(when: string, { life, ends, endCount, uses }: WhoLife): void {
  print(`  ${when}: ${lifeText(life)}`);
  const { made } = life;
  if (made !== undefined) {
    print(`    mapped: ${callText(made)}`);
    printStack(made);
  }
  for (const { gone, fate, call } of ends) {
    const part = gone === undefined ? "" : ` ${addressesText(gone)}`;
    print(`    ${fate}${part}: ${callText(call)}${spanText(made, call)}`);
    printStack(call);
  }
  if (endCount > ends.length)
    print(`    and ${counted(endCount - ends.length, "more end of a part", "more ends of parts")}`);
  for (const use of uses) print(`    ${useText(use)}`);
}

function printStack({ stack }: LifeCall): void {
  if (stack !== undefined) print(`      by ${framesText(stack)}`);
}

/** `, 1.5 s after it was mapped`. */
function spanText(made: LifeCall | undefined, call: LifeCall): string {
  if (made === undefined || Number.isNaN(call.seconds) || Number.isNaN(made.seconds)) return "";
  const span = call.seconds - made.seconds + (call.nanoseconds - made.nanoseconds) / 1e9;
  return span < 0 ? "" : `, ${formatTime(span)} after it was mapped`;
}

function useText({ kind, count, first, last }: WhoUse): string {
  if (count === 1) return `${kind}: ${callText(first)}`;
  return `${kind} ${formatCount(count)} times: first ${callText(first)}; last ${callText(last)}`;
}

function neighbourText({ life, distance, isAlive, ...range }: WhoNeighbour): string {
  const away = distance === 0n ? "touching" : `${formatSize(distance)} (${hex(distance)}) away`;
  const made = life.made === undefined ? "" : `; mapped: ${callText(life.made)}`;
  return `${addressesText(range)}, ${away}${isAlive ? "" : ", gone by then or not there yet"}${made}`;
}

export const verb: Verb = defineVerb({
  name: "who",
  summary: "who mapped an address, who unmapped it, what was done through it and what lay around it",
  arguments: [
    ["<file>", MAPPED_FILE],
    ["<address>", "bus address (0x1000), range (0x1000-0x1fff, with its last address) or 0x1000+4K"],
  ],
  options: [
    momentOption(),
    text("--device <device>", "only this device, window (LIOBN) or container"),
    flag("--physical", "the address is one of memory: who mapped that"),
    value(
      "--top <count>",
      "mappings before and after the moment that are told of",
      wholeNumber(0, 1_000_000),
    ).default(3),
    ...answerOptions(),
    ...machineOptions(),
    devicesOption(),
    quietOption("no progress bar"),
  ],
  exitText:
    "Exit status: 0 it was mapped (at that moment, before or later), 3 no map of it is in the file, 1 could not be done, 63 not supported for this input.",
  examples: [
    "who trace.txt 0xfec3a010",
    "who --at 2s --device 0000:00:03.0 trace.txt 0xfec3a000+4K",
    "who --physical qemu.log 0x5000",
  ],
  run: who,
});
