import { IommuError } from "../base/errors.ts";
import { isLibvirtImage, readLibvirtImage } from "../formats/container/libvirt-image.ts";
import { SAVED_HEAD_BYTES } from "../formats/container/place.ts";
import { named } from "../formats/input/opened-input.ts";
import { textOf } from "../formats/input/text.ts";
import { machineOfDomain } from "../formats/machine/libvirt-domain.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import { readMachine } from "../formats/machine/read-machine.ts";
import { childOf } from "../formats/machine/xml-element.ts";
import { ByteCursor } from "../formats/migration/byte-cursor.ts";
import { displayName } from "./display-name.ts";
import { openInput } from "./input.ts";
import { parseXml } from "./xml.ts";

/** What a file may be that describes a machine. */
export const MACHINE_FILE =
  "a command line of QEMU's, /proc/PID/cmdline, libvirt's log or XML of a domain, an image of virsh save (its XML), or the JSON beside a recorded boot";

/**
 * Reads a description of a machine.
 *
 * @throws IommuError UNSUPPORTED if it is none; BAD_FILE for one with a mistake, with its place
 */
export async function readMachineFile(path: string): Promise<MachineDescription> {
  const name = displayName(path);
  const text = await machineText(path, name);
  const machine = isXml(text) ? machineOfXml(text, name).machine : readMachine(text, name);
  if (machine !== undefined) return machine;
  throw new IommuError("UNSUPPORTED", `${name}: no description of a machine: it should be ${MACHINE_FILE}`);
}

const isXml = (text: string): boolean => /^\uFEFF?\s*<[?!a-zA-Z]/.test(text);

/** The text of a file, or the XML in what libvirt saved a machine to. */
async function machineText(path: string, name: string): Promise<string> {
  const cursor = new ByteCursor(openInput(path));
  try {
    const isImage = isLibvirtImage(await cursor.peek(SAVED_HEAD_BYTES));
    return isImage
      ? (await named(name, readLibvirtImage(cursor))).domainXml
      : await textOf(cursor.rest(), name);
  } finally {
    await cursor.close();
  }
}

/**
 * The machine of a libvirt domain: `virsh dumpxml` of a running one, or what `virsh save-image-dumpxml` prints.
 *
 * @throws IommuError BAD_FILE for a document with a mistake, with its place
 */
export function machineOfXml(
  text: string,
  name: string,
): { readonly machine: MachineDescription; readonly name: string } {
  const document = parseXml(text, name);
  try {
    return { machine: machineOfDomain(document), name: childOf(document, "name")?.text.trim() ?? "" };
  } catch (cause) {
    if (!(cause instanceof IommuError)) throw cause;
    throw new IommuError("BAD_FILE", `${name}: ${cause.message}`, cause.details);
  }
}
