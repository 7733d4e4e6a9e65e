import { checkedAddress, checkedNumber } from "../../base/checked.ts";
import { IommuError } from "../../base/errors.ts";
import type { Permission } from "../../base/permission.ts";
import type { AddressRange } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import type { ByteChannel, PassedFile, Timers } from "../protocol/channel.ts";
import { emptyFrame } from "../protocol/layout.ts";
import { Command, type Message } from "../protocol/message.ts";
import {
  DeviceInfo,
  DmaMap,
  DmaUnmap,
  IrqFlag,
  IrqInfo,
  type MappableArea,
  mappableAreas,
  RegionAccess,
  RegionInfo,
  SetIrqs,
  SmallWrite,
  WriteMulti,
} from "../protocol/payloads.ts";
import {
  type Capabilities,
  DEFAULT_CAPABILITIES,
  MINOR,
  parseVersion,
  versionFrame,
} from "../protocol/version.ts";
import { ClientConnection, type DmaMessageServer } from "./client-connection.ts";
import type { CommandQueue } from "./command-queue.ts";
import { DeviceFeatures } from "./device-features.ts";
import { MigrationCommands } from "./migration-commands.ts";
import { checkUnmapped, sizeOf, wrongReply } from "./replies.ts";
import { WriteLog } from "./write-log.ts";

/** What we take at once, and send: small messages keep libvfio-user's one-piece reads whole. */
const MAX_TRANSFER = 65_536;
/** Files that we take with one message: that of a twin socket. */
const MAX_FILES = 1;
/** Room for the capabilities of a region. */
const REGION_INFO_ROOM = 4096;

/**
 * How to talk to a device.
 *
 * @public
 */
export interface ClientOptions {
  /** What messages call the device; default `device`. */
  readonly name?: string;
  /**
   * How many commands may be without a reply: one (`single`, the default), because a device that does DMA by messages
   * on the one socket takes whatever comes next for the reply, or as many as there are (`pipelined`).
   */
  readonly mode?: "single" | "pipelined";
  /** Without it a command may take for ever. */
  readonly timers?: Timers | undefined;
  /** Milliseconds for all commands, instead of 5 s, or 30 s for those that may wait for the device's DMA. */
  readonly timeout?: number | undefined;
  /** The version proposed is 0.this; default 2. */
  readonly minor?: number;
}

const nothing = (): void => {};

/**
 * A region of a device.
 *
 * @public
 */
export interface RegionDescription {
  readonly index: number;
  readonly flags: number;
  readonly size: bigint;
  readonly areas: readonly MappableArea[];
}

/**
 * The client's end of a connection: commands to a device, each checked against
 * what it was asked, and the device's DMA messages, which are served at once, whatever waits.
 *
 * All methods that send a command throw `IommuError` REFUSED for an error
 * reply (the connection goes on), and PEER when the device breaks the protocol,
 * is silent, or is gone (the connection ends).
 *
 * @public
 */
export class VfioUserClient {
  /** What the device said it can; the defaults before {@link negotiate}. */
  device: Capabilities = DEFAULT_CAPABILITIES;
  readonly name: string;
  /** Features of the device, those of which the next two are made included. */
  readonly features: DeviceFeatures;
  /** Migration of the device. */
  readonly migration: MigrationCommands;
  /** What the device logs of its own writes. */
  readonly writeLog: WriteLog;
  readonly #options: ClientOptions;
  readonly #channel: ByteChannel;
  readonly #connection: ClientConnection;
  readonly #commands: CommandQueue;

  constructor(channel: ByteChannel, options: ClientOptions = {}) {
    const { name = "device", timers, timeout } = options;
    this.name = name;
    this.#options = options;
    this.#channel = channel;
    this.#connection = new ClientConnection(channel, { name, isSingle: this.#isSingle, timers, timeout });
    this.#commands = this.#connection.commands;
    this.features = new DeviceFeatures(this.#commands);
    this.migration = new MigrationCommands(this.#commands, this.features, () => this.maxTransfer);
    this.writeLog = new WriteLog(this.#commands, this.features);
  }

  get #isSingle(): boolean {
    return this.#options.mode !== "pipelined";
  }

  /** Resolves when the connection has ended, with the reason. */
  get closed(): Promise<IommuError> {
    return this.#connection.closed;
  }

  /** Why the connection ended; undefined while it has not. */
  get end(): IommuError | undefined {
    return this.#connection.end;
  }

  /** @internal Serves DMA messages; without it they are refused. */
  set onDma(serve: DmaMessageServer | null) {
    this.#connection.onDma = serve;
  }

  /** Messages sent and received as commands so far; each has its number, from 1. */
  get messages(): number {
    return this.#commands.messages;
  }

  /** The largest piece of one region access or DMA. */
  get maxTransfer(): number {
    return Math.min(MAX_TRANSFER, this.device.maxDataXferSize);
  }

  /** Files can be passed to the device: interrupts, and a twin socket. */
  get passesFiles(): boolean {
    return this.#channel.files !== undefined;
  }

  /** The device's DMA comes on a connection of its own. */
  get hasTwinSocket(): boolean {
    return this.#connection.hasTwin;
  }

  /** VERSION, which must be the first command. A twin socket is asked for where files can be passed. */
  async negotiate(): Promise<{ major: number; minor: number }> {
    const { minor: proposed = MINOR } = this.#options;
    const { passesFiles } = this;
    const frame = versionFrame(proposed, {
      maxMsgFds: passesFiles ? MAX_FILES : 0,
      maxDataXferSize: MAX_TRANSFER,
      ...(passesFiles ? { twinSocket: true } : {}),
    });
    const take = ({ body, files = [] }: Message): { major: number; minor: number } => {
      const { major, minor, capabilities } = parseVersion(body);
      if (minor > proposed) throw wrongReply(`version ${major}.${minor} in reply to ${major}.${proposed}`);
      if (capabilities.twinSocket) {
        if (!passesFiles) throw wrongReply("a twin socket in reply to a client that did not ask for one");
        const file = files[capabilities.twinSocketFile];
        if (file === undefined) throw wrongReply("a twin socket is promised, and no file for it came");
        this.#connection.takeTwin(file.channel());
      }
      for (const file of files) if (files.indexOf(file) !== capabilities.twinSocketFile) file.close();
      this.device = capabilities;
      return { major, minor };
    };
    return await this.#commands.ask(Command.VERSION, frame, { what: () => "VERSION", take });
  }

  /** DEVICE_GET_INFO. */
  async deviceInfo(): Promise<{ flags: number; regions: number; irqs: number }> {
    const frame = DeviceInfo.frame({ argsz: DeviceInfo.bytes, flags: 0, regions: 0, irqs: 0 });
    const take = ({ body }: Message): { flags: number; regions: number; irqs: number } => {
      const { flags, regions, irqs } = DeviceInfo.read(body);
      return { flags, regions, irqs };
    };
    return await this.#commands.ask(Command.DEVICE_GET_INFO, frame, { what: () => "DEVICE_GET_INFO", take });
  }

  /** DEVICE_GET_REGION_INFO; a region that is absent has size 0. */
  async regionInfo(index: number): Promise<RegionDescription> {
    const empty = { argsz: REGION_INFO_ROOM, flags: 0, index, capOffset: 0, size: 0n, offset: 0n };
    const what = (): string => `DEVICE_GET_REGION_INFO of region ${index}`;
    const take = ({ body }: Message): RegionDescription => {
      const info = RegionInfo.read(body);
      if (info.index !== index) throw wrongReply(`${what()} is answered for region ${info.index}`);
      return { index, flags: info.flags, size: info.size, areas: mappableAreas(body) };
    };
    return await this.#commands.ask(Command.DEVICE_GET_REGION_INFO, RegionInfo.frame(empty), { what, take });
  }

  /** DEVICE_GET_IRQ_INFO: how many interrupts of a kind there are. */
  async irqInfo(index: number): Promise<{ index: number; flags: number; count: number }> {
    const what = (): string => `DEVICE_GET_IRQ_INFO of kind ${index}`;
    const frame = IrqInfo.frame({ argsz: IrqInfo.bytes, flags: 0, index, count: 0 });
    const take = ({ body }: Message): { index: number; flags: number; count: number } => {
      const info = IrqInfo.read(body);
      if (info.index !== index) throw wrongReply(`${what()} is answered for kind ${info.index}`);
      return { index, flags: info.flags, count: info.count };
    };
    return await this.#commands.ask(Command.DEVICE_GET_IRQ_INFO, frame, { what, take });
  }

  /** DEVICE_SET_IRQS: masking, triggering, taking files away, or giving them ({@link enableIrqs}). */
  async setIrqs(
    irqs: { flags: number; index: number; start: number; count: number },
    data?: Uint8Array,
    files?: readonly PassedFile[],
  ): Promise<void> {
    const argsz = SetIrqs.bytes + (data?.length ?? 0);
    const frame = SetIrqs.frame({ argsz, ...irqs }, data);
    await this.#commands.ask(Command.DEVICE_SET_IRQS, frame, {
      what: () => "DEVICE_SET_IRQS",
      take: nothing,
      files,
    });
  }

  /**
   * Gives the device an event for each of the first interrupts of a kind.
   *
   * @param onInterrupt hears of a vector, and how often it was raised since it heard last
   * @throws IommuError UNSUPPORTED where no files can be passed
   */
  async enableIrqs(
    index: number,
    count: number,
    onInterrupt: (vector: number, times: number) => void,
  ): Promise<void> {
    const maker = this.#channel.files;
    if (maker === undefined) {
      throw new IommuError("UNSUPPORTED", `${this.name}: interrupts need files, which cannot be passed here`);
    }
    const files = Array.from({ length: count }, (_, vector) =>
      maker.event((times) => onInterrupt(vector, times)),
    );
    await this.setIrqs(
      { flags: IrqFlag.EVENTFD | IrqFlag.TRIGGER, index, start: 0, count },
      undefined,
      files,
    );
  }

  /** Reads from a region, in as many messages as it takes. */
  async regionRead(region: number, offset: bigint, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    checkAccess(region, offset, bytes);
    const all = new Uint8Array(bytes);
    for (let done = 0; done < bytes; ) {
      const at = done;
      const count = Math.min(this.maxTransfer, bytes - at);
      const access = { offset: offset + BigInt(at), region, count };
      await this.#commands.ask(Command.REGION_READ, RegionAccess.frame(access), {
        what: () => `read of ${textOf(access)}`,
        take: ({ body }) => {
          checkEcho("read", body, access);
          all.set(RegionAccess.tail(body, count), at);
        },
      });
      done += count;
    }
    return all;
  }

  /** Writes to a region, in as many messages as it takes. */
  async regionWrite(region: number, offset: bigint, data: Uint8Array): Promise<void> {
    checkAccess(region, offset, data.length);
    for (let done = 0; done < data.length; ) {
      const count = Math.min(this.maxTransfer, data.length - done);
      const access = { offset: offset + BigInt(done), region, count };
      const piece = count === data.length ? data : data.subarray(done, done + count);
      await this.#commands.ask(Command.REGION_WRITE, RegionAccess.frame(access, piece), {
        what: () => `write of ${textOf(access)}`,
        take: ({ body }) => checkEcho("write", body, access),
      });
      done += count;
    }
  }

  /**
   * Writes to a region without a reply, as QEMU writes BARs. Nothing says when DMA that it starts is over, so it is
   * for pipelined mode, or a device with a twin socket.
   *
   * @throws IommuError BAD_ARGUMENT in single mode without one
   */
  postWrite(region: number, offset: bigint, data: Uint8Array): void {
    checkAccess(region, offset, data.length);
    if (this.#isSingle && !this.hasTwinSocket) {
      throw new IommuError(
        "BAD_ARGUMENT",
        "a write without a reply has no visible end: only in pipelined mode, or with a twin socket",
      );
    }
    this.#connection.post(
      Command.REGION_WRITE,
      RegionAccess.frame({ offset, region, count: data.length }, data),
    );
  }

  /** Writes of at most 8 bytes each in one message, if the device takes that; returns how many it did. */
  async regionWriteMany(
    writes: readonly { region: number; offset: bigint; data: Uint8Array }[],
  ): Promise<bigint> {
    if (!this.device.writeMultiple) {
      throw new IommuError("UNSUPPORTED", `${this.name} does not say that it takes REGION_WRITE_MULTI`);
    }
    const entries = new Uint8Array(writes.length * SmallWrite.bytes);
    writes.forEach(({ region, offset, data }, i) => {
      checkedNumber(data.length, "bytes of one of many writes", 1, 8);
      const at = i * SmallWrite.bytes;
      SmallWrite.write({ offset, region, count: data.length, data: 0n }, entries, at);
      entries.set(data, at + SmallWrite.bytes - 8);
    });
    const count = BigInt(writes.length);
    const what = (): string => `REGION_WRITE_MULTI of ${count}`;
    const take = ({ body }: Message): bigint => {
      const done = WriteMulti.read(body).count;
      if (done > count) throw wrongReply(`${what()}: ${done} are said to be done`);
      return done;
    };
    return await this.#commands.ask(Command.REGION_WRITE_MULTI, WriteMulti.frame({ count }, entries), {
      what,
      take,
    });
  }

  /** DMA_MAP without a file: the device reaches the window by messages alone. */
  dmaMap(window: AddressRange, perm: Permission): Promise<void> {
    return new Promise((resolve, reject) => {
      this.tellMap(window, perm, nothing, resolve, reject);
    });
  }

  /** @internal {@link dmaMap}; `sent` is called when it goes on the way, one of the others when it is answered. */
  tellMap(
    window: AddressRange,
    perm: Permission,
    sent: () => void,
    done: () => void,
    failed: (error: unknown) => void,
  ): void {
    const size = sizeOf(window);
    const frame = DmaMap.frame({ argsz: DmaMap.bytes, flags: perm, offset: 0n, address: window.first, size });
    const what = (): string => `DMA_MAP of ${size} bytes at ${hex64(window.first)}`;
    this.#commands.tell(Command.DMA_MAP, frame, { what, take: nothing, sent }, done, failed);
  }

  /** DMA_UNMAP of one window. */
  dmaUnmap(window: AddressRange): Promise<void> {
    return new Promise((resolve, reject) => {
      this.tellUnmap(window, () => resolve(), reject);
    });
  }

  /** @internal {@link dmaUnmap}; `done` is called with the number of the message when the device agrees, before any later one is looked at. */
  tellUnmap(window: AddressRange, done: (message: number) => void, failed: (error: unknown) => void): void {
    const size = sizeOf(window);
    const frame = DmaUnmap.frame({ argsz: DmaUnmap.bytes, flags: 0, address: window.first, size });
    const what = (): string => `DMA_UNMAP of ${size} bytes at ${hex64(window.first)}`;
    let number = 0;
    const sent = (): void => {
      number = this.#commands.messages;
    };
    const take = ({ body }: Message): number => {
      // A device without DMA answers with the bare header.
      if (body.length > 0) checkUnmapped(what, body, window);
      return number;
    };
    this.#commands.tell(Command.DMA_UNMAP, frame, { what, take, sent }, done, failed);
  }

  /** DEVICE_RESET; `done` is called when the device has answered, before any later message is looked at. */
  async reset(done: () => void = nothing): Promise<void> {
    await this.#commands.ask(Command.DEVICE_RESET, emptyFrame(), { what: () => "DEVICE_RESET", take: done });
  }

  /** Ends the connection. */
  close(): void {
    this.#connection.close();
  }
}

interface Access {
  readonly offset: bigint;
  readonly region: number;
  readonly count: number;
}

const textOf = ({ offset, region, count }: Access): string =>
  `${count} bytes at ${hex64(offset)} of region ${region}`;

/** A reply has to repeat what was asked. */
function checkEcho(kind: "read" | "write", body: Uint8Array, asked: Access): void {
  const { offset, region, count } = RegionAccess.read(body);
  if (offset === asked.offset && region === asked.region && count === asked.count) return;
  throw wrongReply(`${kind} of ${textOf(asked)} is answered for ${textOf({ offset, region, count })}`);
}

function checkAccess(region: number, offset: bigint, bytes: number): void {
  checkedNumber(region, "region", 0, 2 ** 32 - 1);
  checkedAddress(offset, "offset in a region");
  checkedNumber(bytes, "bytes of a region access", 1, 2 ** 24);
}
