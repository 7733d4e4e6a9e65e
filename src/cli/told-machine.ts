import type { Option } from "commander";
import type { ToldMachine } from "../formats/op-script/told-machine.ts";
import { MACHINE_FILE } from "./machine-file-kinds.ts";
import { text } from "./options.ts";

/** `--machine` of the verbs that run scripts. */
export const toldMachineOption = (): Option =>
  text(
    "--machine <file>",
    `the machine of the scripts, whose headers may be missing then, and must agree otherwise (memory, bridges, VIO devices, QEMU's version; devices do nothing in a script): ${MACHINE_FILE}`,
  );

/** The machine of a file, as scripts need it. */
export async function toldMachine(path: string): Promise<ToldMachine> {
  const { openMachineFile } = await import("./machine-file.ts");
  const { description, placeOf } = await openMachineFile(path);
  const { ramBytes, bridges, vioDevices, qemuVersion } = description;
  return { ramBytes, bridges, vioDevices, qemuVersion, placeOf };
}
