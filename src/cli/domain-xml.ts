import { IommuError } from "../base/errors.ts";
import { machineOfDomain } from "../formats/machine/libvirt-domain.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import { childOf } from "../formats/machine/xml-element.ts";
import { parseXml } from "./xml.ts";

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
