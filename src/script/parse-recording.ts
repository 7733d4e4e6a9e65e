import { JsonLine } from "../formats/json-lines.ts";
import { kernelRecording } from "./kernel/recording.ts";
import { opRecording } from "./op/recording.ts";
import type { Recording } from "./recording.ts";

/**
 * Reads an op script (hypercalls, RTAS, DMA, vfio-user devices of a QEMU
 * machine) or a recording of a host kernel (VFIO containers, KVM tables): the
 * first line tells which.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake
 */
export function parseRecording(text: string, file: string): Recording {
  const first = text.slice(0, Math.max(text.indexOf("\n"), 0) || undefined).trim();
  const header = first === "" ? undefined : new JsonLine(file, 1, first).value.header;
  return typeof header === "object" && header !== null
    ? kernelRecording(text, file)
    : opRecording(text, file);
}
