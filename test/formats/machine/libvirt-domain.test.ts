import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseXml } from "../../../src/cli/xml.ts";
import { machineOfDomain } from "../../../src/formats/machine/libvirt-domain.ts";
import type { MachineDescription } from "../../../src/formats/machine/machine-description.ts";
import { machineOfCommandLine } from "../../../src/formats/machine/qemu-command-line.ts";

const FOLDER = new URL("../../corpus/libvirt-machines/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, FOLDER), "utf8");

/** What windows depend on. */
function machineOf(description: MachineDescription): unknown {
  const { ramBytes, maxRamBytes, memoryNodes, bridges, pciDevices, vioDevices, dimms } = description;
  const places = pciDevices.map(({ id: _, ...place }) => place);
  const order = (device: (typeof places)[number]): number =>
    (device.bridge << 24) | (device.bus << 16) | (device.slot << 8) | device.functionNumber;
  return {
    ramBytes,
    maxRamBytes,
    memoryNodes,
    bridges,
    pciDevices: places.sort((a, b) => order(a) - order(b)),
    vioDevices: [...vioDevices].sort((a, b) => a.reg! - b.reg!),
    dimms: dimms.map(({ bytes, node }) => ({ bytes, node })),
  };
}

describe("a domain as libvirt 9.0 writes it", () => {
  it.each(readdirSync(FOLDER).flatMap((name) => (name.endsWith(".xml") ? [name.replace(".xml", "")] : [])))(
    "is the machine of the command line that libvirt makes of it: %s",
    (name) => {
      const domain = machineOfDomain(parseXml(read(`${name}.xml`), name));
      expect(machineOf(domain)).toEqual(machineOf(machineOfCommandLine(read(`${name}.argv`))));
      expect(domain.pciDevices.length).toBeGreaterThan(2);
    },
  );
});
