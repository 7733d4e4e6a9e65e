import { PciDevice } from "../../spapr/pci-device.ts";
import type { LinuxGuest } from "../linux-guest.ts";
import type { PciFunction } from "../pci-function.ts";
import { BlockDevice } from "./block-device.ts";
import { BlockDriver } from "./block-driver.ts";
import { type DevicePort, DeviceRegisters, emulatedPort } from "./device-port.ts";
import type { DriverOptions } from "./driver-dma.ts";
import { GpuDevice } from "./gpu-device.ts";
import { GpuDriver } from "./gpu-driver.ts";
import { NetworkCard } from "./network-card.ts";
import { NetworkDriver } from "./network-driver.ts";

/**
 * How a device and its driver come to a guest.
 *
 * @public
 */
export interface DeviceOptions extends DriverOptions {
  /** How the device reaches memory; default as a device that QEMU emulates, behind the function's bridge. */
  readonly port?: DevicePort;
}

/**
 * A device with its driver, which is not started.
 *
 * @public
 */
export interface DrivenDevice<Device, Driver> {
  readonly device: Device;
  readonly driver: Driver;
  readonly registers: DeviceRegisters;
}

const portOf = (guest: LinuxGuest, fn: PciFunction, { port }: DeviceOptions): DevicePort => {
  if (port !== undefined) return port;
  const device = new PciDevice(guest.calls.machine.phb(fn.domain), fn.name, fn.configAddress);
  device.setBusMaster(true);
  return emulatedPort(device);
};

/**
 * A disk with queue pairs.
 *
 * @param blocks its size in blocks of 512 bytes; default 1 GiB
 * @public
 */
export function attachDisk(
  guest: LinuxGuest,
  fn: PciFunction,
  { blocks = 2 ** 21, ...options }: DeviceOptions & { readonly blocks?: number },
): DrivenDevice<BlockDevice, BlockDriver> {
  const port = portOf(guest, fn, options);
  const device = new BlockDevice(port, { blocks });
  port.endpoint?.onReset.add(() => device.reset());
  const registers = new DeviceRegisters(port, device);
  return { device, registers, driver: new BlockDriver(guest, fn, registers, options) };
}

/**
 * A network card with rings of descriptors.
 *
 * @public
 */
export function attachNetworkCard(
  guest: LinuxGuest,
  fn: PciFunction,
  options: DeviceOptions,
): DrivenDevice<NetworkCard, NetworkDriver> {
  const port = portOf(guest, fn, options);
  const device = new NetworkCard(port);
  port.endpoint?.onReset.add(() => device.reset());
  const registers = new DeviceRegisters(port, device);
  return { device, registers, driver: new NetworkDriver(guest, fn, registers, options) };
}

/**
 * A device that copies memory in bulk.
 *
 * @public
 */
export function attachGpu(
  guest: LinuxGuest,
  fn: PciFunction,
  options: DeviceOptions,
): DrivenDevice<GpuDevice, GpuDriver> {
  const port = portOf(guest, fn, options);
  const device = new GpuDevice(port);
  port.endpoint?.onReset.add(() => device.reset());
  const registers = new DeviceRegisters(port, device);
  return { device, registers, driver: new GpuDriver(guest, fn, registers, options) };
}
