import Table from "cli-table3";
import { IommuError } from "../../base/errors.ts";
import { hex, hex64, U64_MAX } from "../../base/u64.ts";
import { formatCount, formatSize, parseSize } from "../../base/units.ts";
import { forecastMigration, formatForecast } from "../../check/forecast/forecast.ts";
import {
  diffStates,
  entryText,
  forEachStateRun,
  rawEntries,
  stateToJson,
  type WindowState,
  windowStateToJson,
} from "../../check/state/window-state.ts";
import { displayName } from "../input.ts";
import { Exit, print, printPieces, printWarning, toJson } from "../output.ts";
import { parseMoment, parsePlace, statesAt } from "../state.ts";

export interface StateOptions {
  readonly output: "human" | "json";
  readonly at: string | undefined;
  readonly liobn: string | undefined;
  readonly raw: boolean;
}

export interface InfoOptions extends StateOptions {
  readonly migration: boolean;
}

/** `map FILE`: the mappings of the windows as runs. */
export async function map(path: string, options: StateOptions): Promise<number> {
  const states = await selected(path, options);
  if (options.raw) {
    await printPieces(inPieces(options.output === "json" ? rawJson(states) : rawText(states)));
    return Exit.OK;
  }
  if (options.output === "json") {
    print(toJson(states.map(stateToJson)));
    return Exit.OK;
  }
  for (const state of states.filter(isThere)) {
    print(titleOf(state));
    const table = new Table({ head: ["bus address", "pages", "target", "perm", "certainty"], style: PLAIN });
    forEachStateRun(state, ({ ioba, pages, target, perm, certainty, sameTarget }) => {
      table.push([
        rangeText(ioba, pages, state.pageShift),
        formatCount(pages),
        sameTarget === true ? `${hex64(target)} (all)` : hex64(target),
        perm,
        certainty,
      ]);
    });
    print(table.length === 0 ? "  nothing is mapped" : table.toString());
  }
  return Exit.OK;
}

/** Every entry that is not zero, as lines for people. */
function* rawText(states: readonly WindowState[]): Generator<string> {
  for (const state of states.filter(isThere)) {
    yield `${titleOf(state)}\n`;
    for (const [index, tce] of rawEntries(state)) yield `  ${index} ${hex(tce)}\n`;
  }
}

/** The same as one JSON text, which is as long as there are entries and is never held as a whole. */
function* rawJson(states: readonly WindowState[]): Generator<string> {
  let before = "[";
  for (const state of states) {
    yield `${before}${toJson(windowStateToJson(state)).slice(0, -1)},"tces":[`;
    let comma = "";
    for (const [index, tce] of rawEntries(state)) {
      yield `${comma}[${index},"${hex(tce)}"]`;
      comma = ",";
    }
    yield "]}";
    before = ",";
  }
  yield states.length === 0 ? "[]\n" : "]\n";
}

/** Joins short texts to pieces that are worth a write. */
function* inPieces(texts: Iterable<string>): Generator<string> {
  let piece = "";
  for (const text of texts) {
    piece += text;
    if (piece.length < PIECE_LENGTH) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}

/** `info FILE`: the windows as a tree, in the way of QEMU's `info mtree`. */
export async function info(path: string, options: InfoOptions): Promise<number> {
  const states = await selected(path, options);
  if (options.migration) return foretell(path, states, options);
  if (options.output === "json") {
    print(
      toJson(
        states.map((state) => ({
          ...windowStateToJson(state),
          assumed: state.assumed,
          live: state.table.validCount,
        })),
      ),
    );
    return Exit.OK;
  }
  let owner = "";
  for (const state of states.filter(isThere)) {
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
      ...(state.assumed ? ["geometry assumed"] : []),
    ];
    print(`  ${range} (prio 0, i/o): tce-iommu-${state.liobn.toString(16)} (${notes.join(", ")})`);
  }
  return Exit.OK;
}

/** `info FILE --migration`: what the tables cost when QEMU migrates the machine. */
function foretell(path: string, states: readonly WindowState[], options: InfoOptions): number {
  const sure = states.filter((state) => !state.assumed);
  const guessed = states.filter((state) => state.assumed).map(({ liobn }) => hex(liobn));
  if (guessed.length > 0) {
    const what = `left out, because no event tells its length: ${guessed.join(", ")}`;
    printWarning(displayName(path), what);
  }
  const forecasts = forecastMigration(
    sure.map((state) => ({ ...state, table: state.entries === 0 ? null : state.table })),
  );
  if (options.output === "human") print(formatForecast(forecasts));
  else {
    print(
      toJson(
        forecasts.map((forecast) => ({
          ...forecast,
          liobn: hex(forecast.liobn),
          busOffset: hex(forecast.busOffset),
        })),
      ),
    );
  }
  return Exit.OK;
}

/** `diff FILE@A FILE@B`: what changed between two moments; exit 0 also when something did. */
export async function diffMoments(
  a: string,
  b: string,
  options: { readonly output: "human" | "json" },
): Promise<number> {
  const [first, second] = [parsePlace(a), parsePlace(b)];
  let before: WindowState[];
  let after: WindowState[];
  if (first.path === second.path) {
    [before, after] = (await statesAt(first.path, [first.moment, second.moment])) as [
      WindowState[],
      WindowState[],
    ];
  } else {
    [before] = (await statesAt(first.path, [first.moment])) as [WindowState[]];
    [after] = (await statesAt(second.path, [second.moment])) as [WindowState[]];
  }
  const changes: Record<string, unknown>[] = [];
  diffStates(before.filter(isThere), after.filter(isThere), (change) => {
    const liobn = hex(change.window.liobn);
    if (change.what === "entries") {
      const { ioba, pages } = change;
      if (options.output === "json") {
        changes.push({
          what: "entries",
          liobn,
          ioba: hex(ioba),
          pages,
          before: hex(change.before),
          after: hex(change.after),
        });
      } else {
        const range = rangeText(ioba, pages, change.window.pageShift);
        print(`${liobn} ${range}: ${entryText(change.before)} => ${entryText(change.after)}`);
      }
    } else if (options.output === "json") changes.push({ what: change.what, liobn });
    else print(`${change.what}: ${titleOf(change.window)}`);
  });
  if (options.output === "json") print(toJson(changes));
  return Exit.OK;
}

/** Characters of one write. */
const PIECE_LENGTH = 65_536;

const PLAIN = { head: [], border: [] };

async function selected(path: string, options: StateOptions): Promise<WindowState[]> {
  const [states] = (await statesAt(path, [parseMoment(options.at)])) as [WindowState[]];
  if (options.liobn === undefined) return states;
  const liobn = Number(parseSize(options.liobn));
  const found = states.filter((state) => state.liobn === liobn);
  if (found.length > 0) return found;
  const there = states.map((state) => hex(state.liobn)).join(", ") || "none";
  throw new IommuError("BAD_ARGUMENT", `${path}: no window has LIOBN ${options.liobn}; there are ${there}`);
}

/** A saved machine also tells of windows that are not there. */
const isThere = (state: WindowState): boolean => state.entries > 0;

const titleOf = (state: WindowState): string =>
  `LIOBN ${hex(state.liobn)} at ${hex64(state.busOffset)}, ${formatCount(state.entries)} pages of ${formatSize(2 ** state.pageShift)}${state.assumed ? " (geometry assumed)" : ""}`;

function rangeText(ioba: bigint, pages: number, shift: number): string {
  const last = ioba + (BigInt(pages) << BigInt(shift)) - 1n;
  return `${hex64(ioba)}-${hex64(last)}`;
}

const ownerOf = (liobn: number): string =>
  liobn < 0x8000_0000 ? `vio@${liobn.toString(16)}` : `pci@${(liobn - 0x8000_0000) >>> 8}`;
