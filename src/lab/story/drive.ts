import type { DeviceOptions } from "../../guest/drivers/attach.ts";
import { attachDisk, attachGpu, attachNetworkCard } from "../../guest/drivers/attach.ts";
import type { DeviceRegisters } from "../../guest/drivers/device-port.ts";
import { type EehDriver, EehRecovery } from "../../guest/drivers/eeh.ts";
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

/** What drivers of a story have besides their guest. */
export interface DriveOptions extends DeviceOptions {
  /** Gets the lines of the kernel's EEH core, which recovers frozen endpoints; without it there is none. */
  readonly eehLog?: (line: string) => void;
}

/** What came of a driver's work. */
export interface Driven {
  readonly transfers: Transfer[];
  /** How often the endpoint froze. */
  readonly freezes: number;
}

/** Lets a driver and its device move bytes, and looks at what arrived; the driver is started before and stopped after. */
export function drive(
  guest: LinuxGuest,
  fn: PciFunction,
  { driver, operations, leaks, freesEarly, wrongDirection, outside }: DriveStep,
  options: DriveOptions,
): Driven {
  const mistakes: DriverMistakes = {
    ...(leaks === undefined ? {} : { leakEvery: leaks }),
    ...(freesEarly === undefined ? {} : { freesEarlyEvery: freesEarly }),
    ...(wrongDirection === undefined ? {} : { wrongDirectionEvery: wrongDirection }),
    ...(outside === undefined ? {} : { outsideEvery: outside }),
  };
  const { attached, transfer } = DRIVERS[driver](guest, fn, { ...options, mistakes });
  const { registers } = attached;
  const { eehLog } = options;
  let eeh: EehRecovery | undefined;
  if (eehLog !== undefined) {
    eeh = new EehRecovery(guest, fn, { registers, driver: attached.driver, log: eehLog });
    eeh.enable();
  }
  attached.driver.start();
  const transfers = Array.from({ length: operations }, (_, i): Transfer => {
    const result = transfer(i);
    // A driver that waits in vain looks at its device, and reads all ones of one that is frozen.
    if (result === "refused" && eeh !== undefined) {
      registers.read(0);
      eeh.recover();
    }
    return result;
  });
  attached.driver.stop();
  return { transfers, freezes: eeh?.freezes ?? 0 };
}

/** A driver with its device, and what one operation of it does. */
interface Drive {
  readonly attached: { readonly driver: EehDriver; readonly registers: DeviceRegisters };
  transfer(number: number): Transfer;
}

const DRIVERS: Readonly<
  Record<DriveStep["driver"], (guest: LinuxGuest, fn: PciFunction, options: DeviceOptions) => Drive>
> = {
  network(guest, fn, options) {
    const attached = attachNetworkCard(guest, fn, options);
    const { driver, device } = attached;
    let seen: Uint8Array | undefined;
    const see = (packet: Uint8Array): void => {
      seen = Uint8Array.from(packet);
    };
    device.onSend = see;
    driver.onPacket = see;
    const transfer = (i: number): Transfer => {
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
    };
    return { attached, transfer };
  },

  block(guest, fn, options) {
    const attached = attachDisk(guest, fn, options);
    const { driver, device } = attached;
    const { memory } = options;
    const buffer = { physical: memory.allocate(REQUEST_BYTES, 65_536), size: REQUEST_BYTES };
    const transfer = (i: number): Transfer => {
      const data = bytesOf(i, REQUEST_BYTES);
      const block = (i * (REQUEST_BYTES / BLOCK_BYTES)) % (device.blocks - REQUEST_BYTES / BLOCK_BYTES);
      memory.write(buffer.physical, data);
      if (driver.write(block, [buffer]) !== 0) return "refused";
      memory.write(buffer.physical, new Uint8Array(REQUEST_BYTES));
      if (driver.read(block, [buffer]) !== 0) return "refused";
      const back = new Uint8Array(REQUEST_BYTES);
      memory.read(buffer.physical, back);
      return isSame(back, data) ? "right" : "wrong";
    };
    return { attached, transfer };
  },

  gpu(guest, fn, options) {
    const attached = attachGpu(guest, fn, options);
    const { driver } = attached;
    const { memory } = options;
    const [from, to] = [memory.allocate(REQUEST_BYTES, 65_536), memory.allocate(REQUEST_BYTES, 65_536)];
    const transfer = (i: number): Transfer => {
      const data = bytesOf(i, REQUEST_BYTES);
      memory.write(from, data);
      if (driver.copy(from, to, REQUEST_BYTES) !== "done") return "refused";
      const copied = new Uint8Array(REQUEST_BYTES);
      memory.read(to, copied);
      return isSame(copied, data) ? "right" : "wrong";
    };
    return { attached, transfer };
  },
};

/** Bytes that no other transfer has. */
function bytesOf(seed: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = Math.imul(i + 1, seed + 0x9e37_79b1) >>> 13;
  return bytes;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
