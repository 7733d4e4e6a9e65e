import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { counted, formatSize } from "../../base/units.ts";
import { diffSpaces } from "../../check/lives/alive.ts";
import { type Moment, parseMoment } from "../../check/state/moment.ts";
import { changeToJson, diffStates, entryText, type WindowChange } from "../../check/state/window-state.ts";
import { aliveMappingToJson } from "../../check/whole/alive-at.ts";
import { type RecordedState, statesAtMoments } from "../../check/whole/windows-at.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { TCE_PERM_MASK } from "../../tce/tce.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { displayName } from "../display-name.ts";
import { Exit, noteMissing, statusOfReading } from "../exit-status.ts";
import { isScriptName, withInput } from "../input.ts";
import { ALIVE_COLUMNS, lifeText, momentText } from "../life-text.ts";
import { type MachineOptions, machineOptions, windowsTold } from "../machine-options.ts";
import { answerOptions, flag, quietOption } from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";
import { isThere, rangeText, titleOf, warnOfRemarks } from "../windows.ts";

interface DiffOptions extends MachineOptions, AnswerOptions {
  readonly exitCode: boolean;
  readonly quiet: boolean;
}

/** Exit statuses of `diff --exit-code`, as those of diff(1). */
const DiffExit = { SAME: 0, DIFFERENT: 1, TROUBLE: 2 } as const;

const WINDOW_COLUMNS = ["what", "liobn", "ioba", "pages", "before", "after", "from", "to"];

/** `diff FILE@A FILE@B`: what changed between two moments; exit 0 also when something did, without `--exit-code`. */
async function diff(a: string, b: string, options: DiffOptions): Promise<number> {
  if (!options.exitCode) {
    await printDiff(a, b, options);
    return Exit.OK;
  }
  try {
    if (await printDiff(a, b, options)) return DiffExit.DIFFERENT;
    // Where something is missing nobody knows that nothing changed.
    return statusOfReading(DiffExit.SAME, DiffExit.TROUBLE);
  } catch (error) {
    if (!(error instanceof IommuError)) throw error;
    printError(`spapr-iommu: ${error.message}`);
    return DiffExit.TROUBLE;
  }
}

const notComparedText = ({ before, window }: Extract<WindowChange, { what: "not-compared" }>): string => {
  const [was, is] = [before, window].map(
    ({ pageShift, assumedParts }) =>
      `${formatSize(2 ** pageShift)}${assumedParts.includes("page") ? " (assumed)" : ""}`,
  );
  return `not compared: ${titleOf(window)}: the pages before are of ${was}, those after of ${is}; --window tells what they are`;
};

/** @returns whether anything changed */
async function printDiff(a: string, b: string, options: DiffOptions): Promise<boolean> {
  const { output, buffer } = options;
  const windows = await windowsTold(options);
  const [first, second] = [parsePlace(a), parsePlace(b)];
  const [before, after] = (
    first.path === second.path
      ? await statesOf(first.path, [first.moment, second.moment], windows, buffer)
      : [
          ...(await statesOf(first.path, [first.moment], windows, buffer)),
          ...(await statesOf(second.path, [second.moment], windows, buffer)),
        ]
  ) as [RecordedState, RecordedState];
  const changes: Row[] = [];
  const sum = new ChangeSum();
  if (output === "human" && !options.quiet) {
    print(`--- ${displayName(first.path)} ${momentText(before.moment)}`);
    print(`+++ ${displayName(second.path)} ${momentText(after.moment)}`);
  }
  const moments = { from: before.moment?.event ?? null, to: after.moment?.event ?? null };
  diffStates(before.windows.filter(isThere), after.windows.filter(isThere), (change) => {
    sum.add(change);
    if (output !== "human") changes.push({ ...changeToJson(change), ...moments });
    else if (change.what === "not-compared") print(notComparedText(change));
    else if (change.what !== "entries") print(`${change.what}: ${titleOf(change.window)}`);
    else {
      const { window, ioba, pages } = change;
      const range = rangeText(ioba, pages, window.pageShift);
      print(`${hex(window.liobn)} ${range}: ${entryText(change.before)} => ${entryText(change.after)}`);
    }
  });
  for (const change of diffSpaces(before.spaces, after.spaces)) {
    const { what, mapping } = change;
    sum.addMapping(what);
    if (output !== "human") changes.push({ what, ...aliveMappingToJson(mapping), ...moments });
    else
      print(`${what}: ${mapping.life.space} ${lifeText({ ...mapping.life, stretches: mapping.stretches })}`);
  }
  const answer: Answer = {
    // The changes were printed as they were found.
    human: () => {
      if (!options.quiet) print(sum.text);
    },
    json: () => [toJson(changes)],
    columns:
      before.spaces.length + after.spaces.length > 0
        ? ["what", ...ALIVE_COLUMNS, "from", "to"]
        : WINDOW_COLUMNS,
    rows: () => changes,
  };
  await printAnswer(answer, options);
  noteMissing(sum.notCompared);
  return sum.changes > 0;
}

/** Counts changes, for the last line. */
class ChangeSum {
  /** Runs of entries, and windows that came, went or changed. */
  changes = 0;
  #windows = 0;
  /** Windows of which it is not known what changed. */
  notCompared = 0;
  readonly #mappings = { mapped: 0, unmapped: 0 };
  readonly #pages = { mapped: 0, unmapped: 0, replaced: 0 };

  addMapping(what: "mapped" | "unmapped"): void {
    this.changes++;
    this.#mappings[what]++;
  }

  add(change: WindowChange): void {
    if (change.what === "not-compared") {
      this.notCompared++;
      return;
    }
    this.changes++;
    if (change.what !== "entries") {
      this.#windows++;
      return;
    }
    const [was, is] = [change.before, change.after].map((entry) => (entry & BigInt(TCE_PERM_MASK)) !== 0n);
    this.#pages[was === is ? "replaced" : is === true ? "mapped" : "unmapped"] += change.pages;
  }

  get text(): string {
    const missing = this.notCompared === 0 ? [] : [`${counted(this.notCompared, "window")} not compared`];
    if (this.changes === 0)
      return [...missing, missing.length === 0 ? "nothing changed" : "nothing else changed"].join(", ");
    const { mapped, unmapped, replaced } = this.#pages;
    const count = (pages: number, what: string): string[] =>
      pages === 0 ? [] : [`${counted(pages, "page")} ${what}`];
    const mappings = (number: number, what: string): string[] =>
      number === 0 ? [] : [`${counted(number, "mapping")} ${what}`];
    return [
      ...mappings(this.#mappings.mapped, "mapped"),
      ...mappings(this.#mappings.unmapped, "unmapped"),
      ...count(mapped, "mapped"),
      ...count(unmapped, "unmapped"),
      ...count(replaced, "replaced"),
      ...(this.#windows === 0 ? [] : [`${counted(this.#windows, "window")} created, removed or changed`]),
      ...missing,
    ].join(", ");
  }
}

async function statesOf(
  path: string,
  moments: readonly Moment[],
  windows: readonly ToldWindow[],
  buffer: string | undefined,
): Promise<RecordedState[]> {
  const states = await withInput(path, false, (data, options) =>
    statesAtMoments(data, moments, {
      ...options,
      windows,
      buffer,
      isScript: isScriptName(path) || undefined,
    }),
  );
  warnOfRemarks(path, states[0]!);
  return states;
}

/**
 * Splits `FILE@MOMENT`.
 *
 * @throws IommuError BAD_ARGUMENT
 */
function parsePlace(text: string): { readonly path: string; readonly moment: Moment } {
  const at = text.lastIndexOf("@");
  if (at < 0) return { path: text, moment: undefined };
  return { path: text.slice(0, at), moment: parseMoment(text.slice(at + 1)) };
}

export const verb: Verb = defineVerb({
  name: "diff",
  summary:
    "what changed between two moments of a trace, script or recording, or of two of these or saved machines",
  arguments: [
    ["<a>", "FILE, or FILE@MOMENT"],
    ["<b>", "FILE, or FILE@MOMENT"],
  ],
  options: [
    ...machineOptions(),
    flag(
      "--exit-code",
      "exit like diff: 0 if nothing changed, 1 if something did, 2 if it could not be done or something of the input is missing",
    ),
    ...answerOptions(),
    quietOption("no last line with the sum of the changes"),
  ],
  exitText:
    "Exit status: 0 done, 1 could not be done, 3 done as far as the input goes, of which something is missing, 63 not supported for this input; other ones with --exit-code.",
  examples: ["diff qemu.log@1000 qemu.log@2000", "diff before.mig after.mig", "diff qemu.log@12.5 vm.mig"],
  run: diff,
});
