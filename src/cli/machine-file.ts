import { IommuError } from "../base/errors.ts";
import { isLibvirtImage, readLibvirtImage } from "../formats/container/libvirt-image.ts";
import { isSavedMachine, SAVED_HEAD_BYTES } from "../formats/container/place.ts";
import { named } from "../formats/input/opened-input.ts";
import { textOf } from "../formats/input/text.ts";
import { parseJsonLines } from "../formats/json-lines.ts";
import type { Located } from "../formats/located.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import { isMachineDocument, looksOwn, machineOfDocument, placeOf } from "../formats/machine/own-machine.ts";
import { machineOfCommandLine } from "../formats/machine/qemu-command-line.ts";
import { readMachine } from "../formats/machine/read-machine.ts";
import { ByteCursor } from "../formats/migration/byte-cursor.ts";
import { parseHeader } from "../formats/op-script/header.ts";
import { displayName } from "./display-name.ts";
import { openInput } from "./input.ts";
import { MACHINE_FILE } from "./machine-file-kinds.ts";

/** A description of a machine, and where its file says what. */
export interface MachineFile {
  readonly name: string;
  readonly description: MachineDescription;
  /** The place of a member, as far as the file's form has places; otherwise the file's name. */
  placeOf(...path: readonly (string | number)[]): string;
}

/**
 * Reads a description of a machine.
 *
 * @throws IommuError UNSUPPORTED if it is none; BAD_FILE for one with a mistake, with its place
 */
export async function readMachineFile(path: string): Promise<MachineDescription> {
  return (await openMachineFile(path)).description;
}

/** As {@link readMachineFile}, with the places of what the file says. */
export async function openMachineFile(path: string): Promise<MachineFile> {
  const name = displayName(path);
  const text = await machineText(path, name);
  const whole = (description: MachineDescription): MachineFile => ({
    name,
    description,
    placeOf: () => name,
  });
  // What reads XML and YAML are packages, which take as long to load as all else: only where they are wanted.
  if (isXml(text)) {
    const { machineOfXml } = await import("./domain-xml.ts");
    return whole(machineOfXml(text, name).machine);
  }
  if (isHeader(text)) return whole(machineOfHeader(text, name));
  const isOwn = looksOwn(text);
  const known = isOwn && !isJson(text) ? undefined : readMachine(text, name);
  if (known !== undefined) return whole(known);
  if (isOwn) {
    const { parseYaml } = await import("./yaml.ts");
    const document: Located = parseYaml(text, name);
    if (isMachineDocument(document)) {
      const description = machineOfDocument(document);
      return { name, description, placeOf: (...members) => placeOf(document, members) };
    }
  }
  throw new IommuError("UNSUPPORTED", `${name}: no description of a machine: it should be ${MACHINE_FILE}`);
}

const isXml = (text: string): boolean => /^\uFEFF?\s*<[?!a-zA-Z]/.test(text);
const isJson = (text: string): boolean => /^\s*\{/.test(text);
const isHeader = (text: string): boolean => /^\s*\{\s*"header"\s*:/.test(text);

/** The text of a file, or the XML in what libvirt saved a machine to. */
async function machineText(path: string, name: string): Promise<string> {
  const cursor = new ByteCursor(openInput(path));
  try {
    const head = await cursor.peek(SAVED_HEAD_BYTES);
    if (isLibvirtImage(head)) return (await named(name, readLibvirtImage(cursor))).domainXml;
    if (!isSavedMachine(head)) return await textOf(cursor.rest(), name);
    const message = `${name}: a saved machine, which has its windows in it (info, map), but no description of the machine: it should be ${MACHINE_FILE}`;
    throw new IommuError("UNSUPPORTED", message, { path: name });
  } finally {
    await cursor.close();
  }
}

/** The machine of an op script, of which only the first line is read. */
function machineOfHeader(text: string, name: string): MachineDescription {
  const end = text.indexOf("\n", text.search(/\S/));
  const [line] = parseJsonLines(end < 0 ? text : text.slice(0, end), name);
  const { ramSize, phbs, vio } = parseHeader(line!);
  const { qemu } = line!.value;
  return {
    ...machineOfCommandLine("-nodefaults"),
    ramBytes: Number(ramSize),
    maxRamBytes: Number(ramSize),
    bridges: phbs ?? [],
    vioDevices: vio ?? [],
    qemuVersion: typeof qemu === "string" ? qemu : undefined,
  };
}
