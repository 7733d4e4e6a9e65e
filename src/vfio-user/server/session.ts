import { IommuError } from "../../base/errors.ts";
import { rangeOf } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import type { ByteChannel } from "../channel.ts";
import type { DirtyLog } from "../dirty-log.ts";
import { Peer, RefusedError, sentErrno } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { emptyFrame, type Frame } from "../protocol/layout.ts";
import { Command, commandName, isError, type Message, MessageFlag } from "../protocol/message.ts";
import { DmaAccess } from "../protocol/payloads.ts";
import { type Capabilities, DEFAULT_CAPABILITIES, parseVersion, versionFrame } from "../protocol/version.ts";
import { commandHandlers, type Handler } from "./commands.ts";
import { ConfigSpace } from "./config-space.ts";
import { type HandlerAnswer, MAX_DATA, NO_ANSWER } from "./context.ts";
import type { BusWindow, DevicePlace, PciDeviceModel } from "./device-model.ts";
import { type ServerProfile, SPECIFICATION } from "./profile.ts";
import { serverBodyRule } from "./reading.ts";
import { ServerWindows } from "./server-windows.ts";

/** Commands, and bytes of them, that may wait while an earlier one is served. */
const MAX_QUEUED = 4096;
const MAX_QUEUED_BYTES = 2 ** 24;

/**
 * One connection of a client to a device: serves commands in order, and
 * carries the device's DMA to the client. The session takes the channel over;
 * {@link closed} says when it is over, and why.
 *
 * @public
 */
export class ServerSession implements DevicePlace {
  readonly device: PciDeviceModel;
  readonly profile: ServerProfile;
  /** Resolves when the connection has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  /** @internal */
  readonly config: ConfigSpace;
  /** @internal */
  readonly table: ServerWindows;
  /** @internal What the device wrote, while the client wants to know. */
  dirtyLog: DirtyLog | null = null;
  readonly #peer: Peer;
  readonly #handlers: ReadonlyMap<number, Handler>;
  readonly #queue: Message[] = [];
  #queuedBytes = 0;
  #isBusy = false;
  #client: Capabilities | undefined;
  /** A header was no good, and is refused with this. */
  #refuseNext: number | undefined;

  constructor(channel: ByteChannel, device: PciDeviceModel, profile: ServerProfile = SPECIFICATION) {
    this.device = device;
    this.profile = profile;
    this.config = new ConfigSpace(device, profile.absentBar);
    this.table = new ServerWindows(profile);
    this.#handlers = commandHandlers(this);
    this.#peer = new Peer(channel, {
      name: "client",
      bodyRule: serverBodyRule(profile, MAX_DATA, {
        awaited: () => this.#awaited,
        refuse: (errno) => {
          this.#refuseNext = errno;
        },
      }),
      mayRead: () => this.#mayRead(),
      onCommand: (message) => this.#take(message),
      onStrayReply: (message) => this.#takeStray(message),
    });
    this.closed = this.#peer.closed.then((reason) => {
      this.table.clear();
      device.detached?.();
      return reason;
    });
    device.attach(this);
  }

  get windows(): readonly BusWindow[] {
    return this.table.all;
  }

  get busMaster(): boolean {
    return this.config.busMaster;
  }

  async dmaRead(address: bigint, bytes: number): Promise<Uint8Array> {
    this.#checkDma(address, bytes, false);
    return await this.uncheckedRead(address, bytes);
  }

  async dmaWrite(address: bigint, data: Uint8Array): Promise<void> {
    this.#checkDma(address, data.length, true);
    await this.uncheckedWrite(address, data);
  }

  async uncheckedRead(address: bigint, bytes: number): Promise<Uint8Array> {
    if (bytes <= this.#mostAtOnce) return await this.#read(address, bytes);
    const pieces = this.#pieces(bytes);
    const all = new Uint8Array(bytes);
    for (const { at, count } of pieces) all.set(await this.#read(address + BigInt(at), count), at);
    return all;
  }

  async uncheckedWrite(address: bigint, data: Uint8Array): Promise<void> {
    if (data.length <= this.#mostAtOnce) {
      await this.#write(address, data);
      return;
    }
    for (const { at, count } of this.#pieces(data.length)) {
      await this.#write(address + BigInt(at), data.subarray(at, at + count));
    }
  }

  async raiseMsi(vector: number): Promise<void> {
    const message = this.config.msi(vector);
    if (message === undefined) throw new RefusedError(ErrnoNumber.ENOENT, `MSI ${vector} is not enabled`);
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, message.data, true);
    await this.#write(message.address, data);
  }

  /** Ends the connection. */
  close(): void {
    this.#peer.close();
  }

  /** @internal The device comes to rest; {@link NO_ANSWER} if it failed to after a while, and the profile is silent then. */
  async quiesce(): Promise<typeof NO_ANSWER | undefined> {
    const resting = this.device.quiesce?.();
    try {
      await resting;
    } catch (error) {
      if (this.profile.failedQuiesceSilent) return NO_ANSWER;
      throw error;
    }
    return undefined;
  }

  // ------------------------------------------------------------------ DMA

  #checkDma(address: bigint, bytes: number, write: boolean): void {
    if (bytes === 0) throw new RefusedError(ErrnoNumber.ENOTSUP, "DMA of no bytes");
    if (!this.busMaster && !this.profile.ignoresBusMaster) {
      throw new RefusedError(ErrnoNumber.EACCES, `DMA at ${hex64(address)} with the bus master bit off`);
    }
    this.table.checkTransfer(rangeOf(address, BigInt(bytes)), write);
  }

  /** Bytes of one message. */
  get #mostAtOnce(): number {
    return Math.min(MAX_DATA, this.#client?.maxDataXferSize ?? MAX_DATA);
  }

  #pieces(bytes: number): { at: number; count: number }[] {
    const most = this.#mostAtOnce;
    return Array.from({ length: Math.ceil(bytes / most) }, (_, i) => ({
      at: i * most,
      count: Math.min(most, bytes - i * most),
    }));
  }

  async #read(address: bigint, bytes: number): Promise<Uint8Array> {
    const count = BigInt(bytes);
    const reply = await this.#transfer(Command.DMA_READ, DmaAccess.frame({ address, count }));
    this.#checkEcho(reply, address, count, bytes);
    return DmaAccess.tail(reply.body);
  }

  async #write(address: bigint, data: Uint8Array): Promise<void> {
    const count = BigInt(data.length);
    const reply = await this.#transfer(Command.DMA_WRITE, DmaAccess.frame({ address, count }, data));
    this.#checkEcho(reply, address, count, 0);
    this.dirtyLog?.mark(address, data.length);
  }

  /** Sends a DMA message and waits; a blocking server waits for nothing else. */
  async #transfer(command: number, frame: Frame): Promise<Message> {
    const reply = this.#peer.command(command, frame);
    this.#peer.pump();
    const message = await reply;
    if (isError(message)) throw new RefusedError(sentErrno(message.errno), commandName(command));
    return message;
  }

  /** A reply with too few bytes ends the connection; one that repeats something else is an error for the device. */
  #checkEcho({ command, body }: Message, address: bigint, count: bigint, dataBytes: number): void {
    const what = (): string => `reply to ${commandName(command)} at ${hex64(address)}`;
    if (body.length === 0) throw new RefusedError(ErrnoNumber.EINVAL, `${what()} is empty`);
    if (body.length !== DmaAccess.bytes + dataBytes) {
      const error = new IommuError(
        "PEER",
        `client: ${what()} has ${body.length} bytes: ${DmaAccess.bytes + dataBytes} expected`,
      );
      this.#peer.close(error);
      throw error;
    }
    const echo = DmaAccess.read(body);
    if (echo.address !== address || echo.count !== count) {
      throw new RefusedError(
        ErrnoNumber.EINVAL,
        `${what()} is for ${echo.count} bytes at ${hex64(echo.address)}`,
      );
    }
  }

  /** Id of the reply that a blocking server takes whatever comes for. */
  get #awaited(): number | undefined {
    return this.profile.blockingDma ? this.#peer.oldestOutstanding : undefined;
  }

  // ------------------------------------------------------------------ commands

  #mayRead(): boolean {
    const { outstanding } = this.#peer;
    if (this.profile.blockingDma) return !this.#isBusy || outstanding > 0;
    return outstanding > 0 || !this.#isFull;
  }

  get #isFull(): boolean {
    return this.#queue.length >= MAX_QUEUED || this.#queuedBytes >= MAX_QUEUED_BYTES;
  }

  #take(message: Message): void {
    if (this.#awaited !== undefined) {
      this.#collide();
      return;
    }
    if (this.#isRefused(message)) return;
    if (this.#isFull) {
      throw new IommuError(
        "PEER",
        `more than ${MAX_QUEUED} commands wait, and a DMA message is not answered`,
      );
    }
    this.#queue.push(message);
    this.#queuedBytes += message.body.length;
    // What it throws is a mistake of ours; refusals were answered.
    if (!this.#isBusy) void this.#run();
  }

  #takeStray(message: Message): void {
    if (this.#awaited !== undefined) {
      this.#collide();
      return;
    }
    if (this.#client === undefined) throw new IommuError("PEER", "a reply before any command");
    if (this.#isRefused(message)) return;
    if (!this.profile.badHeadersRefused) {
      throw new IommuError("PEER", `lost sync: a reply of id ${message.id} to nothing`, { id: message.id });
    }
    this.#peer.refuse(message, ErrnoNumber.EINVAL);
  }

  /** What arrived is taken for the reply to a DMA message, and is none: the device hears of it, the client never. */
  #collide(): void {
    this.#refuseNext = undefined;
    this.#peer.abandon(
      new RefusedError(ErrnoNumber.EPROTO, "something else came in place of a reply to a DMA message"),
    );
  }

  /** Was the header no good? Then it is refused, if that is wanted. */
  #isRefused(message: Message): boolean {
    const errno = this.#refuseNext;
    this.#refuseNext = undefined;
    if (errno === undefined) return false;
    this.#peer.refuse(message, errno);
    return true;
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      this.#queuedBytes -= message.body.length;
      if (this.#peer.end === undefined) await this.#answer(message);
    }
    this.#isBusy = false;
    this.#peer.pump();
  }

  async #answer(message: Message): Promise<void> {
    const wantsReply = (message.flags & MessageFlag.NO_REPLY) === 0 || message.command === Command.VERSION;
    try {
      const frame = await this.#serve(message);
      if (frame !== NO_ANSWER && wantsReply) this.#peer.reply(message, frame);
    } catch (error) {
      // A device that throws anything else made a mistake, which must not end the connection of its host.
      const { errno, frame } =
        error instanceof RefusedError ? error : { errno: ErrnoNumber.EINVAL, frame: undefined };
      if (this.#peer.end === undefined && wantsReply)
        this.#peer.refuse(message, sentErrno(errno), frame ?? emptyFrame());
      if (this.#client === undefined)
        this.#peer.close(new IommuError("PEER", `client: ${(error as Error).message}`));
    }
  }

  #serve(message: Message): HandlerAnswer | Promise<HandlerAnswer> {
    const { command, body } = message;
    if (this.#client === undefined) return this.#negotiate(message);
    const handler = this.#handlers.get(command);
    if (handler === undefined)
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} is not served`);
    if (body.length === 0 && command !== Command.DEVICE_RESET) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} without payload`);
    }
    return handler(body);
  }

  #negotiate({ command, body }: Message): Frame {
    if (command !== Command.VERSION) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} before VERSION`);
    }
    const { minor, capabilities } = parseVersion(body);
    this.#client = capabilities;
    const { maxDmaMaps, pgsizes } = DEFAULT_CAPABILITIES;
    const { profile } = this;
    const more = profile.writeMultiple ? { maxDmaMaps, pgsizes, writeMultiple: true } : {};
    return versionFrame(Math.min(minor, profile.minor), { maxMsgFds: 8, maxDataXferSize: MAX_DATA, ...more });
  }
}
