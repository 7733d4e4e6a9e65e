import { type CheckReport, warningsOf } from "../check/report.ts";

/** Exit statuses, as those of `qemu-img check`. */
export const Exit = {
  /** Everything fine. */
  OK: 0,
  /** It could not be done: usage, input or output, a broken file. */
  FAILED: 1,
  /** Something is wrong: a mismatch, a bad DMA, corruption. */
  WRONG: 2,
  /** Only leaks, or warnings of that kind. */
  LEAKS: 3,
  /** Not supported for this input. */
  UNSUPPORTED: 63,
} as const;

/** The exit status that findings call for: 2 if anything is wrong, 3 if there are only leaks and warnings. */
export const statusOfFindings = (errors: number, warnings: number): number =>
  errors > 0 ? Exit.WRONG : warnings > 0 ? Exit.LEAKS : Exit.OK;

/** What each help ends with. */
export const EXIT_TEXT =
  "Exit status: 0 fine, 1 could not be done, 2 wrong (mismatch), 3 only leaks and warnings, as where something of the input is missing, 63 not supported for this input.";

/** The exit status of files that were judged: by what was found, and by what is missing to judge the rest. */
export function statusOfReports(reports: readonly Pick<CheckReport, "findings" | "notJudged">[]): number {
  const errors = reports.flatMap(({ findings }) => findings).filter(({ severity }) => severity === "error");
  return statusOfFindings(
    errors.length,
    reports.reduce((sum, report) => sum + warningsOf(report), 0),
  );
}

/** Is something of what the verb read known to be missing? */
let isMissing = false;

/** To be called before a verb is run. */
export const forgetMissing = (): void => {
  isMissing = false;
};

/** To be called where the answer says itself in how many places of its input something is missing. */
export const noteMissing = (places: number): void => {
  isMissing ||= places > 0;
};

/**
 * The exit status of a verb: an answer that is right as far as its input goes is a warning where something of that is
 * missing.
 *
 * @param ifMissing in place of a status of 0
 */
export const statusOfReading = (status: number, ifMissing: number = Exit.LEAKS): number =>
  status === Exit.OK && isMissing ? ifMissing : status;
