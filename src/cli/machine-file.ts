import { IommuError } from "../base/errors.ts";
import { textOf } from "../formats/input/text.ts";
import { machineOfDomain } from "../formats/machine/libvirt-domain.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import { readMachine } from "../formats/machine/read-machine.ts";
import { displayName } from "./display-name.ts";
import { openInput } from "./input.ts";
import { parseXml } from "./xml.ts";

/** What a file may be that describes a machine. */
export const MACHINE_FILE =
  "a command line of QEMU's, /proc/PID/cmdline, libvirt's log or XML of a domain, or the JSON beside a recorded boot";

/**
 * Reads a description of a machine.
 *
 * @throws IommuError UNSUPPORTED if it is none; BAD_FILE for one with a mistake, with its place
 */
export async function readMachineFile(path: string): Promise<MachineDescription> {
  const name = displayName(path);
  const text = await textOf(openInput(path), name);
  const machine = isXml(text) ? machineOfXml(text, name) : readMachine(text, name);
  if (machine !== undefined) return machine;
  throw new IommuError("UNSUPPORTED", `${name}: no description of a machine: it should be ${MACHINE_FILE}`);
}

const isXml = (text: string): boolean => /^\uFEFF?\s*<[?!a-zA-Z]/.test(text);

function machineOfXml(text: string, name: string): MachineDescription {
  const document = parseXml(text, name);
  // `virsh dumpxml` of a running domain, or what `virsh save-image-dumpxml` prints.
  try {
    return machineOfDomain(document);
  } catch (cause) {
    if (!(cause instanceof IommuError)) throw cause;
    throw new IommuError("BAD_FILE", `${name}: ${cause.message}`, cause.details);
  }
}
