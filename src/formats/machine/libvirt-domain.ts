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
 * @param domain the document's element
 * @throws IommuError BAD_ARGUMENT for what no machine can have, with element and value
 * @public
 */
export function machineOfDomain(domain: XmlElement): MachineDescription {
  if (domain.name !== "domain")
    throw new IommuError("BAD_ARGUMENT", `<${domain.name}> is no libvirt domain`, { name: domain.name });
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
  const leftOut = new Set<string>();
  // Bridges come first: devices name them by the index of their controller.
  for (const element of childrenOf(devices, "controller")) {
    const { type, index = "0", model } = element.attributes;
    if (type !== "pci" || index === "0") continue;
    const target = childOf(element, "target")?.attributes.index ?? index;
    if (model === "pci-root") words.push("-device", `spapr-pci-host-bridge,index=${target},id=pci.${index}`);
    else leftOut.add(`<controller type='pci' model='${model}'>`);
  }
  let modules = 0;
  for (const element of devices?.children ?? []) {
    if (element.name === "memory") words.push(...memoryModule(element, modules++));
    else words.push(...deviceOptions(element, leftOut));
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
  if (element === undefined) return undefined;
  const unit = UNITS[element.attributes.unit ?? "KiB"];
  const bytes = Number(element.text.trim()) * (unit ?? Number.NaN);
  if (Number.isSafeInteger(bytes) && element.text.trim() !== "") return bytes;
  const said = `${element.text.trim()} ${element.attributes.unit ?? ""}`.trim();
  throw new IommuError("BAD_ARGUMENT", `<${name}>: "${said}" is no size of memory`);
}

function memoryModule(element: XmlElement, number: number): string[] {
  const size = bytesOf(childOf(element, "target/size"), "size") ?? 0;
  const driver = element.attributes.model === "nvdimm" ? "nvdimm" : "pc-dimm";
  const object = `memory-backend-ram,id=libvirt-m${number},size=${size}`;
  return ["-object", object, "-device", `${driver},id=libvirt-d${number},memdev=libvirt-m${number}`];
}

/** The options of a device, none for one that has nothing to do with DMA; one that may is added to `leftOut`. */
function deviceOptions(element: XmlElement, leftOut: Set<string>): string[] {
  const model = modelOf(element);
  if (model === undefined) {
    if (childOf(element, "address")?.attributes.type === "pci") leftOut.add(`<${element.name}>`);
    return [];
  }
  const address = childOf(element, "address")?.attributes ?? {};
  if (model.startsWith("spapr-"))
    return ["-device", `${model}${address.reg === undefined ? "" : `,reg=${address.reg}`}`];
  const bus = Number(address.bus ?? "0");
  const place = address.slot === undefined ? "" : `,addr=${address.slot}.${Number(address.function ?? "0")}`;
  return ["-device", `${model},bus=${bus === 0 ? "pci.0" : `pci.${bus}.0`}${place}`];
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
