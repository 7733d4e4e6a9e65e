import { IommuError } from "../../base/errors.ts";
import type { MachineDescription } from "./machine-description.ts";
import { machineOfCommandLine } from "./qemu-command-line.ts";
import { machineOfSidecar } from "./recorded-machine.ts";

/**
 * Reads a description of a machine: a command line of QEMU's, as text, as `/proc/PID/cmdline` has it or in libvirt's log of
 * a domain (the last start counts); or the JSON that lies beside a recorded boot.
 *
 * @param name of the file, for messages
 * @returns undefined for a text that is none of these
 * @throws IommuError BAD_FILE for a machine that cannot be, with option and value
 * @public
 */
export function readMachine(text: string, name: string): MachineDescription | undefined {
  try {
    if (/^\s*\{/.test(text)) return machineOfSidecar(text);
    const commandLine = commandLineIn(text);
    if (commandLine === undefined) return undefined;
    const version = /\bqemu version: (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
    const description = machineOfCommandLine(commandLine);
    return { ...description, qemuVersion: version ?? description.qemuVersion };
  } catch (cause) {
    if (!(cause instanceof IommuError)) throw cause;
    throw new IommuError("BAD_FILE", `${name}: ${cause.message}`, cause.details);
  }
}

/** A line that runs QEMU's program: what may stand before it in a script, and it. */
const PROGRAM =
  /^(\s*(?:(?:exec|sudo|env|nohup|nice|ionice|time|setsid|taskset|numactl)(?:[ \t]+(?:-\S*|\d[-,\d]*))*[ \t]+|\w+=\S*[ \t]+)*)(?:\S*\/)?qemu\S*[ \t\\]/;

/** The whole text, if it is a command line; else the last one in it, with the lines that a backslash joins to it. */
function commandLineIn(text: string): string | undefined {
  if (/^\s*(?:\S*qemu\S*[\s\0]|-\w)/.test(text)) return text;
  const lines = text.split(/\r?\n/);
  const first = lines.findLastIndex((line) => PROGRAM.test(line));
  if (first < 0) return undefined;
  const end = lines.findIndex((line, at) => at >= first && !line.endsWith("\\"));
  const command = lines.slice(first, end < 0 ? undefined : end + 1).join("\n");
  return command.slice(PROGRAM.exec(command)![1]!.length);
}
