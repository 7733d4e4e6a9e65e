import { IommuError } from "../../base/errors.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { openInput } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import { type ListedDevice, pciDevicesOf } from "../../formats/machine/pci-devices.ts";
import { type InputOptions, nameOf } from "./input-options.ts";

/**
 * PCI devices by their addresses, as events name them: `0000:00:03.0`.
 *
 * @public
 */
export type KnownDevices = ReadonlyMap<string, ListedDevice>;

/**
 * What the devices of a machine are called, and their drivers.
 *
 * @param input text of `lspci -nnk`; an address without a domain is one of domain 0000
 * @throws IommuError UNSUPPORTED if there is no device in it; BAD_FILE if it is no text
 * @public
 */
export async function knownDevices(input: InputData, options: InputOptions = {}): Promise<KnownDevices> {
  const name = nameOf(options);
  const opened = await openInput(input, name, 1);
  try {
    const devices = pciDevicesOf(await textOf(opened.chunks, name));
    if (devices.size > 0) return devices;
    throw new IommuError("UNSUPPORTED", `${name}: no PCI device in it: it should be the text of lspci -nnk`);
  } finally {
    await opened.chunks.return(undefined);
  }
}
