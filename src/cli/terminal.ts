import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { isColorUsual, setColored } from "./colors.ts";
import { discardOnSignal } from "./interrupt.ts";
import { asOutputError, NewFile } from "./new-file.ts";
import { Pager } from "./pager.ts";
import { forgetUsedFiles } from "./used-files.ts";

/** Options that all verbs have. */
export interface TerminalOptions {
  readonly color: "auto" | "always" | "never";
  readonly out?: string | undefined;
  readonly verbose: boolean;
  /** False: what is longer than the terminal scrolls by. */
  readonly pager: boolean;
}

/** Writes text, and calls back when its reader has taken it. */
type Write = (text: string, done: (error?: Error | null) => void) => void;

const toStandardOutput: Write = (text, done) => {
  process.stdout.write(text, done);
};

let write: Write = toStandardOutput;
let pager: Pager | undefined;
let isVerbose = false;

/** Writes to standard output, or to what `--out` names. */
export const writeOut: Write = (text, done) => write(text, done);

/** Does `--verbose` want to know how a verb does its work? */
export const verbose = (): boolean => isVerbose;

/** Columns of what is written: those of a terminal, else there is no limit. */
export const outputWidth = (): number =>
  isOnTerminal() ? (process.stdout.columns ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;

/** Does the user's locale have characters of ASCII only, or of an encoding that is not ours? */
export const isAsciiLocale = ({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean =>
  !/utf-?8/i.test([LC_ALL, LC_CTYPE, LANG].find((value) => value !== undefined && value !== "") ?? "");

/** Is the screen taken by a pager, so that nothing else may draw on it? */
export const isPaging = (): boolean => pager?.isShown ?? false;

const isOnTerminal = (): boolean =>
  (pager !== undefined || write === toStandardOutput) && process.stdout.isTTY;

/**
 * Runs a verb whose output goes where the options say: in colour or not, to a
 * file that is there when it is complete, or to standard output; on a terminal through a pager.
 *
 * @throws IommuError BAD_FILE if the file cannot be written
 */
export async function onTerminal(options: TerminalOptions, run: () => Promise<number>): Promise<number> {
  const { out } = options;
  try {
    const file = out === undefined || out === "-" ? undefined : new NewFile(out, true);
    // A terminal is what colours are for; of a file nobody knows how it is read.
    setColored(options.color === "auto" ? isColorUsual && file === undefined : options.color === "always");
    isVerbose = options.verbose;
    if (file !== undefined) return await intoFile(file, out!, run);
    return await (process.stdout.isTTY && options.pager ? throughPager(run) : run());
  } finally {
    isVerbose = false;
    setColored(isColorUsual);
    forgetUsedFiles();
  }
}

async function throughPager(run: () => Promise<number>): Promise<number> {
  // Its user saw enough, as the reader of a pipe that goes away.
  pager = Pager.find(() => process.exit(0));
  if (pager === undefined) return run();
  const shown = pager;
  write = (text, done) => shown.write(text, done);
  try {
    return await run();
  } finally {
    write = toStandardOutput;
    pager = undefined;
    await shown.end();
  }
}

async function intoFile(file: NewFile, name: string, run: () => Promise<number>): Promise<number> {
  // From before the file is there: a signal that comes between leaves nothing behind.
  const stopListening = discardOnSignal(() => file.discard());
  let fd: number | undefined;
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  try {
    const opened = attempt(name, () => {
      file.makeFile();
      return openSync(file.path, "a");
    });
    fd = opened;
    write = (text, done) => {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += attempt(name, () => writeSync(opened, bytes, at));
      done();
    };
    const status = await run();
    close();
    attempt(name, () => file.commit());
    return status;
  } finally {
    stopListening();
    write = toStandardOutput;
    close();
    file.discard();
  }
}

function attempt<Result>(name: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw asOutputError(name, cause);
  }
}
