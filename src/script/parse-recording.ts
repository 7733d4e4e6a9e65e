import { parseJsonLines } from "../formats/json-lines.ts";
import { readKernelScript } from "../formats/kernel-script/parse.ts";
import { readOpScript } from "../formats/op-script/script.ts";
import { kernelRecording } from "./kernel/recording.ts";
import { opRecording } from "./op/recording.ts";
import type { Recording } from "./recording.ts";

/**
 * Reads an op script (hypercalls, RTAS, DMA, vfio-user devices of a QEMU
 * machine) or a recording of a host kernel (VFIO containers, KVM tables): the
 * first line says which.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake; LIMIT_EXCEEDED where it takes too
 * much memory
 * @public
 */
export function parseRecording(text: string, file: string): Recording {
  const lines = parseJsonLines(text, file);
  const header = lines[0]?.value.header;
  return typeof header === "object" && header !== null
    ? kernelRecording(readKernelScript(lines, file))
    : opRecording(readOpScript(lines, file));
}
