import { IommuError } from "../../base/errors.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, openInput, pour } from "../../formats/input/opened-input.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import type { SavedWindow } from "../../formats/migration/stream.ts";
import { type MachineChoice, readSavedMachine } from "../../formats/saved/saved-machine.ts";
import type { CheckOptions } from "../check-options.ts";
import { AgainstCheck, type AgainstCheckReport } from "../saved/against-check.ts";
import type { Moment } from "../state/moment.ts";
import { type InputOptions, nameOf, thresholdsOf } from "./input-options.ts";

/**
 * How a trace is compared with a saved machine.
 *
 * @public
 */
export interface CheckAgainstOptions extends Partial<CheckOptions>, InputOptions {
  /** What messages call the saved machine; default `saved machine`. */
  readonly savedName?: string | undefined;
  /** When the machine was saved. Default: where the trace says so, at best agreement. */
  readonly at?: Moment;
  /** Name of the hypervisor that made the trace; default `qemu-7.2`. */
  readonly profile?: string | undefined;
  /** What is known of the windows beside what the saved machine has. */
  readonly windows?: readonly ToldWindow[] | undefined;
}

/**
 * Checks a trace of QEMU, and compares it with a saved machine of the same run, entry by entry.
 *
 * @param trace its text or its bytes, packed or not; see {@link InputData}
 * @param saved what QEMU's `migrate`, `savevm` or libvirt wrote
 * @throws IommuError BAD_ARGUMENT if one of the two is not what it should be; UNSUPPORTED for a trace without windows;
 * what {@link checkTrace} and the reader of migration streams throw
 * @public
 */
export async function checkAgainst(
  trace: InputData,
  saved: InputData,
  options: CheckAgainstOptions = {},
): Promise<AgainstCheckReport> {
  const name = nameOf(options);
  const savedName = options.savedName ?? "saved machine";
  const windows = await savedWindows(saved, { name: savedName, snapshot: options.snapshot });
  const { savedAt, chunks } = await openInput(trace, name, 1);
  try {
    if (savedAt !== undefined) {
      throw new IommuError(
        "BAD_ARGUMENT",
        `${name} and ${savedName} are both saved machines: diff shows what they differ in; here a trace is wanted`,
      );
    }
    const thresholds = thresholdsOf(options);
    const check = new AgainstCheck(name, { file: savedName, windows }, thresholds, {
      moment: options.at,
      profile: options.profile,
      windows: options.windows,
    });
    await pour(chunks, check);
    return check.end();
  } finally {
    await chunks.return(undefined);
  }
}

async function savedWindows(saved: InputData, choice: MachineChoice): Promise<readonly SavedWindow[]> {
  const { name } = choice;
  const opened = await openInput(saved, name, 1);
  try {
    if (opened.savedAt === undefined) {
      const message = `${name}: is no migration stream (these begin with "QEVM") and has none in it; a trace is compared with a saved machine`;
      throw new IommuError("BAD_ARGUMENT", message);
    }
    return (await named(name, readSavedMachine(opened, choice))).stream.windows;
  } finally {
    await opened.chunks.return(undefined);
  }
}
