import { IommuError } from "../../base/errors.ts";
import type { MachineDescription } from "./machine-description.ts";
import { machineOfCommandLine } from "./qemu-command-line.ts";
import { machineOfSidecar } from "./recorded-machine.ts";

/**
 * Reads a description of a machine: a command line of QEMU's, as text or as `/proc/PID/cmdline` has it, or the JSON that
 * lies beside a recorded boot.
 *
 * @param name of the file, for messages
 * @returns undefined for a text that is none of these
 * @throws IommuError BAD_FILE for a machine that cannot be, with option and value
 * @public
 */
export function readMachine(text: string, name: string): MachineDescription | undefined {
  try {
    if (/^\s*\{/.test(text)) return machineOfSidecar(text);
    return /^\s*(\S*qemu\S*(\s|\0)|-\w)/.test(text) ? machineOfCommandLine(text) : undefined;
  } catch (cause) {
    if (!(cause instanceof IommuError)) throw cause;
    throw new IommuError("BAD_FILE", `${name}: ${cause.message}`, cause.details);
  }
}
