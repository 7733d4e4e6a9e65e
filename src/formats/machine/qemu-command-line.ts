import { IommuError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { PCI_MODELS } from "../../guest/device-models.ts";
import { VIO_FIRST_REG } from "../../spapr/papr.ts";
import type { PhbConfig } from "../../spapr/phb.ts";
import { doesVioDma, isVioDevice, type VioConfig } from "../../spapr/vio.ts";
import { ADDING_OPTIONS, DefaultDevices } from "./default-devices.ts";
import type { MachineDescription, MemoryModule } from "./machine-description.ts";
import { PciBuses } from "./pci-buses.ts";
import { isElsewhere, isPciBridge, isPciModel, pciModelOf } from "./pci-models.ts";
import { numberOf, parseProperties, type QemuProperties, switchOf } from "./qemu-properties.ts";
import { shellWords } from "./shell-words.ts";

/** Options of QEMU's that take no value. */
const WITHOUT_VALUE = new Set(
  (
    "nographic nodefaults enable-kvm S s snapshot no-reboot no-shutdown daemonize h help version no-user-config " +
    "nouserconfig only-migratable full-screen mem-prealloc singlestep no-fd-bootchk curses sdl usb no-acpi preconfig"
  ).split(" "),
);
/** Options that add devices of their own, which are not looked at. */
const ADDS_DEVICES = new Set("usbdevice sd pflash fda fdb soundhw watchdog readconfig".split(" "));
const BRIDGE = "spapr-pci-host-bridge";
/** What is taken for the version of QEMU where nobody says one, as of {@link CommandLine}'s machine types. */
const LEAST_QEMU = 702;
/** `pgsz` of machine types up to pseries-4.1: pages of 4 and 64 KiB. */
const OLD_PAGE_SIZES = 0x1_1000n;
/** Memory comes in blocks of 256 MiB. */
const RAM_BLOCK = 2 ** 28;
const MAX_RAM = 2 ** 50;
const MAX_NODES = 128;

/**
 * Reads a command line of `qemu-system-ppc64`: as text, or as `/proc/PID/cmdline` has it.
 *
 * @throws IommuError BAD_ARGUMENT for what no machine can have, with option and value
 * @public
 */
export function machineOfCommandLine(text: string): MachineDescription {
  const reader = new CommandLine();
  const words = shellWords(text);
  // The name of the program, if it is there.
  for (let i = words[0]?.startsWith("-") === true ? 0 : 1; i < words.length; i++) {
    const word = words[i]!;
    if (!word.startsWith("-")) {
      reader.leaveOut(word);
      continue;
    }
    const name = word.replace(/^--?/, "");
    if (WITHOUT_VALUE.has(name)) reader.option(name, "");
    else if (i + 1 < words.length) reader.option(name, words[++i]!);
    else throw new IommuError("BAD_ARGUMENT", `${word} without its value`);
  }
  return reader.end();
}

/** What a command line says so far. */
class CommandLine {
  #ram: Pick<MachineDescription, "ramBytes" | "maxRamBytes"> = { ramBytes: 2 ** 29, maxRamBytes: 2 ** 29 };
  #ramText: string | undefined;
  readonly #devices: QemuProperties[] = [];
  readonly #globals = new Map<string, string>();
  /** Sizes of memory backends. */
  readonly #backends = new Map<string, number>();
  #accelerator: "tcg" | "kvm" = "tcg";
  #kernelCommandLine = "";
  readonly #defaults = new DefaultDevices();
  /** Bytes of memory of each NUMA node, as `-numa node` says it: its backend's, or its own number. */
  readonly #numa: QemuProperties[] = [];
  /** Of a machine type `pseries-X.Y`, X * 100 + Y; old ones have other defaults (QEMU-PHB-2). */
  #machineVersion = Number.POSITIVE_INFINITY;
  readonly #leftOut = new Set<string>();
  readonly #remarks: string[] = [];

  option(name: string, value: string): void {
    switch (name) {
      case "m":
        this.#memory(value);
        break;
      case "M":
      case "machine":
        this.#machine(parseProperties(value, "type"));
        break;
      case "accel":
        this.#accel(parseProperties(value, "accel").first);
        break;
      case "enable-kvm":
        this.#accel("kvm");
        break;
      case "device":
        this.#devices.push(parseProperties(value, "driver"));
        break;
      case "global":
        this.#global(value);
        break;
      case "object":
        this.#object(parseProperties(value, "qom-type"));
        break;
      case "append":
        this.#kernelCommandLine = value;
        break;
      case "nodefaults":
        this.#defaults.hasDefaults = false;
        break;
      case "numa":
        this.#numaOption(value);
        break;
      default:
        if (ADDING_OPTIONS.has(name)) {
          const device = this.#defaults.option(name, value);
          if (device !== undefined) this.#devices.push(device);
        } else if (ADDS_DEVICES.has(name) && value !== "none")
          this.#remarks.push(`-${name} ${value}: the devices that it adds are not looked at`);
        else this.leaveOut(`-${name}`);
    }
  }

  leaveOut(word: string): void {
    this.#leftOut.add(word);
  }

  end(): MachineDescription {
    const bridges: PhbConfig[] = [this.#bridge(parseProperties(`${BRIDGE},index=0`, "driver"))];
    const buses = new PciBuses();
    buses.addHostBridge(0, undefined);
    const vioDevices: VioConfig[] = [];
    const registers = new Set<number>();
    const dimms: MemoryModule[] = [];
    let persistentMemory = false;
    const defaults = this.#defaults;
    for (const device of [...defaults.before(this.#devices), ...this.#devices, ...defaults.after()]) {
      const { first: model, values } = device;
      const id = values.get("id");
      if (model === BRIDGE) {
        const bridge = this.#bridge(device);
        if (bridges.some(({ index }) => index === bridge.index))
          throw new IommuError("BAD_ARGUMENT", `"${device.text}": there is a bridge ${bridge.index} already`);
        buses.addHostBridge(bridge.index, id);
        bridges.push(bridge);
      } else if (isVioDevice(model)) {
        const reg = registerOf(device, registers);
        registers.add(reg);
        if (doesVioDma(model)) vioDevices.push({ type: model, reg });
      } else if (model === "nvdimm") persistentMemory = true;
      else if (model === "pc-dimm")
        dimms.push({
          id: id ?? "",
          bytes: this.#backend(device),
          node: Number(numberOf(device, "node") ?? 0),
        });
      else this.#otherDevice(device, buses);
    }
    if (this.#leftOut.size > 0)
      this.#remarks.push(`not looked at, as DMA does not depend on it: ${[...this.#leftOut].join(" ")}`);
    return {
      qemuVersion: this.#qemuVersion(),
      ...this.#ram,
      memoryNodes: this.#memoryNodes(),
      bridges,
      pciDevices: buses.devices(),
      vioDevices,
      dimms,
      persistentMemory,
      accelerator: this.#accelerator,
      cpuPageSize: undefined,
      kernelVersion: undefined,
      kernelCommandLine: this.#kernelCommandLine,
      modules: undefined,
      steps: [],
      remarks: this.#remarks,
    };
  }

  /** The QEMU of a machine type: no older one has it. A newer QEMU has old types, too. */
  #qemuVersion(): string | undefined {
    const type = this.#machineVersion;
    if (!Number.isFinite(type) || type < LEAST_QEMU) return undefined;
    return `${Math.floor(type / 100)}.${type % 100}`;
  }

  #memory(value: string): void {
    if (this.#ramText !== undefined && this.#ramText !== value)
      this.#remarks.push(`-m ${this.#ramText} and -m ${value}: the last one holds`);
    this.#ramText = value;
    const properties = parseProperties(value, "size");
    const size = this.#ramSize(value, properties.first === "" ? "512" : properties.first);
    const maxmem = properties.values.get("maxmem");
    const most = maxmem === undefined ? size : this.#ramSize(value, maxmem);
    if (size === 0 || size % RAM_BLOCK !== 0)
      throw new IommuError(
        "BAD_ARGUMENT",
        `-m ${value}: ${formatSize(size)} is no multiple of 256 MiB, which memory comes in`,
      );
    if (most < size)
      throw new IommuError("BAD_ARGUMENT", `-m ${value}: maxmem is below the memory that is there`);
    const hasSlots = Number(properties.values.get("slots") ?? "0") > 0;
    if (most > size && !hasSlots)
      this.#remarks.push(`-m ${value}: maxmem without slots: nothing can be plugged, which QEMU refuses`);
    this.#ram = { ramBytes: size, maxRamBytes: most };
  }

  /** A number without a unit is in MiB. */
  #ramSize(option: string, value: string): number {
    const unit = /^\d+$/.test(value) ? "M" : "";
    const bytes = numberOf(
      { text: `-m ${option}`, first: "", values: new Map([["size", value + unit]]) },
      "size",
    )!;
    if (bytes > BigInt(MAX_RAM))
      throw new IommuError("BAD_ARGUMENT", `-m ${option}: ${value} is more than ${formatSize(MAX_RAM)}`);
    return Number(bytes);
  }

  #machine(properties: QemuProperties): void {
    const { first, values } = properties;
    if (first !== "" && !/^pseries(-|$)/.test(first)) {
      throw new IommuError("BAD_ARGUMENT", `-machine ${first}: only pseries machines have sPAPR windows`);
    }
    const version = /^pseries-(\d+)\.(\d+)/.exec(first);
    if (version !== null) this.#machineVersion = Number(version[1]) * 100 + Number(version[2]);
    const usb = switchOf(properties, "usb");
    if (usb !== undefined) this.#defaults.machineUsb(usb);
    const accel = values.get("accel");
    if (accel !== undefined) this.#accel(accel.split(":")[0]!);
  }

  #accel(name: string): void {
    if (name === "kvm" || name === "tcg") this.#accelerator = name;
    else this.#remarks.push(`accelerator ${name}: taken as tcg`);
  }

  #global(value: string): void {
    const match = /^([^.=,]+)\.([^=]+)=(.*)$/.exec(value);
    const long = parseProperties(value, "driver").values;
    const [driver, property, text] =
      match === null ? [long.get("driver"), long.get("property"), long.get("value")] : match.slice(1);
    if (driver === BRIDGE && property !== undefined && text !== undefined) this.#globals.set(property, text);
    else this.leaveOut(`-global ${driver ?? value}`);
  }

  #object(properties: QemuProperties): void {
    const size = numberOf(properties, "size");
    const id = properties.values.get("id");
    if (size === undefined || id === undefined || !properties.first.startsWith("memory-backend-"))
      this.leaveOut(`-object ${properties.first}`);
    else this.#backends.set(id, Number(size));
  }

  #backend(device: QemuProperties): number {
    const name = device.values.get("memdev");
    const bytes = name === undefined ? undefined : this.#backends.get(name);
    if (bytes !== undefined) return bytes;
    throw new IommuError("BAD_ARGUMENT", `"${device.text}": there is no -object with the id ${name}`);
  }

  #bridge(device: QemuProperties): PhbConfig {
    const values = new Map([...this.#globals, ...device.values]);
    const own = { ...device, values };
    const index = numberOf(own, "index");
    if (index === undefined) throw new IommuError("BAD_ARGUMENT", `"${device.text}" has no index`);
    const given = <Name extends string, Value>(
      name: Name,
      value: Value | undefined,
    ): { [key in Name]?: Value } =>
      (value === undefined ? {} : { [name]: value }) as { [key in Name]?: Value };
    return {
      index: Number(index),
      ...given("ddw", switchOf(own, "ddw") ?? (this.#machineVersion <= 206 ? false : undefined)),
      ...given("pgsz", numberOf(own, "pgsz") ?? (this.#machineVersion <= 401 ? OLD_PAGE_SIZES : undefined)),
      ...given("dmaWinAddr", numberOf(own, "dma_win_addr")),
      ...given("dmaWinSize", numberOf(own, "dma_win_size")),
      ...given("dma64WinAddr", numberOf(own, "dma64_win_addr")),
    };
  }

  /** A device that is neither a bridge of the host nor a virtual one: if it stands on a PCI bus, it has a slot there. */
  #otherDevice(device: QemuProperties, buses: PciBuses): void {
    const { first, values, text } = device;
    const model = pciModelOf(first);
    const bus = values.get("bus");
    const isThere = bus === undefined || buses.has(bus);
    if (!isPciModel(model) && !(bus !== undefined && isThere && values.has("addr"))) {
      if (isElsewhere(first)) this.leaveOut(`-device ${first}`);
      else this.#remarks.push(`-device ${first}: not known here: if it is a PCI device, it is missing`);
      return;
    }
    if (!isThere) {
      this.#remarks.push(`-device ${text}: there is no bridge with the bus ${bus}: it is not looked at`);
      return;
    }
    if (PCI_MODELS[model] === undefined && !isPciBridge(model))
      this.#remarks.push(`-device ${model}: what its driver asks for is not known here`);
    buses.add(model, device);
  }

  #numaOption(value: string): void {
    const properties = parseProperties(value, "type");
    if (properties.first === "node") this.#numa.push(properties);
    else if (!["cpu", "dist", "hmat-lb", "hmat-cache"].includes(properties.first))
      this.#remarks.push(`-numa ${value}: not known here`);
  }

  /** Bytes of the memory at address 0 by NUMA node. */
  #memoryNodes(): readonly number[] | undefined {
    const { ramBytes } = this.#ram;
    const nodes: number[] = [];
    for (const [i, node] of this.#numa.entries()) {
      const memory = node.values.get("mem");
      const bytes = memory === undefined ? this.#nodeBackend(node) : this.#ramSize(node.text, memory);
      const id = Number(numberOf(node, "nodeid") ?? i);
      if (id >= MAX_NODES)
        throw new IommuError(
          "BAD_ARGUMENT",
          `"${node.text}": nodeid=${id}: there are nodes 0 to ${MAX_NODES - 1}`,
        );
      nodes[id] = bytes;
    }
    const sizes = Array.from(nodes, (bytes) => bytes ?? 0);
    const sum = sizes.reduce((all, bytes) => all + bytes, 0);
    if (sum === ramBytes) return sizes;
    if (sum > 0)
      throw new IommuError(
        "BAD_ARGUMENT",
        `-numa: the nodes have ${formatSize(sum)} of memory together, and -m says ${formatSize(ramBytes)}`,
      );
    if (sizes.length > 1)
      this.#remarks.push("-numa: no node says its memory: QEMU shares it out, and here all is one node's");
    return undefined;
  }

  #nodeBackend(node: QemuProperties): number {
    return node.values.has("memdev") ? this.#backend(node) : 0;
  }
}

/**
 * Unit address of a virtual I/O device: the first that is free if it names none (QEMU-VIO-5).
 *
 * @throws IommuError BAD_ARGUMENT for one that a device has already
 */
function registerOf(device: QemuProperties, taken: ReadonlySet<number>): number {
  const named = numberOf(device, "reg");
  if (named === undefined) {
    let reg = VIO_FIRST_REG;
    while (taken.has(reg)) reg++;
    return reg;
  }
  if (!taken.has(Number(named))) return Number(named);
  throw new IommuError(
    "BAD_ARGUMENT",
    `"${device.text}": a device has the unit address reg=${named} already`,
  );
}
