import { InvalidArgumentError, Option } from "commander";
import { IommuError } from "../base/errors.ts";
import { formatCount, parseSize } from "../base/units.ts";
import { DEFAULT_CHECK_OPTIONS } from "../check/check-options.ts";
import { parseMoment } from "../check/state/moment.ts";
import { PROFILES } from "../spapr/profile.ts";

/** What holds for every input. */
export const ANY_INPUT = "may be packed (gzip, zstd, xz, bzip2, lzop); - for standard input";
/** Files that some verbs read. */
export const TRACE_FILE: string = `trace of QEMU (log or simple), Linux' dma events (text, trace.dat, perf.data), or op script (.jsonl); ${ANY_INPUT}`;
/** What a machine may be saved in. */
export const SAVED_FILE =
  "saved machine (migration stream or file, image of virsh save, disk with snapshots)";
export const STATE_FILE: string = `${TRACE_FILE}; or ${SAVED_FILE}`;

/** Files that tell what is mapped. */
export const MAPPED_FILE: string = `trace of QEMU (log or simple), Linux' dma events (text, trace.dat, perf.data), op script or kernel script (.jsonl), or ${SAVED_FILE}; ${ANY_INPUT}`;

/** `--snapshot`, for a disk with saved machines in it. */
export const snapshotOption = (): Option =>
  text("--snapshot <name>", "of a disk (qcow2): the snapshot whose machine is meant (default: the newest)");

const OUT_FILE = "a file, which is there when it is complete, or - for standard output (default)";
const MOMENT =
  "after the event of this number, so long after the first event (2s, 0.5s), or at a time of the recording's clock (12.5); by default";

/** An option that is there or not. */
export const flag = (flags: string, what: string): Option => new Option(flags, what).default(false);

/** An option with a text as its value. */
export const text = (flags: string, what: string): Option => new Option(flags, what);

/** An option with a value (and what the same option had before); an error of its parser is reported with the option's name. */
export const value = (
  flags: string,
  what: string,
  parse: (text: string, before: unknown) => unknown,
): Option =>
  new Option(flags, what).argParser((given, before: unknown) => {
    try {
      return parse(given, before);
    } catch (error) {
      if (error instanceof IommuError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  });

/** Reads a whole number within limits, with a unit as sizes have it. */
export const wholeNumber =
  (min: number, max: number) =>
  (given: string): number => {
    const number = /^[0-9]{1,15}[KMGT]?$/.test(given) ? Number(parseSize(given)) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new IommuError(
      "BAD_ARGUMENT",
      `"${given}": expected a whole number from ${formatCount(min)} to ${formatCount(max)}`,
    );
  };

/** How the answer is printed; the same in all verbs that have one. */
export const answerOptions = (...more: readonly string[]): Option[] => [
  text("--output <form>", "form of the answer: for people, one JSON value, or a row for each item")
    .choices(["human", "json", "jsonl", "csv", ...more])
    .default("human"),
  rawCellsOption(),
];

export const rawCellsOption = (): Option =>
  flag("--raw-cells", "in CSV, leave text as it is that a spreadsheet would run as a formula");

/**
 * What all verbs have, unless they have an option of that name of their own.
 *
 * @param screen what the verb does with a terminal: nothing, print an answer, or draw on it over and over
 */
export const terminalOptions = (screen: "unused" | "printed" | "drawn"): Option[] => [
  quietOption("print the answer only: no progress bar"),
  flag("-v, --verbose", "tell on standard error how much was read, and how fast"),
  ...(screen === "unused" ? [] : [text("-o, --out <file>", `where the output goes: ${OUT_FILE}`)]),
  ...(screen === "printed"
    ? [text("--no-pager", "on a terminal, do not show the output with $PAGER (less), page by page")]
    : []),
  text("--color <when>", "colours and bold text (auto: on a terminal, unless NO_COLOR is set)")
    .choices(["auto", "always", "never"])
    .default("auto"),
];

export const quietOption = (what: string): Option => flag("-q, --quiet", what);

export const profileOption = (): Option =>
  text("--profile <name>", "which hypervisor to be").choices(Object.keys(PROFILES));

export const knownOption = (): Option =>
  text("--known <file>", "reviewed differences (default: those that ship with the package)");

export const filterOption = (): Option =>
  text(
    "-F, --filter <filter>",
    "only events that a filter takes, as in trace-cmd: 'pci_put: ioba >= 0x1000', 'dma_*: device == 0000:00:03.0'",
  )
    .argParser((given: string, before: string[]) => [...before, given])
    .default([], "all");

/** `--at`: when to look at the windows. */
export const momentOption = (otherwise = "at the end", before = ""): Option =>
  value("--at <moment>", `${before}${MOMENT} ${otherwise}`, parseMoment);

const THRESHOLD_LIMIT = 2 ** 40;

/** Options of the verbs that look for what is wrong; {@link CheckOptions} are made of them. */
export const thresholdOptions = (): Option[] => {
  const { fullAt, freePages, overtaken, pool, sweep, ...linux } = DEFAULT_CHECK_OPTIONS;
  const count = (flags: string, what: string, otherwise: number, most = THRESHOLD_LIMIT): Option =>
    value(flags, what, wholeNumber(0, most)).default(otherwise);
  return [
    value(
      "--ram <size>",
      "memory of the guest, from address 0 (for beyond-ram and direct-map-hole)",
      parseSize,
    ),
    count("--full-at <percent>", "a window is nearly full from here on", fullAt * 100, 100),
    count(
      "--free-pages <count>",
      "a window is full or fragmented if so many pages are not free in one piece",
      freePages,
    ),
    count("--overtaken <count>", "a mapping leaked if so many later ones of its kind are gone", overtaken),
    count("--pool <count>", "more than so many of these are a pool, and no leak", pool),
    count(
      "--outlived <count>",
      "a mapping (Linux: a streaming map) leaked if so many like it went before and after it",
      linux.outlived,
    ),
    count(
      "--older <times>",
      "Linux: a streaming map leaked if it got so many times as old as any that went (and --outlived)",
      linux.older,
    ),
    count(
      "--never-unmapped <count>",
      "so many mappings of which none is unmapped are a leak",
      linux.neverUnmapped,
    ),
    count(
      "--gone-at <percent>",
      "Linux: a driver went if it gave back so much of what was mapped",
      linux.goneAt * 100,
      100,
    ),
    count(
      "--cache-line <bytes>",
      "Linux: bytes of a line of caches that are not coherent; 0: they are",
      linux.cacheLine,
      4096,
    ),
    count(
      "--dma-mask <bits>",
      "Linux: bits of addresses that the devices can use; 0: not known",
      linux.dmaMask,
      64,
    ),
    count("--sweep <pages>", "unmaps in a row that find so many pages unmapped clear a table", sweep),
  ];
};
