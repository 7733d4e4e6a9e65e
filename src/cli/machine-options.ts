import type { Option } from "commander";
import { parseToldWindow, type ToldWindow } from "../formats/machine/told-window.ts";
import { MACHINE_FILE } from "./machine-file-kinds.ts";
import { text, value } from "./options.ts";

/** What the options of {@link machineOptions} say. */
export interface MachineOptions {
  readonly machine?: string | undefined;
  readonly window?: readonly ToldWindow[] | undefined;
  readonly buffer?: string | undefined;
}

/** Options that tell of the windows that a trace does not tell of itself, and which of its buffers is meant. */
export const machineOptions = (): Option[] => [
  text(
    "--machine <file>",
    `what windows the traced machine has: an op script (its header), a saved machine, text of QEMU's info mtree -f, or ${MACHINE_FILE}`,
  ),
  windowOption(),
  text(
    "--buffer <name>",
    "of a trace.dat with several buffers (trace-cmd record -B): which one (default: the top one)",
  ),
];

/** `--window`, which may be given several times. */
const windowOption = (): Option =>
  value(
    "--window <liobn=base+size,page>",
    "a window of the traced machine, such as 0x80000000=0x20000000+256M,4K; for several give it again",
    (given, before) => [...((before as readonly ToldWindow[] | undefined) ?? []), parseToldWindow(given)],
  );

/** The windows that the options tell of; a `--window` is before what the file says of its LIOBN. */
export async function windowsTold({ machine, window = [] }: MachineOptions): Promise<readonly ToldWindow[]> {
  if (machine === undefined) return window;
  const { windowsOfFile } = await import("./windows-of-file.ts");
  return [...window, ...(await windowsOfFile(machine))];
}
