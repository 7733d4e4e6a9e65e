import { IommuError } from "../../base/errors.ts";
import type { MachineDescription } from "./machine-description.ts";
import { machineOfCommandLine } from "./qemu-command-line.ts";
import { childOf, childrenOf, type XmlElement } from "./xml-element.ts";

/** Bytes of libvirt's units of memory. */
const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 1024,
  KiB: 1024,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

/** Models of QEMU's for libvirt's devices, by element and what it says of itself. */
const DISK_MODELS: Readonly<Record<string, string>> = { virtio: "virtio-blk-pci" };
const CONTROLLER_MODELS: Readonly<Record<string, string>> = {
  "scsi virtio-scsi": "virtio-scsi-pci",
  "scsi ibmvscsi": "spapr-vscsi",
  "scsi lsilogic": "lsi53c895a",
  "usb qemu-xhci": "qemu-xhci",
  "usb nec-xhci": "nec-usb-xhci",
  "virtio-serial": "virtio-serial-pci",
};
const INTERFACE_MODELS: Readonly<Record<string, string>> = { virtio: "virtio-net-pci" };

/**
 * The machine of a libvirt domain: its memory, host bridges and devices, as options of QEMU's that libvirt would write.
 *
 * @param document its element: a domain, or what has one inside, such as the status or a snapshot of a domain
 * @throws IommuError BAD_ARGUMENT for what no machine can have, with element and value
 * @public
 */
export function machineOfDomain(document: XmlElement): MachineDescription {
  // What libvirt keeps of a domain that runs, and of a snapshot, has it inside.
  const domain = document.name === "domain" ? document : childOf(document, "domain");
  if (domain === undefined)
    throw new IommuError("BAD_ARGUMENT", `<${document.name}> is no libvirt domain`, { name: document.name });
  const machine = childOf(domain, "os/type")?.attributes.machine ?? "pseries";
  const accel = domain.attributes.type === "kvm" ? "kvm" : "tcg";
  const words = [
    "qemu-system-ppc64",
    "-nodefaults",
    "-machine",
    `${machine},accel=${accel}`,
    "-m",
    memoryOf(domain),
  ];
  const devices = childOf(domain, "devices");
  words.push(...numaNodes(domain));
  const leftOut = new Set<string>();
  const buses = new Map([["0", "pci.0"]]);
  // Bridges come first: devices name them by the index of their controller.
  for (const element of childrenOf(devices, "controller")) {
    const { type, index = "0" } = element.attributes;
    if (type === "pci" && index !== "0") words.push(...bridgeOptions(element, buses, leftOut));
  }
  let modules = 0;
  for (const element of devices?.children ?? []) {
    if (element.name === "memory") words.push(...memoryModule(element, modules++));
    else words.push(...deviceOptions(element, buses, leftOut));
  }
  const append = childOf(domain, "os/cmdline")?.text;
  if (append !== undefined) words.push("-append", append);
  for (const { attributes } of childrenOf(childOf(domain, "qemu:commandline"), "qemu:arg"))
    words.push(attributes.value ?? "");
  const description = machineOfCommandLine(`${words.join("\0")}\0`);
  if (leftOut.size === 0) return description;
  const text = `not looked at: ${[...leftOut].join(" ")}`;
  return { ...description, remarks: [...description.remarks, text] };
}

/** `-numa` of the cells, with a backend for the memory of each. */
function numaNodes(domain: XmlElement): string[] {
  return childrenOf(childOf(domain, "cpu/numa"), "cell").flatMap(({ attributes }, i) => {
    const { id = String(i), memory, unit } = attributes;
    if (memory === undefined) return [];
    const size = sizeOf(memory, unit, "cell");
    return [
      "-object",
      `memory-backend-ram,id=libvirt-n${id},size=${size}`,
      "-numa",
      `node,nodeid=${id},memdev=libvirt-n${id}`,
    ];
  });
}

/** A host bridge or a bridge behind one, whose bus devices name by the index of its controller. */
function bridgeOptions(element: XmlElement, buses: Map<string, string>, leftOut: Set<string>): string[] {
  const { index = "0", model } = element.attributes;
  if (model === "pci-root") {
    const target = childOf(element, "target")?.attributes.index ?? index;
    buses.set(index, `pci.${index}.0`);
    return ["-device", `spapr-pci-host-bridge,index=${target},id=pci.${index}`];
  }
  if (model !== "pci-bridge") {
    leftOut.add(`<controller type='pci' model='${model}'>`);
    return [];
  }
  buses.set(index, `pci.${index}`);
  return ["-device", `pci-bridge,id=pci.${index}${placeOf(element, buses)}`];
}

/** The bus and slot that an element names, as properties. */
function placeOf(element: XmlElement, buses: ReadonlyMap<string, string>): string {
  const { bus = "0", slot, function: fn = "0" } = childOf(element, "address")?.attributes ?? {};
  const index = String(Number(bus));
  const place = slot === undefined ? "" : `,addr=${slot}.${Number(fn)}`;
  return `,bus=${buses.get(index) ?? `pci.${index}`}${place}`;
}

/** `-m`: what is there without the modules, and what there can be. */
function memoryOf(domain: XmlElement): string {
  const memory = bytesOf(childOf(domain, "memory"), "memory") ?? 0;
  const modules = childrenOf(childOf(domain, "devices"), "memory").filter(
    ({ attributes }) => attributes.model === "dimm",
  );
  const plugged = modules.reduce((sum, one) => sum + (bytesOf(childOf(one, "target/size"), "size") ?? 0), 0);
  const maximum = childOf(domain, "maxMemory");
  const most = bytesOf(maximum, "maxMemory");
  const mib = (bytes: number): string => `${bytes / 2 ** 20}M`;
  if (!Number.isInteger((memory - plugged) / 2 ** 20))
    throw new IommuError("BAD_ARGUMENT", `<memory>: ${memory - plugged} bytes are no whole MiB`);
  const slots = maximum?.attributes.slots ?? "0";
  return most === undefined
    ? mib(memory - plugged)
    : `${mib(memory - plugged)},slots=${slots},maxmem=${mib(most)}`;
}

function bytesOf(element: XmlElement | undefined, name: string): number | undefined {
  return element === undefined ? undefined : sizeOf(element.text.trim(), element.attributes.unit, name);
}

/** @throws IommuError BAD_ARGUMENT for what is no size, with the element's name */
function sizeOf(text: string, unit: string | undefined, name: string): number {
  const bytes = Number(text) * (UNITS[unit ?? "KiB"] ?? Number.NaN);
  if (Number.isSafeInteger(bytes) && text !== "") return bytes;
  throw new IommuError("BAD_ARGUMENT", `<${name}>: "${`${text} ${unit ?? ""}`.trim()}" is no size of memory`);
}

function memoryModule(element: XmlElement, number: number): string[] {
  const size = bytesOf(childOf(element, "target/size"), "size") ?? 0;
  const driver = element.attributes.model === "nvdimm" ? "nvdimm" : "pc-dimm";
  const object = `memory-backend-ram,id=libvirt-m${number},size=${size}`;
  const node = childOf(element, "target/node")?.text.trim();
  const device = `${driver},id=libvirt-d${number},memdev=libvirt-m${number}`;
  return ["-object", object, "-device", node === undefined ? device : `${device},node=${node}`];
}

/** The options of a device, none for one that has nothing to do with DMA; one that may is added to `leftOut`. */
function deviceOptions(
  element: XmlElement,
  buses: ReadonlyMap<string, string>,
  leftOut: Set<string>,
): string[] {
  const model = modelOf(element);
  if (model === undefined) {
    if (childOf(element, "address")?.attributes.type === "pci") leftOut.add(`<${element.name}>`);
    return [];
  }
  const reg = childOf(element, "address")?.attributes.reg;
  if (model.startsWith("spapr-")) return ["-device", `${model}${reg === undefined ? "" : `,reg=${reg}`}`];
  return ["-device", `${model}${placeOf(element, buses)}`];
}

/** QEMU's name of what an element stands for. */
function modelOf(element: XmlElement): string | undefined {
  const { name, attributes } = element;
  const model = childOf(element, "model")?.attributes.type;
  switch (name) {
    case "disk":
      return DISK_MODELS[childOf(element, "target")?.attributes.bus ?? ""];
    case "controller":
      return CONTROLLER_MODELS[`${attributes.type} ${attributes.model ?? ""}`.trim()];
    case "interface":
      return model === undefined ? undefined : (INTERFACE_MODELS[model] ?? model);
    case "hostdev":
      return attributes.type === "pci" ? "vfio-pci" : undefined;
    case "memballoon":
      return attributes.model === "virtio" ? "virtio-balloon-pci" : undefined;
    case "rng":
      return attributes.model === "virtio" ? "virtio-rng-pci" : undefined;
    case "tpm":
      return attributes.model === "tpm-spapr" ? "tpm-spapr" : undefined;
    default:
      return undefined;
  }
}
