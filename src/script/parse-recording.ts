import { parseJsonLines } from "../formats/json-lines.ts";
import { readKernelScript } from "../formats/kernel-script/parse.ts";
import { readOpScript } from "../formats/op-script/script.ts";
import type { ToldMachine } from "../formats/op-script/told-machine.ts";
import { kernelRecording } from "./kernel/recording.ts";
import { opRecording } from "./op/recording.ts";
import type { Recording } from "./recording.ts";

/**
 * Reads an op script (hypercalls, RTAS, DMA, vfio-user devices of a QEMU
 * machine) or a recording of a host kernel (VFIO containers, KVM tables): the
 * first line says which.
 *
 * @param told the machine of an op script, if somebody describes it beside the script
 * @throws IommuError BAD_FILE with file, line and column of the first mistake; LIMIT_EXCEEDED where it takes too
 * much memory
 * @public
 */
export function parseRecording(text: string, file: string, told?: ToldMachine): Recording {
  const lines = parseJsonLines(text, file);
  const [first] = lines;
  const header = first?.value.header;
  if (typeof header !== "object" || header === null) return opRecording(readOpScript(lines, file, told));
  if (told !== undefined)
    throw first!.error(
      "header",
      "a recording of a host's kernel, which a description of a machine says nothing of",
    );
  return kernelRecording(readKernelScript(lines, file));
}
