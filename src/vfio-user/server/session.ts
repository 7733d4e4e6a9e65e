import { IommuError } from "../../base/errors.ts";
import { rangeOf } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import type { DirtyLog } from "../dirty-log.ts";
import { Peer, RefusedError, sentErrno } from "../peer.ts";
import type { ByteChannel, PassedFile } from "../protocol/channel.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { emptyFrame } from "../protocol/layout.ts";
import { Command, closeFiles, commandName, kept, type Message, MessageFlag } from "../protocol/message.ts";
import { bodyBySize } from "../protocol/message-reader.ts";
import { isStopped, MigrationState } from "../protocol/migration-state.ts";
import { DmaAccess, type InterruptKind } from "../protocol/payloads.ts";
import { type Capabilities, DEFAULT_CAPABILITIES, parseVersion, versionFrame } from "../protocol/version.ts";
import { commandHandlers, type Handler } from "./commands.ts";
import { ConfigSpace } from "./config-space.ts";
import { type HandlerAnswer, MAX_DATA, NO_ANSWER } from "./context.ts";
import { DeviceMigration } from "./device-migration.ts";
import type { BusWindow, DevicePlace, PciDeviceModel } from "./device-model.ts";
import { DmaTransfers } from "./dma-transfers.ts";
import { Interrupts } from "./interrupts.ts";
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
  /** @internal */
  readonly interrupts: Interrupts;
  /** @internal */
  readonly migration: DeviceMigration | undefined;
  /** @internal What the device wrote, while the client wants to know. */
  dirtyLog: DirtyLog | null = null;
  readonly #peer: Peer;
  readonly #dma: DmaTransfers;
  readonly #channel: ByteChannel;
  /** The twin socket, for DMA; by default that is on the one connection. */
  #twin: Peer | undefined;
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
    this.interrupts = new Interrupts(device, profile);
    this.migration = device.migration && new DeviceMigration(device.migration);
    this.#channel = channel;
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
    this.#dma = new DmaTransfers(this.#peer, (address, bytes) => this.dirtyLog?.mark(address, bytes));
    this.closed = this.#peer.closed.then((reason) => {
      this.#twin?.close(reason);
      this.interrupts.close();
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

  dmaRead(address: bigint, bytes: number, into?: Uint8Array): Promise<Uint8Array> {
    try {
      this.#checkDma(address, bytes, false);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.uncheckedRead(address, bytes, into);
  }

  dmaWrite(address: bigint, data: Uint8Array): Promise<void> {
    try {
      this.#checkDma(address, data.length, true);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.uncheckedWrite(address, data);
  }

  uncheckedRead(
    address: bigint,
    bytes: number,
    into: Uint8Array = new Uint8Array(bytes),
  ): Promise<Uint8Array> {
    return this.#dma.read(address, bytes, into);
  }

  uncheckedWrite(address: bigint, data: Uint8Array): Promise<void> {
    return this.#dma.write(address, data);
  }

  async raise(kind: InterruptKind, vector = 0): Promise<void> {
    if (this.interrupts.raise(kind, vector)) return;
    const message = kind === "msi" ? this.config.msi(vector) : undefined;
    if (message === undefined) {
      throw new RefusedError(ErrnoNumber.ENOENT, `${kind} ${vector} is not wanted by the host`);
    }
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, message.data, true);
    await this.#dma.write(message.address, data);
  }

  /** Ends the connection. */
  close(): void {
    this.#peer.close();
  }

  /** @internal The device comes to rest; {@link NO_ANSWER} if it failed to after a while, and the profile is silent then. */
  quiesce(): Promise<typeof NO_ANSWER | undefined> | undefined {
    const { failedQuiesceSilent } = this.profile;
    // One that stands still is at rest.
    if (this.migration !== undefined && isStopped(this.migration.state)) return undefined;
    return this.device.quiesce?.()?.then(
      () => undefined,
      (error: unknown) => {
        if (failedQuiesceSilent) return NO_ANSWER;
        throw error;
      },
    );
  }

  // ------------------------------------------------------------------ DMA

  #checkDma(address: bigint, bytes: number, write: boolean): void {
    if (bytes === 0) throw new RefusedError(ErrnoNumber.ENOTSUP, "DMA of no bytes");
    if (!this.busMaster && !this.profile.ignoresBusMaster) {
      throw new RefusedError(ErrnoNumber.EACCES, `DMA at ${hex64(address)} with the bus master bit off`);
    }
    this.table.checkTransfer(rangeOf(address, BigInt(bytes)), write);
  }

  /** @internal Bytes of data of one message. */
  get mostAtOnce(): number {
    return this.#dma.mostAtOnce;
  }

  /** Id of the reply that a blocking server takes whatever comes for. */
  get #awaited(): number | undefined {
    return this.profile.blockingDma ? this.#peer.oldestOutstanding : undefined;
  }

  // ------------------------------------------------------------------ commands

  #mayRead(): boolean {
    const { outstanding } = this.#peer;
    // On its twin socket it waits for its DMA, and looks at nothing else meanwhile.
    if (this.profile.blockingDma) return outstanding > 0 || (!this.#isBusy && this.#twinOutstanding === 0);
    return outstanding > 0 || !this.#isFull;
  }

  get #twinOutstanding(): number {
    return this.#twin?.outstanding ?? 0;
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
    if (!this.#isBusy && this.#queue.length === 0) {
      const serving = this.#answer(message);
      if (serving !== undefined) {
        this.#isBusy = true;
        void serving.then(() => this.#run());
      }
      return;
    }
    this.#queue.push(kept(message));
    this.#queuedBytes += message.body.length;
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

  /** Serves what came while another command was served. What throws here is a mistake of ours; refusals were answered. */
  async #run(): Promise<void> {
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      this.#queuedBytes -= message.body.length;
      if (this.#peer.end === undefined) await this.#answer(message);
    }
    this.#isBusy = false;
    this.#peer.pump();
  }

  /** Answers a command, at once if there is no promise. */
  #answer(message: Message): Promise<void> | undefined {
    try {
      const answer = this.#serve(message);
      if (answer instanceof Promise) {
        return answer.then(
          (frame) => this.#reply(message, frame),
          (error: unknown) => this.#refuse(message, error),
        );
      }
      this.#reply(message, answer);
    } catch (error) {
      this.#refuse(message, error);
    }
    return undefined;
  }

  #reply(message: Message, frame: HandlerAnswer): void {
    if (frame !== NO_ANSWER && wantsReply(message) && this.#peer.end === undefined)
      this.#peer.reply(message, frame);
  }

  /** A device that throws anything but a refusal made a mistake, which must not end the connection of its host. */
  #refuse(message: Message, error: unknown): void {
    const { errno, frame } =
      error instanceof RefusedError ? error : { errno: ErrnoNumber.EINVAL, frame: undefined };
    if (this.#peer.end === undefined && wantsReply(message))
      this.#peer.refuse(message, sentErrno(errno), frame ?? emptyFrame());
    if (this.#client === undefined)
      this.#peer.close(new IommuError("PEER", `client: ${(error as Error).message}`));
  }

  #serve(message: Message): HandlerAnswer | Promise<HandlerAnswer> {
    const { command, body, files = NO_FILES } = message;
    if (command !== Command.DEVICE_SET_IRQS) closeFiles(message);
    if (this.#client === undefined) return this.#negotiate(message);
    const handler = this.#handlers.get(command);
    if (handler === undefined)
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} is not served`);
    if (body.length === 0 && command !== Command.DEVICE_RESET) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} without payload`);
    }
    const isClosed = this.profile.closedWhileStopped && CLOSED_STATES.includes(this.migration?.state);
    if (isClosed && !SERVED_WHILE_STOPPED.includes(command)) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} while the device is stopped`);
    }
    return handler(body, files);
  }

  #negotiate(message: Message): HandlerAnswer {
    const { command, body } = message;
    if (command !== Command.VERSION) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${commandName(command)} before VERSION`);
    }
    const { minor, capabilities } = parseVersion(body);
    const { profile, migration } = this;
    const { migrationPageSize: said, twinSocket, maxMsgFds } = capabilities;
    const wanted = profile.migrationPageSize;
    if (migration !== undefined && said !== undefined && wanted !== 0 && said !== wanted) {
      throw new RefusedError(ErrnoNumber.EINVAL, `migration with pages of ${said} bytes, not ${wanted}`);
    }
    this.#client = capabilities;
    this.#dma.mostAtOnce = Math.min(MAX_DATA, capabilities.maxDataXferSize);
    const { maxDmaMaps, pgsizes } = DEFAULT_CAPABILITIES;
    const maker = twinSocket && maxMsgFds > 0 ? this.#channel.files : undefined;
    const frame = versionFrame(Math.min(minor, profile.minor), {
      maxMsgFds: 8,
      maxDataXferSize: MAX_DATA,
      ...(profile.writeMultiple ? { maxDmaMaps, pgsizes, writeMultiple: true } : {}),
      ...(migration === undefined ? {} : { migrationPageSize: wanted || PAGE }),
      ...(twinSocket ? { twinSocket: maker !== undefined } : {}),
    });
    if (maker === undefined) return frame;
    const { file, channel } = maker.stream();
    this.#twin = this.#twinOf(channel);
    this.#dma.carrier = this.#twin;
    this.#peer.reply(message, frame, [file]);
    return NO_ANSWER;
  }

  /** The second connection, on which there is nothing but DMA and its replies. */
  #twinOf(channel: ByteChannel): Peer {
    const twin = new Peer(channel, {
      name: "client (twin socket)",
      bodyRule: bodyBySize(MAX_DATA + DmaAccess.bytes),
      onCommand: (message) => twin.refuse(message, ErrnoNumber.EINVAL),
      // What had to wait for the DMA is read now.
      onAnswered: () => this.#peer.pump(),
    });
    void twin.closed.then((reason) => this.#peer.close(reason));
    return twin;
  }
}

const NO_FILES: readonly PassedFile[] = [];
const PAGE = 4096;

/** What a device takes in these states of migration, where the profile is strict. */
const CLOSED_STATES: readonly (number | undefined)[] = [MigrationState.STOP, MigrationState.STOP_COPY];
const SERVED_WHILE_STOPPED: readonly number[] = [
  Command.VERSION,
  Command.REGION_READ,
  Command.REGION_WRITE,
  Command.DEVICE_FEATURE,
  Command.MIG_DATA_READ,
];

const wantsReply = ({ flags, command }: Message): boolean =>
  (flags & MessageFlag.NO_REPLY) === 0 || command === Command.VERSION;
