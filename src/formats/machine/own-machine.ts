import { formatSize } from "../../base/units.ts";
import { findKernel } from "../../guest/linux-kernel.ts";
import { Machine } from "../../spapr/machine.ts";
import type { PhbConfig } from "../../spapr/phb.ts";
import { errorAt, type Located, type LocatedMembers } from "../located.ts";
import {
  freeSlot,
  type MachineDescription,
  type MachineStep,
  type PciDeviceDescription,
} from "./machine-description.ts";
import {
  MACHINE_SHAPE,
  type OwnBridge,
  type OwnDevice,
  type OwnMachine,
  type OwnStep,
} from "./machine-shape.ts";

const SLOTS = 32;
const MACHINE_MEMBERS = Object.keys(MACHINE_SHAPE.schema.properties as object);

/** Does a text begin as a document with members does, and not as a command line, a log or XML? */
export const looksOwn = (text: string): boolean =>
  /^\s*(?:(?:#.*|---.*)?\r?\n\s*)*(?:\{|["']?[A-Za-z][A-Za-z0-9]*["']?\s*:(?:\s|$))/.test(
    text.slice(0, 4096),
  );

/** Has a document any member of a machine's? Without one it is something else. */
export const isMachineDocument = ({ value }: Located): boolean =>
  value instanceof Map && MACHINE_MEMBERS.some((name) => value.has(name));

/**
 * The machine of a document of our own.
 *
 * @throws IommuError BAD_FILE with place and value for what no machine can have
 * @public
 */
export function machineOfDocument(document: Located): MachineDescription {
  const own = MACHINE_SHAPE.read(document);
  const at = (...path: readonly (string | number)[]): string => placeOf(document, path);
  const ramBytes = Number(own.ram);
  const maxRamBytes = Number(own.maxRam ?? own.ram);
  if (maxRamBytes < ramBytes)
    throw errorAt(
      at("maxRam"),
      `maxRam is ${formatSize(maxRamBytes)}, but ram is ${formatSize(ramBytes)} (${at("ram")})`,
    );
  const memoryNodes = own.memoryNodes?.map(Number);
  const inNodes = memoryNodes?.reduce((sum, bytes) => sum + bytes, 0) ?? ramBytes;
  if (inNodes !== ramBytes)
    throw errorAt(
      at("memoryNodes"),
      `the nodes have ${formatSize(inNodes)} together, but ram is ${formatSize(ramBytes)} (${at("ram")})`,
    );
  const bridges = bridgesOf(own, at);
  const pciDevices: PciDeviceDescription[] = [];
  own.devices?.forEach((device, i) => {
    pciDevices.push(deviceOf(device, bridges, pciDevices, at("devices", i)));
  });
  const dimms = (own.dimms ?? []).map(({ id, size, node }) => ({ id, bytes: Number(size), node }));
  const plugged = dimms.reduce((sum, { bytes }) => sum + bytes, 0);
  if (plugged > maxRamBytes - ramBytes)
    throw errorAt(
      at("dimms"),
      `modules of ${formatSize(plugged)} do not fit: ${formatSize(maxRamBytes - ramBytes)} can be plugged (ram, maxRam)`,
    );
  if (own.kernel !== undefined) checked(at("kernel"), () => findKernel(own.kernel!));
  const vioDevices = (own.vio ?? []).map(({ type, reg }) => (reg === undefined ? { type } : { type, reg }));
  // What else makes no machine, a machine says itself; memory does not matter for it.
  checked(
    at(own.vio === undefined ? "bridges" : "vio"),
    () => new Machine({ phbs: bridges, vio: vioDevices }),
  );
  const machine = {
    qemuVersion: own.qemu,
    ramBytes,
    maxRamBytes,
    memoryNodes,
    bridges,
    pciDevices,
    vioDevices,
    dimms,
    persistentMemory: own.persistentMemory ?? false,
    accelerator: own.accelerator ?? "tcg",
    cpuPageSize: own.cpuPageSize === undefined ? undefined : own.cpuPageSize === "4K" ? 4096 : 65_536,
    kernelVersion: own.kernel,
    kernelCommandLine: own.kernelCommandLine ?? "",
    modules: own.modules,
    remarks: [],
  };
  const steps = new MachineSteps(machine);
  return { ...machine, steps: (own.steps ?? []).map((step, i) => steps.read(step, at("steps", i))) };
}

/** The place of a value of a document; of the nearest one around it that is there. */
export function placeOf(document: Located, path: readonly (string | number)[]): string {
  let at: Located = document;
  for (const name of path) {
    const { value } = at;
    const next = Array.isArray(value)
      ? (value as readonly Located[])[name as number]
      : value instanceof Map
        ? (value as LocatedMembers).get(name as string)
        : undefined;
    if (next === undefined) break;
    at = next;
  }
  return at.place;
}

type At = (...path: readonly (string | number)[]) => string;

function bridgesOf(own: OwnMachine, at: At): readonly PhbConfig[] {
  const bridges = (own.bridges ?? []).map(bridgeOf);
  bridges.forEach(({ index }, i) => {
    if (bridges.findIndex((other) => other.index === index) < i)
      throw errorAt(at("bridges", i, "index"), `there is a bridge ${index} already`);
  });
  if (bridges.length > 0 && bridges[0]!.index !== 0)
    throw errorAt(
      at("bridges", 0, "index"),
      `bridge ${bridges[0]!.index} is the first: that always has index 0`,
    );
  return bridges.length === 0 ? [{ index: 0 }] : bridges;
}

/** Without the members that are left out. */
const bridgeOf = (bridge: OwnBridge): PhbConfig =>
  Object.fromEntries(
    Object.entries(bridge).filter(([, value]) => value !== undefined),
  ) as unknown as PhbConfig;

function deviceOf(
  { model, id, bridge = 0, slot, function: functionNumber = 0 }: OwnDevice,
  bridges: readonly PhbConfig[],
  others: readonly PciDeviceDescription[],
  place: string,
): PciDeviceDescription {
  if (!bridges.some(({ index }) => index === bridge)) throw errorAt(place, `there is no bridge ${bridge}`);
  const neighbours = others.filter((other) => other.bridge === bridge);
  const at = slot ?? freeSlot(neighbours);
  if (neighbours.some((other) => other.slot === at && other.functionNumber === functionNumber))
    throw errorAt(place, `slot ${at}, function ${functionNumber} has a device already`);
  if (at >= SLOTS) throw errorAt(place, `all ${SLOTS} slots of bridge ${bridge} have devices`);
  return { model, id, bridge, bus: 0, slot: at, functionNumber };
}

/** Reads steps, each of which must find what it speaks of. */
export class MachineSteps {
  readonly #bridges: PhbConfig[];
  readonly #devices: PciDeviceDescription[];
  readonly #modules: Map<string, number>;
  readonly #room: number;

  constructor({ bridges, pciDevices, dimms, ramBytes, maxRamBytes }: Omit<MachineDescription, "steps">) {
    this.#bridges = [...bridges];
    this.#devices = [...pciDevices];
    this.#modules = new Map(dimms.map(({ id, bytes }) => [id, bytes]));
    this.#room = maxRamBytes - ramBytes;
  }

  read(step: OwnStep, place: string): MachineStep {
    switch (step.kind) {
      case "plug-memory": {
        if (this.#modules.has(step.id)) throw errorAt(place, `there is a module "${step.id}" already`);
        const bytes = Number(step.size);
        const used = [...this.#modules.values()].reduce((sum, one) => sum + one, 0);
        if (used + bytes > this.#room)
          throw errorAt(
            place,
            `a module of ${formatSize(bytes)} does not fit: ${formatSize(this.#room - used)} can be plugged`,
          );
        this.#modules.set(step.id, bytes);
        return { kind: "plug-memory", id: step.id, bytes, node: step.node };
      }
      case "unplug-memory":
        if (!this.#modules.delete(step.id)) throw errorAt(place, `there is no module "${step.id}"`);
        return step;
      case "plug-bridge": {
        const { kind, ...bridge } = step;
        if (this.#hasBridge(step.index)) throw errorAt(place, `there is a bridge ${step.index} already`);
        this.#bridges.push(bridgeOf(bridge));
        return { kind, bridge: bridgeOf(bridge) };
      }
      case "unplug-bridge":
        if (!this.#hasBridge(step.index)) throw errorAt(place, `there is no bridge ${step.index}`);
        this.#bridges.splice(
          this.#bridges.findIndex(({ index }) => index === step.index),
          1,
        );
        return step;
      case "plug-device": {
        const device = deviceOf(step, this.#bridges, this.#devices, place);
        this.#devices.push(device);
        return { kind: "plug-device", device };
      }
      default:
        return step;
    }
  }

  #hasBridge(wanted: number): boolean {
    return this.#bridges.some(({ index }) => index === wanted);
  }
}

/** An error of what is done gets a place. */
function checked(place: string, work: () => unknown): void {
  try {
    work();
  } catch (cause) {
    throw errorAt(place, (cause as Error).message);
  }
}
