/**
 * A PCI device, as lspci lists it.
 *
 * @public
 */
export interface ListedDevice {
  /** With its domain, as events have it: `0000:00:03.0`. */
  readonly address: string;
  /** Maker and model. */
  readonly name: string;
  /** Undefined if none is bound. */
  readonly driver: string | undefined;
}

/** `0001:00:03.0 Class [0108]: Name [1b36:0010] (rev 02)`; a machine of one domain prints none. */
const DEVICE = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (?:"[^"]*" |[^:]*: )?(.*)$/;
const DRIVER = /^\s+Kernel driver in use: (\S+)/;
/** Behind the name: numbers of vendor and device, revision, programming interface. */
const NUMBERS = /(?: \[[0-9a-f]{4}:[0-9a-f]{4}\]| \((?:rev|prog-if) [^)]*\))+$/;

/** The devices in the text of `lspci -k`, `lspci -nnk` or `lspci -Dnnk`, by their addresses. */
export function pciDevicesOf(text: string): Map<string, ListedDevice> {
  const devices = new Map<string, ListedDevice>();
  let last: ListedDevice | undefined;
  for (const line of text.split(/\r?\n/)) {
    const driver = DRIVER.exec(line)?.[1];
    const [, domain = "0000", function_, name] = DEVICE.exec(line) ?? [];
    if (function_ !== undefined)
      last = { address: `${domain}:${function_}`, name: name!.replace(NUMBERS, ""), driver: undefined };
    else if (driver !== undefined && last !== undefined) last = { ...last, driver };
    else continue;
    devices.set(last.address, last);
  }
  return devices;
}

/** `nvme: QEMU NVM Express Controller`: the driver that is bound, and what the device is. */
export const pciDeviceText = ({ driver = "no driver", name }: ListedDevice): string => `${driver}: ${name}`;

/** What JSON outputs say of a device besides its address. */
export const pciDeviceToJson = (device: ListedDevice | undefined): Record<string, unknown> =>
  device === undefined ? {} : { driver: device.driver ?? null, deviceName: device.name };
