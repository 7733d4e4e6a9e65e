import { IommuError } from "../../base/errors.ts";
import { numberOf, parseProperties, type QemuProperties } from "./qemu-properties.ts";

/** Displays of `-vga`, and their models. */
const DISPLAYS: Readonly<Record<string, string>> = {
  std: "VGA",
  cirrus: "cirrus-vga",
  virtio: "virtio-vga",
  vmware: "vmware-svga",
  ati: "ati-vga",
};
/** Devices that stand for one that QEMU would add. */
const IN_PLACE_OF_DISPLAY = new Set(["VGA", "cirrus-vga", "virtio-vga", "vmware-svga", "ati-vga"]);
const IN_PLACE_OF_DISC = new Set(["scsi-cd", "scsi-hd", "ide-cd", "ide-hd"]);
/** Network cards that are virtual I/O devices, by the names that `-nic` and `-net` take. */
const VIO_CARDS = new Set(["", "spapr-vlan", "ibmveth"]);
/** Discs on the bus of one spapr-vscsi. */
const SCSI_UNITS = 7;
const MAX_DISCS = 256;

/** Options that add devices, and what they add is known. */
export const ADDING_OPTIONS: ReadonlySet<string> = new Set(
  "serial net nic netdev vga drive hda hdb hdc hdd cdrom usb virtfs".split(" "),
);

/**
 * The devices that a pseries machine has besides those of `-device`, in the order in which QEMU makes them
 * (QEMU-DEVICES-1): terminals, nvram, network cards, one spapr-vscsi for seven discs, a display, USB; and after those of
 * `-device` what `-drive if=virtio` adds.
 */
export class DefaultDevices {
  /** Are there any without being asked for? `-nodefaults` says no. */
  hasDefaults = true;
  #serials: string[] | undefined;
  /** Options of `-net`, `-nic` and `-netdev`: with any of them QEMU adds no network card. */
  #network: string[] | undefined;
  #display: string | undefined;
  /** Discs by unit, counted over all buses. */
  readonly #discs = new Set<number>();
  #virtioDiscs = 0;
  #usb: boolean | undefined;

  /** An option of {@link ADDING_OPTIONS}; devices that it adds where it stands are returned. */
  option(name: string, value: string): QemuProperties | undefined {
    switch (name) {
      case "serial":
        this.#serials ??= [];
        this.#serials.push(value);
        break;
      case "net":
      case "nic":
        this.#network ??= [];
        this.#card(name, value);
        break;
      case "netdev":
        this.#network ??= [];
        break;
      case "vga":
        this.#display = value;
        break;
      case "usb":
        this.#usb = true;
        break;
      case "virtfs":
        return parseProperties("virtio-9p-pci", "driver");
      case "drive":
        this.#drive(parseProperties(value, "file"));
        break;
      case "cdrom":
        this.#addDisc(2);
        break;
      default:
        this.#addDisc("abcd".indexOf(name.at(-1)!));
    }
    return undefined;
  }

  /** `usb=` of `-machine`. */
  machineUsb(isOn: boolean): void {
    this.#usb = isOn;
  }

  /** What is made before the devices of `-device`. */
  before(devices: readonly QemuProperties[]): QemuProperties[] {
    const has = (models: ReadonlySet<string>): boolean => devices.some(({ first }) => models.has(first));
    const { hasDefaults } = this;
    const models: string[] = [];
    for (const serial of this.#serials ?? (hasDefaults ? ["vc"] : [])) {
      // After one that is not there QEMU looks at no other.
      if (serial === "none") break;
      models.push("spapr-vty");
    }
    models.push("spapr-nvram");
    for (const card of this.#network ?? (hasDefaults ? [""] : []))
      models.push(VIO_CARDS.has(card) ? "spapr-vlan" : card === "virtio" ? "virtio-net-pci" : card);
    if (hasDefaults && !has(IN_PLACE_OF_DISC)) this.#addDisc(2);
    for (let bus = 0; bus * SCSI_UNITS <= Math.max(-1, ...this.#discs); bus++) models.push("spapr-vscsi");
    const isShown = has(IN_PLACE_OF_DISPLAY);
    const display = this.#display ?? (hasDefaults && !isShown ? "std" : "none");
    if (DISPLAYS[display] !== undefined) models.push(DISPLAYS[display]);
    if (this.#usb ?? (hasDefaults && (display !== "none" || isShown))) models.push("nec-usb-xhci");
    return models.map((model) => parseProperties(model, "driver"));
  }

  /** What is made after the devices of `-device`. */
  after(): QemuProperties[] {
    return Array.from({ length: this.#virtioDiscs }, () => parseProperties("virtio-blk-pci", "driver"));
  }

  #card(option: string, value: string): void {
    const properties = parseProperties(value, "type");
    const { first, values } = properties;
    if (first === "none" || (option === "net" && first !== "nic")) return;
    this.#network!.push(values.get("model") ?? "");
  }

  #drive(properties: QemuProperties): void {
    const kind = properties.values.get("if") ?? "scsi";
    if (kind === "virtio") this.#virtioDiscs++;
    if (kind !== "scsi") return;
    const number = (name: string): number | undefined => {
      const value = numberOf(properties, name);
      if (value === undefined || value < MAX_DISCS) return value === undefined ? undefined : Number(value);
      throw new IommuError("BAD_ARGUMENT", `"${properties.text}": ${name}=${value} is no place of a disc`);
    };
    const bus = (number("bus") ?? 0) * SCSI_UNITS;
    const unit = number("unit");
    this.#addDisc(number("index") ?? (unit === undefined ? undefined : bus + unit), bus);
  }

  /** A disc on a bus of a spapr-vscsi, at the first place that is free if none is named. */
  #addDisc(unit: number | undefined, from = 0): void {
    let at = unit ?? from;
    if (unit === undefined) while (this.#discs.has(at)) at++;
    this.#discs.add(at);
  }
}
