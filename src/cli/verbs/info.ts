import { IommuError } from "../../base/errors.ts";
import { hex, hex64, maxBig, U64_MAX } from "../../base/u64.ts";
import { counted, formatCount, formatSize } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";
import { forecastMigration, forecastToJson, formatForecast } from "../../check/forecast/forecast.ts";
import { bytesOf, type SpaceState } from "../../check/lives/alive.ts";
import { type Moment, momentToJson } from "../../check/state/moment.ts";
import { type WindowState, windowStateToJson } from "../../check/state/window-state.ts";
import { hasNoWindows, type RecordedState, type SavedSource } from "../../check/whole/windows-at.ts";
import { isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import { type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { momentText } from "../life-text.ts";
import { type MachineOptions, machineOptions } from "../machine-options.ts";
import { rangesLine, windowLine } from "../occupancy-line.ts";
import { answerOptions, flag, MAPPED_FILE, momentOption, snapshotOption } from "../options.ts";
import { print, printWarning, toJson } from "../output.ts";
import type { SavedText } from "../saved-text.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, stateOf } from "../windows.ts";

interface InfoOptions extends MachineOptions, AnswerOptions {
  readonly at: Moment;
  readonly migration: boolean;
  readonly snapshot: string | undefined;
}

const SPACE_COLUMNS = ["space", "first", "last", "mappings", "bytes", "filling", "moment"];
const COLUMNS = [
  "liobn",
  "busOffset",
  "pageShift",
  "entries",
  "bypass",
  "defWin",
  "assumed",
  "assumedParts",
  "live",
  "filling",
  "moment",
];

/** Of a saved machine. */
const SAVED_COLUMNS = ["container", "streamOffset", "machine", "snapshot", "snapshots", "domain"];

const FORECAST_COLUMNS = [
  "liobn",
  "busOffset",
  "pageShift",
  "entries",
  "mapped",
  "bytes",
  "seconds",
  "runs",
  "sparseBytes",
  "warnings",
];

/** What a saved machine is saved in. What reads libvirt's XML is loaded for these alone. */
async function savedText(file: string, saved: SavedSource): Promise<SavedText> {
  const { SavedText } = await import("../saved-text.ts");
  return new SavedText(file, saved);
}

/** `info FILE`: the windows as a tree, in the way of QEMU's `info mtree`. */
async function info(path: string, options: InfoOptions): Promise<number> {
  const state = await stateOf(path, options.at, { ...options, judgeFilling: !options.migration });
  const states = state.windows;
  if (options.migration && hasNoWindows(state.format)) {
    const what = "the recording shows mappings, not windows";
    throw new IommuError("UNSUPPORTED", `${displayName(path)}: ${what}`);
  }
  if (options.migration) return foretell(path, states, options);
  const moment = state.moment === undefined ? null : momentToJson(state.moment);
  const saved = state.saved === undefined ? undefined : await savedText(displayName(path), state.saved);
  const windowRows = states.map((window) => ({
    ...windowStateToJson(window),
    assumed: window.assumed,
    assumedParts: window.assumedParts,
    live: window.table.validCount,
    filling: fillingOf(state, window.liobn),
    moment,
    ...saved?.json(),
  }));
  const spaceRows = state.spaces.map((space) => ({
    ...spaceToJson(space),
    filling: fillingOf(state, space.space),
    moment,
  }));
  const rows: Row[] = [...windowRows, ...spaceRows];
  const columns = states.length > 0 ? COLUMNS : SPACE_COLUMNS;
  const tree = (): void => {
    for (const line of saved?.lines() ?? []) print(line);
    printTree(state);
  };
  return printAll(rows, saved === undefined ? columns : [...COLUMNS, ...SAVED_COLUMNS], tree, options);
}

/** What fills up, of a window or a device. */
const fillingOf = ({ filling = [] }: RecordedState, name: string | number): string[] =>
  filling
    .filter(({ liobn, device }) => (typeof name === "number" ? liobn === name : device === name))
    .map(({ kind, message }) => `${kind}: ${message}`);

/** The windows by their owner, and devices with what they have mapped. */
function printTree(recorded: RecordedState): void {
  const { windows, spaces, moment } = recorded;
  print(momentText(moment));
  if (windows.length + spaces.length === 0) print("nothing is mapped");
  for (const space of spaces) {
    printSpace(space);
    printFilling(fillingOf(recorded, space.space));
  }
  let owner = "";
  for (const state of windows.filter(isThere)) {
    const name = ownerOf(state.liobn);
    if (name !== owner) print(`address-space: ${name}`);
    owner = name;
    const last = state.busOffset + (BigInt(state.entries) << BigInt(state.pageShift)) - 1n;
    const range = `${hex64(state.busOffset).slice(2)}-${hex64(last > U64_MAX ? U64_MAX : last).slice(2)}`;
    const { validCount } = state.table;
    const notes = [
      `pages of ${formatSize(2 ** state.pageShift)}`,
      `${formatCount(validCount)} of ${formatCount(state.entries)} mapped`,
      ...(state.defaultWindow ? ["default window"] : []),
      ...(state.assumed ? [`${state.assumedParts.join(", ")} assumed`] : []),
    ];
    print(`  ${range} (prio 0, i/o): tce-iommu-${state.liobn.toString(16)} (${notes.join(", ")})`);
    print(`    ${windowLine(state)}`);
    printFilling(fillingOf(recorded, state.liobn));
  }
}

function printFilling(texts: readonly string[]): void {
  for (const text of texts) print(`    ${visible(text)}`);
}

/** A device or container, with what it has mapped. */
function printSpace(space: SpaceState): void {
  const { mappings } = space;
  print(`address-space: ${space.space}`);
  const bytes = bytesOf(mappings);
  const last = hex64(lastOf(space)).slice(2);
  const range = `${hex64(mappings[0]!.stretches[0]!.first).slice(2)}-${last}`;
  print(`  ${range}: ${counted(mappings.length, "mapping")}, ${formatSize(bytes)}`);
  print(`    ${rangesLine(mappings.flatMap(({ stretches }) => stretches))}`);
}

function spaceToJson(space: SpaceState): Record<string, unknown> {
  const { mappings } = space;
  return {
    space: space.space,
    first: hex(mappings[0]!.stretches[0]!.first),
    last: hex(lastOf(space)),
    mappings: mappings.length,
    bytes: Number(bytesOf(mappings)),
  };
}

/** The last address that is mapped. */
const lastOf = ({ mappings }: SpaceState): bigint =>
  mappings.reduce((most, { stretches }) => stretches.reduce((max, { last }) => maxBig(max, last), most), 0n);

/** `info FILE --migration`: what the tables cost when QEMU migrates the machine. */
async function foretell(path: string, states: readonly WindowState[], options: InfoOptions): Promise<number> {
  const sure = states.filter((state) => !state.isGuess);
  const guessed = states.filter((state) => state.isGuess).map(({ liobn }) => hex(liobn));
  if (guessed.length > 0) {
    const what = `left out, because no event shows its length: ${guessed.join(", ")}`;
    printWarning(displayName(path), what);
  }
  const forecasts = forecastMigration(
    sure.map((state) => ({ ...state, table: state.entries === 0 ? null : state.table })),
  );
  const rows = forecasts.map(forecastToJson);
  return printAll(rows, FORECAST_COLUMNS, () => print(formatForecast(forecasts)), options);
}

/** Prints rows; the JSON value is all of them. */
async function printAll(
  rows: readonly Row[],
  columns: readonly string[],
  human: () => void,
  options: InfoOptions,
): Promise<number> {
  await printAnswer({ human, json: () => [toJson(rows)], columns, rows: () => rows }, options);
  return Exit.OK;
}

const ownerOf = (liobn: number): string =>
  isPciLiobn(liobn) ? `pci@${phbOfLiobn(liobn)}` : `vio@${liobn.toString(16)}`;

export const verb: Verb = defineVerb({
  name: "info",
  summary:
    "the DMA windows as a tree, in the way of QEMU's info mtree, and how full each is; what a machine is saved in",
  arguments: [["<file>", MAPPED_FILE]],
  options: [
    momentOption(),
    snapshotOption(),
    ...machineOptions(),
    flag("--migration", "what the tables cost when QEMU migrates the machine"),
    ...answerOptions(),
  ],
  examples: [
    "info qemu.log",
    "info --at 1000 qemu.log",
    "info --migration vm.mig",
    "info --output json guest.save",
  ],
  run: info,
});
