import { Machine } from "../../src/spapr/machine.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import type { ClientOptions } from "../../src/vfio-user/client/client.ts";
import { DeviceHost, type DeviceHostOptions } from "../../src/vfio-user/client/device-host.ts";
import type { DmaRecord } from "../../src/vfio-user/client/dma-service.ts";
import type { Divergence } from "../../src/vfio-user/client/window-container.ts";
import {
  MAILBOX_BUFFER,
  MailboxCommand,
  MailboxDma,
  MailboxRegister,
} from "../../src/vfio-user/devices/mailbox-dma.ts";
import { memoryChannels } from "../../src/vfio-user/memory-channel.ts";
import type { ByteChannel, Timers } from "../../src/vfio-user/protocol/channel.ts";
import type { PciDeviceModel } from "../../src/vfio-user/server/device-model.ts";
import { type ServerProfile, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";

export const LIOBN = 0x8000_0000n;
export const PAGE = 0x1000n;

/** The clock of the process. */
export const realTimers: Timers = {
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Bytes on their way, a message each, with who sent them. */
export interface Wire {
  readonly from: "client" | "server";
  readonly bytes: Uint8Array;
}

/** A connection in memory on which all that is sent is noted. */
export function tappedChannels(passesFiles = false): {
  client: ByteChannel;
  server: ByteChannel;
  wire: Wire[];
} {
  const [client, server] = memoryChannels(passesFiles);
  const wire: Wire[] = [];
  for (const [channel, from] of [
    [client, "client"],
    [server, "server"],
  ] as const) {
    const send = channel.send.bind(channel);
    channel.send = (bytes, files) => {
      wire.push({ from, bytes: bytes.slice() });
      send(bytes, files);
    };
  }
  return { client, server, wire };
}

export interface PluggedOptions {
  readonly device?: PciDeviceModel;
  readonly profile?: ServerProfile;
  readonly mode?: ClientOptions["mode"];
  readonly machine?: Machine;
  readonly host?: DeviceHostOptions;
  /** Files can be passed between them. */
  readonly passesFiles?: boolean;
}

/** A machine with a device behind its IOMMU, client and server in this process. */
export async function plugged(options: PluggedOptions = {}) {
  const { device = new MailboxDma({ timers: realTimers }), profile = SPECIFICATION } = options;
  const { client, server, wire } = tappedChannels(options.passesFiles);
  const session = new ServerSession(server, device, profile);
  const machine = options.machine ?? new Machine();
  const dma: DmaRecord[] = [];
  const divergences: Divergence[] = [];
  const interrupts: number[] = [];
  const signals: string[] = [];
  const host = await DeviceHost.plug(machine, client, {
    name: device.name,
    mode: options.mode ?? "single",
    timers: realTimers,
    onDma: (record) => dma.push(record),
    onDivergence: (divergence) => divergences.push(divergence),
    onMsi: (data) => interrupts.push(data),
    onInterrupt: (kind, vector) => signals.push(`${kind} ${vector}`),
    ...options.host,
  });
  const u32 = (value: number): Uint8Array => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return bytes;
  };
  const put = (ioba: bigint, tce: bigint): number => machine.call(Hcall.PUT_TCE, LIOBN, ioba, tce).status;
  return {
    host,
    session,
    machine,
    wire,
    dma,
    divergences,
    interrupts,
    signals,
    refused: () => dma.filter(({ errno }) => errno !== 0),
    /** H_PUT_TCE, complete when the device knows. */
    async put(ioba: bigint, tce: bigint) {
      const status = put(ioba, tce);
      await host.settle();
      return status;
    },
    /** H_PUT_TCE, not waiting for the device. */
    putNow: put,
    setCommand: (value: number) => host.write(7, 4n, Uint8Array.of(value, 0)),
    register: async (register: number) =>
      new DataView((await host.read(0, BigInt(register), 4)).buffer).getUint32(0, true),
    setRegister: (register: number, value: number) => host.write(0, BigInt(register), u32(value)),
    /** Tells the mailbox to do a transfer. */
    async transfer(command: number, address: bigint, bytes: number, bufferOffset = 0): Promise<void> {
      const data = new Uint8Array(20);
      const view = new DataView(data.buffer);
      view.setBigUint64(0, address, true);
      view.setUint32(8, bytes, true);
      view.setUint32(12, bufferOffset, true);
      view.setUint32(16, command, true);
      await host.write(0, BigInt(MailboxRegister.ADDRESS), data);
    },
    buffer: (bytes: number, offset = 0) => host.read(0, BigInt(MAILBOX_BUFFER.offset + offset), bytes),
    fillBuffer: (data: Uint8Array, offset = 0) => host.write(0, BigInt(MAILBOX_BUFFER.offset + offset), data),
    memory(address: bigint, bytes: number): Uint8Array {
      const into = new Uint8Array(bytes);
      machine.systemMemory.read(address, into, null);
      return into;
    },
    setMemory: (address: bigint, data: Uint8Array) => machine.systemMemory.write(address, data, null),
  };
}

/** Command and flags of the messages that the client sent about windows since the last look. */
export function windowMessages(wire: Wire[]): string[] {
  const messages = wire
    .splice(0)
    .filter(
      ({ from, bytes }) => from === "client" && (bytes[2] === 2 || bytes[2] === 3) && (bytes[8]! & 1) === 0,
    );
  return messages.map(({ bytes }) => {
    const view = new DataView(bytes.buffer);
    const isMap = bytes[2] === 2;
    const address = view.getBigUint64(isMap ? 32 : 24, true);
    const size = view.getBigUint64(isMap ? 40 : 32, true);
    return `${isMap ? `MAP ${view.getUint32(20, true)}` : "UNMAP"} ${address.toString(16)}+${size.toString(16)}`;
  });
}

export const { READ, WRITE, QUEUE, DELAY, INTERRUPT } = MailboxCommand;
