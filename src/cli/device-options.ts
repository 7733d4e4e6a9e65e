import type { Option } from "commander";
import { type KnownDevices, knownDevices } from "../check/whole/known-devices.ts";
import { pciDeviceText } from "../formats/machine/pci-devices.ts";
import { withInput } from "./input.ts";
import { text } from "./options.ts";

/** What {@link devicesOption} says. */
export interface DeviceOptions {
  readonly devices?: string | undefined;
}

/** `--devices`: what the devices of a recording of Linux are. */
export const devicesOption = (): Option =>
  text("--devices <file>", "Linux: text of lspci -nnk, to say a device's driver and name beside its address");

/** The devices that the option tells of; none without it. */
export const devicesTold = async ({ devices }: DeviceOptions): Promise<KnownDevices> =>
  devices === undefined
    ? new Map()
    : withInput(devices, true, (data, { name }) => knownDevices(data, { name }));

/** `0000:00:03.0 (nvme: QEMU NVM Express Controller)`, or what a space is called that is no known device. */
export function spaceText(space: string, devices: KnownDevices): string {
  const device = devices.get(space);
  return device === undefined ? space : `${space} (${pciDeviceText(device)})`;
}
