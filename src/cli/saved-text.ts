import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import { counted, formatSize } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import type { SavedSource } from "../check/whole/windows-at.ts";
import type { MachineDescription } from "../formats/machine/machine-description.ts";
import { machineOfXml } from "./domain-xml.ts";
import { printWarning } from "./output.ts";

/** What libvirt says of the machine. */
interface Domain extends MachineDescription {
  readonly name: string;
}

/**
 * What a saved machine is saved in, and what is said of it there.
 *
 * @param file its name, for messages
 */
export class SavedText {
  readonly #saved: SavedSource;
  readonly #domain: Domain | undefined;

  constructor(file: string, saved: SavedSource) {
    this.#saved = saved;
    this.#domain = saved.domainXml === undefined ? undefined : domainOf(file, saved.domainXml);
  }

  /** Members of each row of the answer for programs. */
  json(): Record<string, unknown> {
    const { layers, offset, machine, snapshot, snapshots } = this.#saved;
    return {
      container: layers,
      streamOffset: offset,
      machine,
      snapshot: snapshot?.name ?? null,
      snapshots: snapshots.map(({ seconds, ...one }) => ({ ...one, time: timeOf(seconds) })),
      domain: this.#domain === undefined ? null : domainToJson(this.#domain),
    };
  }

  lines(): string[] {
    const { layers, offset, machine, snapshot, snapshots } = this.#saved;
    const lines = [
      `saved in: ${layers.join(", ")}${offset === 0 ? "" : ` at byte ${offset} (${hex(offset)})`}`,
      `machine: ${machine ?? "the stream does not say its type (pseries-2.3 or before, or send-configuration is off)"}`,
    ];
    for (const one of snapshots) {
      const state = one.stateBytes === 0 ? "of the disk alone" : `${formatSize(one.stateBytes)} of machine`;
      const isThis = one === snapshot ? ", shown here" : "";
      lines.push(`snapshot "${one.name}" (${timeOf(one.seconds)}, ${state}${isThis})`);
    }
    if (this.#domain !== undefined) lines.push(...domainLines(this.#domain));
    return lines.map(visible);
  }
}

/** A domain that cannot be read is a warning: the machine is there without it. */
function domainOf(file: string, xml: string): Domain | undefined {
  try {
    const { machine, name } = machineOfXml(xml, `${file} (XML)`);
    return { ...machine, name };
  } catch (error) {
    if (!(error instanceof IommuError)) throw error;
    printWarning(file, `the description that libvirt put into it cannot be read: ${error.message}`);
    return undefined;
  }
}

const domainToJson = ({ name, ...machine }: Domain): Record<string, unknown> => ({
  name,
  ramBytes: machine.ramBytes,
  maxRamBytes: machine.maxRamBytes,
  accelerator: machine.accelerator,
  bridges: machine.bridges.map(({ index }) => index),
  pciDevices: machine.pciDevices.map(({ model, bridge, slot }) => ({ model, bridge, slot })),
  vioDevices: machine.vioDevices.length,
  remarks: machine.remarks,
});

function domainLines({ name, ramBytes, bridges, pciDevices, vioDevices, remarks }: Domain): string[] {
  const devices = pciDevices.map(({ model, bridge, slot }) => `${model} (bridge ${bridge}, slot ${slot})`);
  return [
    `domain: ${name}, ${formatSize(ramBytes)}, ${counted(bridges.length, "PCI host bridge")}, ${counted(vioDevices.length, "VIO device")}`,
    ...(devices.length === 0 ? [] : [`  ${devices.join(", ")}`]),
    ...remarks.map((remark) => `  ${remark}`),
  ];
}

/** `2026-11-27T22:49:58Z`. */
const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000", "");
