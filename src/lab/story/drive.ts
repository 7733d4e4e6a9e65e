import type { DeviceOptions } from "../../guest/drivers/attach.ts";
import { attachDisk, attachGpu, attachNetworkCard } from "../../guest/drivers/attach.ts";
import type { DriverMistakes } from "../../guest/drivers/mistakes.ts";
import type { LinuxGuest } from "../../guest/linux-guest.ts";
import type { PciFunction } from "../../guest/pci-function.ts";
import type { DriveStep } from "./story.ts";

/** What came of a transfer. */
export type Transfer = "right" | "refused" | "wrong";

/** Bytes of a packet, and of a request to a disk or a copy. */
const PACKET_BYTES = 1000;
const REQUEST_BYTES = 16_384;
const BLOCK_BYTES = 512;

/** Lets a driver and its device move bytes, and looks at what arrived; the driver is started before and stopped after. */
export function drive(
  guest: LinuxGuest,
  fn: PciFunction,
  { driver, operations, leaks, freesEarly, wrongDirection, outside }: DriveStep,
  options: DeviceOptions,
): Transfer[] {
  const mistakes: DriverMistakes = {
    ...(leaks === undefined ? {} : { leakEvery: leaks }),
    ...(freesEarly === undefined ? {} : { freesEarlyEvery: freesEarly }),
    ...(wrongDirection === undefined ? {} : { wrongDirectionEvery: wrongDirection }),
    ...(outside === undefined ? {} : { outsideEvery: outside }),
  };
  return DRIVERS[driver](guest, fn, operations, { ...options, mistakes });
}

type Drive = (guest: LinuxGuest, fn: PciFunction, operations: number, options: DeviceOptions) => Transfer[];

const DRIVERS: Readonly<Record<DriveStep["driver"], Drive>> = {
  network(guest, fn, operations, options) {
    const { driver, device } = attachNetworkCard(guest, fn, options);
    let seen: Uint8Array | undefined;
    const see = (packet: Uint8Array): void => {
      seen = Uint8Array.from(packet);
    };
    device.onSend = see;
    driver.onPacket = see;
    driver.start();
    const transfers = Array.from({ length: operations }, (_, i): Transfer => {
      const packet = bytesOf(i, PACKET_BYTES);
      seen = undefined;
      const { refused } = device.counts;
      // Packets go out and come in by turns.
      if (i % 2 === 0) driver.send(packet);
      else {
        device.receive(packet);
        driver.poll();
      }
      if (seen === undefined || device.counts.refused > refused) return "refused";
      return isSame(seen, packet) ? "right" : "wrong";
    });
    driver.clean();
    driver.stop();
    return transfers;
  },

  block(guest, fn, operations, options) {
    const { driver, device } = attachDisk(guest, fn, options);
    const { memory } = options;
    driver.start();
    const buffer = { physical: memory.allocate(REQUEST_BYTES, 65_536), size: REQUEST_BYTES };
    const transfers = Array.from({ length: operations }, (_, i): Transfer => {
      const data = bytesOf(i, REQUEST_BYTES);
      const block = (i * (REQUEST_BYTES / BLOCK_BYTES)) % (device.blocks - REQUEST_BYTES / BLOCK_BYTES);
      memory.write(buffer.physical, data);
      if (driver.write(block, [buffer]) !== 0) return "refused";
      memory.write(buffer.physical, new Uint8Array(REQUEST_BYTES));
      if (driver.read(block, [buffer]) !== 0) return "refused";
      const back = new Uint8Array(REQUEST_BYTES);
      memory.read(buffer.physical, back);
      return isSame(back, data) ? "right" : "wrong";
    });
    driver.stop();
    return transfers;
  },

  gpu(guest, fn, operations, options) {
    const { driver } = attachGpu(guest, fn, options);
    const { memory } = options;
    driver.start();
    const [from, to] = [memory.allocate(REQUEST_BYTES, 65_536), memory.allocate(REQUEST_BYTES, 65_536)];
    const transfers = Array.from({ length: operations }, (_, i): Transfer => {
      const data = bytesOf(i, REQUEST_BYTES);
      memory.write(from, data);
      if (driver.copy(from, to, REQUEST_BYTES) !== "done") return "refused";
      const copied = new Uint8Array(REQUEST_BYTES);
      memory.read(to, copied);
      return isSame(copied, data) ? "right" : "wrong";
    });
    driver.stop();
    return transfers;
  },
};

/** Bytes that no other transfer has. */
const bytesOf = (seed: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (Math.imul(i + 1, seed + 0x9e37_79b1) >>> 13) & 255);

const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, i) => byte === other[i]);
