import { checkedAddress, checkedNumber } from "../../base/checked.ts";
import { IommuError } from "../../base/errors.ts";
import type { Permission } from "../../base/permission.ts";
import type { AddressRange } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import type { ByteChannel, Timers } from "../channel.ts";
import { accepted, Peer } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { emptyFrame, type Frame } from "../protocol/layout.ts";
import { Command, isError, type Message } from "../protocol/message.ts";
import { bodyBySize } from "../protocol/message-reader.ts";
import {
  DeviceFeature,
  DeviceInfo,
  DmaMap,
  DmaUnmap,
  Feature,
  FeatureFlag,
  IrqInfo,
  LoggedRange,
  LoggingReport,
  LoggingStart,
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
import { bitmapWords } from "./dma-service.ts";

/** What we take at once, and send: small messages keep libvfio-user's one-piece reads whole. */
const MAX_TRANSFER = 65_536;
/** The largest reply: region data, or capabilities and bitmaps, which are smaller. */
const MAX_BODY = 2 ** 20 + 64;
/** Room for the capabilities of a region. */
const REGION_INFO_ROOM = 4096;

/** Limits of time in milliseconds; a device may take long to let go of memory. */
const QUICK = 5_000;
const SLOW = 30_000;
const SLOW_COMMANDS: readonly number[] = [
  Command.DMA_MAP,
  Command.DMA_UNMAP,
  Command.DEVICE_RESET,
  Command.DEVICE_FEATURE,
];

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

/** Moments of a command that others have to know exactly. */
interface Moments {
  readonly sent?: () => void;
  /** It was answered, and not refused. */
  readonly answered?: () => void;
}

/**
 * What serves the device's own commands.
 *
 * @internal
 */
export type DmaMessageServer = (
  message: Message,
  number: number,
) => { readonly frame: Frame } | { readonly errno: number };

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
  /** Resolves when the connection has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  /** @internal Serves DMA messages; without it they are refused. */
  onDma: DmaMessageServer | null = null;
  readonly #peer: Peer;
  readonly #options: ClientOptions;
  #messages = 0;
  /** In single mode: resolves when the commands before are answered. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(channel: ByteChannel, options: ClientOptions = {}) {
    this.name = options.name ?? "device";
    this.#options = options;
    this.#peer = new Peer(channel, {
      name: this.name,
      bodyRule: bodyBySize(MAX_BODY),
      timers: options.timers,
      onCommand: (message) => this.#serve(message),
    });
    this.closed = this.#peer.closed;
  }

  /** Why the connection ended; undefined while it has not. */
  get end(): IommuError | undefined {
    return this.#peer.end;
  }

  /** Messages sent and received as commands so far; each has its number, from 1. */
  get messages(): number {
    return this.#messages;
  }

  /** The largest piece of one region access or DMA. */
  get maxTransfer(): number {
    return Math.min(MAX_TRANSFER, this.device.maxDataXferSize);
  }

  /** VERSION, which must be the first command. */
  async negotiate(): Promise<{ major: number; minor: number }> {
    const { minor: proposed = MINOR } = this.#options;
    const frame = versionFrame(proposed, { maxMsgFds: 0, maxDataXferSize: MAX_TRANSFER });
    const { body } = await this.#command(Command.VERSION, frame, () => "VERSION");
    const { major, minor, capabilities } = this.#checked(() => parseVersion(body));
    if (minor > proposed) throw this.#broken(`version ${major}.${minor} in reply to ${major}.${proposed}`);
    if (capabilities.twinSocket) {
      throw this.#broken("a twin socket in reply to a client that did not ask for one");
    }
    this.device = capabilities;
    return { major, minor };
  }

  /** DEVICE_GET_INFO. */
  async deviceInfo(): Promise<{ flags: number; regions: number; irqs: number }> {
    const argsz = DeviceInfo.bytes;
    const frame = DeviceInfo.frame({ argsz, flags: 0, regions: 0, irqs: 0 });
    const { body } = await this.#command(Command.DEVICE_GET_INFO, frame, () => "DEVICE_GET_INFO");
    const { flags, regions, irqs } = this.#checked(() => DeviceInfo.read(body));
    return { flags, regions, irqs };
  }

  /** DEVICE_GET_REGION_INFO; a region that is absent has size 0. */
  async regionInfo(index: number): Promise<RegionDescription> {
    const empty = { argsz: REGION_INFO_ROOM, flags: 0, index, capOffset: 0, size: 0n, offset: 0n };
    const what = (): string => `DEVICE_GET_REGION_INFO of region ${index}`;
    const { body } = await this.#command(Command.DEVICE_GET_REGION_INFO, RegionInfo.frame(empty), what);
    const info = this.#checked(() => RegionInfo.read(body));
    if (info.index !== index) throw this.#broken(`${what()} is answered for region ${info.index}`);
    return { index, flags: info.flags, size: info.size, areas: this.#checked(() => mappableAreas(body)) };
  }

  /** DEVICE_GET_IRQ_INFO: how many interrupts of a kind there are. */
  async irqInfo(index: number): Promise<{ index: number; flags: number; count: number }> {
    const what = (): string => `DEVICE_GET_IRQ_INFO of kind ${index}`;
    const frame = IrqInfo.frame({ argsz: IrqInfo.bytes, flags: 0, index, count: 0 });
    const { body } = await this.#command(Command.DEVICE_GET_IRQ_INFO, frame, what);
    const info = this.#checked(() => IrqInfo.read(body));
    if (info.index !== index) throw this.#broken(`${what()} is answered for kind ${info.index}`);
    return { index, flags: info.flags, count: info.count };
  }

  /** DEVICE_SET_IRQS without files: masking, triggering, taking files away. */
  async setIrqs(
    irqs: { flags: number; index: number; start: number; count: number },
    data?: Uint8Array,
  ): Promise<void> {
    const argsz = SetIrqs.bytes + (data?.length ?? 0);
    await this.#command(
      Command.DEVICE_SET_IRQS,
      SetIrqs.frame({ argsz, ...irqs }, data),
      () => "DEVICE_SET_IRQS",
    );
  }

  /** Reads from a region, in as many messages as it takes. */
  async regionRead(region: number, offset: bigint, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    checkAccess(region, offset, bytes);
    const all = new Uint8Array(bytes);
    for (let done = 0; done < bytes; ) {
      const count = Math.min(this.maxTransfer, bytes - done);
      const at = offset + BigInt(done);
      const what = (): string => `read of ${count} bytes at ${hex64(at)} of region ${region}`;
      const frame = RegionAccess.frame({ offset: at, region, count });
      const { body } = await this.#command(Command.REGION_READ, frame, what);
      this.#checkAccess(body, { offset: at, region, count }, what);
      all.set(
        this.#checked(() => RegionAccess.tail(body, count)),
        done,
      );
      done += count;
    }
    return all;
  }

  /** Writes to a region, in as many messages as it takes. */
  async regionWrite(region: number, offset: bigint, data: Uint8Array): Promise<void> {
    checkAccess(region, offset, data.length);
    for (let done = 0; done < data.length; ) {
      const count = Math.min(this.maxTransfer, data.length - done);
      const at = offset + BigInt(done);
      const what = (): string => `write of ${count} bytes at ${hex64(at)} of region ${region}`;
      const frame = RegionAccess.frame({ offset: at, region, count }, data.subarray(done, done + count));
      const { body } = await this.#command(Command.REGION_WRITE, frame, what);
      this.#checkAccess(body, { offset: at, region, count }, what);
      done += count;
    }
  }

  /**
   * Writes to a region without a reply, as QEMU writes BARs. Nothing says when DMA that it starts is over, so it is
   * for pipelined mode.
   *
   * @throws IommuError BAD_ARGUMENT in single mode
   */
  postWrite(region: number, offset: bigint, data: Uint8Array): void {
    checkAccess(region, offset, data.length);
    if ((this.#options.mode ?? "single") === "single") {
      throw new IommuError(
        "BAD_ARGUMENT",
        "a write without a reply has no visible end: only in pipelined mode",
      );
    }
    this.#messages++;
    this.#peer.post(Command.REGION_WRITE, RegionAccess.frame({ offset, region, count: data.length }, data));
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
    const { body } = await this.#command(
      Command.REGION_WRITE_MULTI,
      WriteMulti.frame({ count }, entries),
      what,
    );
    const done = this.#checked(() => WriteMulti.read(body)).count;
    if (done > count) throw this.#broken(`${what()}: ${done} are said to be done`);
    return done;
  }

  /** DMA_MAP without a file: the device reaches the window by messages alone. */
  async dmaMap({ first, last }: AddressRange, perm: Permission, sent: () => void = () => {}): Promise<void> {
    const size = last - first + 1n;
    const frame = DmaMap.frame({ argsz: DmaMap.bytes, flags: perm, offset: 0n, address: first, size });
    await this.#command(Command.DMA_MAP, frame, () => `DMA_MAP of ${size} bytes at ${hex64(first)}`, {
      sent,
    });
  }

  /**
   * DMA_UNMAP of one window.
   *
   * @param done called with the number of the message when the device agrees, before any later message is looked at
   */
  async dmaUnmap({ first, last }: AddressRange, done: (message: number) => void = () => {}): Promise<void> {
    const size = last - first + 1n;
    const frame = DmaUnmap.frame({ argsz: DmaUnmap.bytes, flags: 0, address: first, size });
    const what = (): string => `DMA_UNMAP of ${size} bytes at ${hex64(first)}`;
    let number = 0;
    const sent = (): void => {
      number = this.#messages;
    };
    const answered = (): void => done(number);
    const { body } = await this.#command(Command.DMA_UNMAP, frame, what, { sent, answered });
    // A device without DMA answers with the bare header.
    if (body.length > 0) {
      const reply = this.#checked(() => DmaUnmap.read(body));
      if (reply.address !== first || reply.size !== size) {
        throw this.#broken(`${what()} is answered for ${reply.size} bytes at ${hex64(reply.address)}`);
      }
    }
  }

  /** DEVICE_RESET; `done` is called when the device has answered, before any later message is looked at. */
  async reset(done: () => void = () => {}): Promise<void> {
    await this.#command(Command.DEVICE_RESET, emptyFrame(), () => "DEVICE_RESET", { answered: done });
  }

  /**
   * DEVICE_FEATURE.
   *
   * @param room how many bytes of data the reply may have
   * @returns the data of the reply
   */
  async feature(
    number: number,
    how: "get" | "set" | "probe",
    data: Uint8Array,
    room = 0,
  ): Promise<Uint8Array> {
    checkedNumber(number, "feature", 0, FeatureFlag.NUMBER);
    const bit = { get: FeatureFlag.GET, set: FeatureFlag.SET, probe: FeatureFlag.PROBE }[how];
    const argsz = DeviceFeature.bytes + Math.max(data.length, room);
    const what = (): string => `DEVICE_FEATURE ${how} of ${number}`;
    const frame = DeviceFeature.frame({ argsz, flags: number | bit }, data);
    const { body } = await this.#command(Command.DEVICE_FEATURE, frame, what);
    const { flags } = this.#checked(() => DeviceFeature.read(body));
    if ((flags & FeatureFlag.NUMBER) !== number) {
      throw this.#broken(`${what()} is answered for ${flags & FeatureFlag.NUMBER}`);
    }
    return DeviceFeature.tail(body);
  }

  /** Asks the device to log what it writes by itself; what it writes by messages the client logs. */
  async startLogging(pageSize: bigint, ranges: readonly AddressRange[]): Promise<void> {
    const data = new Uint8Array(LoggingStart.bytes + ranges.length * LoggedRange.bytes);
    LoggingStart.write({ pageSize, count: ranges.length, reserved: 0 }, data, 0);
    ranges.forEach(({ first, last }, i) => {
      LoggedRange.write(
        { address: first, size: last - first + 1n },
        data,
        LoggingStart.bytes + i * LoggedRange.bytes,
      );
    });
    await this.feature(Feature.DMA_LOGGING_START, "set", data);
  }

  async stopLogging(): Promise<void> {
    await this.feature(Feature.DMA_LOGGING_STOP, "set", new Uint8Array(0));
  }

  /** What the device logged: a bit for each page, in words of 64. */
  async reportLog(address: bigint, size: bigint, pageSize: bigint): Promise<BigUint64Array<ArrayBuffer>> {
    const pages = (size + pageSize - 1n) / pageSize;
    const data = new Uint8Array(LoggingReport.bytes);
    LoggingReport.write({ address, size, pageSize }, data, 0);
    const room = LoggingReport.bytes + Math.ceil(Number(pages) / 64) * 8;
    const reply = await this.feature(Feature.DMA_LOGGING_REPORT, "get", data, room);
    return this.#checked(() => bitmapWords(LoggingReport.tail(reply), pages));
  }

  /** Ends the connection. */
  close(): void {
    this.#peer.close();
  }

  async #command(command: number, frame: Frame, what: () => string, moments: Moments = {}): Promise<Message> {
    const onReply = (reply: Message): void => {
      if (!isError(reply)) moments.answered?.();
    };
    const send = (): Promise<Message> => {
      this.#messages++;
      const { timeout = SLOW_COMMANDS.includes(command) ? SLOW : QUICK } = this.#options;
      const reply = this.#peer.command(command, frame, timeout, onReply);
      moments.sent?.();
      return reply;
    };
    if (this.#options.mode === "pipelined") return accepted(await send(), what);
    const reply = this.#turn.then(send);
    this.#turn = reply.catch(() => {});
    return accepted(await reply, what);
  }

  #serve(message: Message): void {
    const number = ++this.#messages;
    const { command } = message;
    if (command !== Command.DMA_READ && command !== Command.DMA_WRITE) {
      this.#peer.refuse(message, ErrnoNumber.ENOSYS);
      return;
    }
    const answer = this.onDma?.(message, number) ?? { errno: ErrnoNumber.ENODEV };
    if ("frame" in answer) this.#peer.reply(message, answer.frame);
    else this.#peer.refuse(message, answer.errno);
  }

  #checkAccess(
    body: Uint8Array,
    asked: { offset: bigint; region: number; count: number },
    what: () => string,
  ): void {
    const { offset, region, count } = this.#checked(() => RegionAccess.read(body));
    if (offset === asked.offset && region === asked.region && count === asked.count) return;
    throw this.#broken(`${what()} is answered for ${count} bytes at ${hex64(offset)} of region ${region}`);
  }

  /** Reads a reply; what is wrong with it ends the connection. */
  #checked<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#broken((error as Error).message);
    }
  }

  #broken(message: string): IommuError {
    const error = new IommuError("PEER", `${this.name}: ${message}`, { peer: this.name });
    this.#peer.close(error);
    return error;
  }
}

function checkAccess(region: number, offset: bigint, bytes: number): void {
  checkedNumber(region, "region", 0, 2 ** 32 - 1);
  checkedAddress(offset, "offset in a region");
  checkedNumber(bytes, "bytes of a region access", 1, 2 ** 24);
}
