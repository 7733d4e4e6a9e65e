import { IommuError } from "../base/errors.ts";
import { windowsOfMachine } from "../check/script-trace.ts";
import { knownWindows } from "../check/whole/known-windows.ts";
import type { ToldWindow } from "../formats/machine/told-window.ts";
import { withInput } from "./input.ts";
import { readMachineFile } from "./machine-file.ts";

/** The windows of the machine that a file describes. XML is read by a package, which the library does without. */
export async function windowsOfFile(path: string): Promise<readonly ToldWindow[]> {
  try {
    return await withInput(path, true, (data, { name }) => knownWindows(data, { name }));
  } catch (cause) {
    if (!(cause instanceof IommuError) || cause.code !== "UNSUPPORTED" || path === "-") throw cause;
    const { bridges, vioDevices } = await readMachineFile(path);
    return windowsOfMachine({ phbs: bridges, vio: vioDevices });
  }
}
