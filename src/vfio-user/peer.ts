import { IommuError } from "../base/errors.ts";
import { Outstanding } from "./outstanding.ts";
import type { ByteChannel, PassedFile, Timers } from "./protocol/channel.ts";
import { ErrnoNumber, errnoName } from "./protocol/errno.ts";
import { FrameStore } from "./protocol/frame-store.ts";
import { emptyFrame, type Frame } from "./protocol/layout.ts";
import { commandName, isError, isReply, type Message, MessageFlag, sealWith } from "./protocol/message.ts";
import { type BodyRule, MessageReader } from "./protocol/message-reader.ts";

/** Bytes that may wait to be read while nobody reads them: then the other side has to wait. */
const MAX_HELD = 2 ** 20;
const ID_COUNT = 2 ** 16;

/** How one side of a connection is made. */
export interface PeerOptions {
  /** What messages call the other side. */
  readonly name: string;
  readonly bodyRule: BodyRule;
  /** Serves a command: by {@link Peer.reply} or {@link Peer.refuse}, at once or later. */
  readonly onCommand: (message: Message) => void;
  /** May the next message be read now? Who says no calls {@link Peer.pump} later. */
  readonly mayRead?: () => boolean;
  /** A reply to nothing that was asked; by default the two sides have lost each other. */
  readonly onStrayReply?: (message: Message) => void;
  /** A reply was taken. */
  readonly onAnswered?: () => void;
  readonly timers?: Timers | undefined;
}

interface Pending {
  readonly id: number;
  readonly command: number;
  readonly answered: (reply: Message) => void;
  readonly failed: (reason: IommuError) => void;
  readonly stopTimer: (() => void) | undefined;
}

/**
 * One side of a connection, which both sends commands and serves them. A reply
 * finds its command by its id; commands are handed on as they come, also while
 * own ones wait. Whatever is wrong with the stream ends the connection, and
 * with it all that waits.
 */
export class Peer {
  /** Resolves when the connection has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  readonly reader: MessageReader;
  /** Room for messages that are sent from here. */
  readonly frames: FrameStore = new FrameStore();
  readonly #channel: ByteChannel;
  readonly #options: PeerOptions;
  readonly #pending = new Outstanding<Pending>();
  #resolveClosed!: (reason: IommuError) => void;
  #end: IommuError | undefined;
  #nextId = 0;
  #isPumping = false;
  #isPaused = false;

  constructor(channel: ByteChannel, options: PeerOptions) {
    this.#channel = channel;
    this.#options = options;
    this.reader = new MessageReader(options.bodyRule);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    channel.onBytes = (bytes, files) => {
      this.reader.push(bytes, files);
      this.pump();
      this.reader.hold();
    };
    channel.onDrain = () => this.pump();
    channel.onClosed = (reason) => {
      const cut = this.reader.isWithinMessage ? ", within a message" : "";
      this.close(this.#error(`${reason}${cut}`));
    };
  }

  /** Why the connection ended; undefined while it has not. */
  get end(): IommuError | undefined {
    return this.#end;
  }

  /** Commands without a reply so far. */
  get outstanding(): number {
    return this.#pending.size;
  }

  /** Id of the command that has waited longest for its reply. */
  get oldestOutstanding(): number | undefined {
    return this.#pending.oldest?.id;
  }

  /** Fails the command that has waited longest; a reply that comes later is a reply to nothing. */
  abandon(reason: IommuError): void {
    const { oldest } = this.#pending;
    if (oldest === undefined) return;
    this.#pending.delete(oldest);
    oldest.stopTimer?.();
    oldest.failed(reason);
  }

  /**
   * Sends a command.
   *
   * @param answered takes the reply, which may be an error reply, before the next message is looked at
   * @param failed hears why no reply can come: PEER when the connection ends before, LIMIT_EXCEEDED if all ids are in use
   * @param limit milliseconds until the connection is given up for want of a reply; without timers there is no limit
   * @param files to be passed along
   */
  ask(
    command: number,
    frame: Frame,
    answered: (reply: Message) => void,
    failed: (reason: IommuError) => void,
    limit?: number,
    files?: readonly PassedFile[],
  ): void {
    const refusal = this.#end ?? this.#tooMany();
    if (refusal !== undefined) {
      failed(refusal);
      return;
    }
    const id = this.#freeId();
    const stopTimer = limit === undefined ? undefined : this.#limitTime(command, limit);
    this.#pending.add({ id, command, answered, failed, stopTimer });
    this.#send(sealWith(frame, id, command, 0, 0), files);
  }

  /**
   * {@link ask} with a promise.
   *
   * @param take makes what is returned of the reply; what it throws is thrown
   */
  command<T>(command: number, frame: Frame, take: (reply: Message) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const answered = (reply: Message): void => {
        try {
          resolve(take(reply));
        } catch (error) {
          reject(error);
        }
      };
      this.ask(command, frame, answered, reject);
    });
  }

  /** Sends a command to which no reply comes, not even an error. */
  post(command: number, frame: Frame): void {
    const refusal = this.#end ?? this.#tooMany();
    if (refusal !== undefined) throw refusal;
    this.#send(sealWith(frame, this.#freeId(), command, MessageFlag.NO_REPLY, 0));
  }

  reply({ id, command }: Message, frame: Frame = emptyFrame(), files?: readonly PassedFile[]): void {
    this.#send(sealWith(frame, id, command, MessageFlag.REPLY, 0), files);
  }

  /** Sends an error reply, by default the bare header. */
  refuse({ id, command }: Pick<Message, "id" | "command">, errno: number, frame: Frame = emptyFrame()): void {
    this.#send(sealWith(frame, id, command, MessageFlag.REPLY | MessageFlag.ERROR, errno));
  }

  /** Reads the messages that are there, as far as they may be read now. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#end === undefined && this.#mayRead()) {
        const message = this.reader.next();
        if (message === undefined) break;
        this.#take(message);
      }
    } catch (error) {
      if (!(error instanceof IommuError)) throw error;
      this.close(this.#error(error.message, error));
    } finally {
      this.#isPumping = false;
      this.#pauseOrResume();
    }
  }

  /** Ends the connection; all that waits fails with the reason. */
  close(reason: IommuError = this.#error("the connection was closed")): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#channel.close();
    for (const { failed, stopTimer } of this.#pending.takeAll()) {
      stopTimer?.();
      failed(reason);
    }
    this.#resolveClosed(reason);
  }

  #limitTime(command: number, limit: number): (() => void) | undefined {
    const { name, timers } = this.#options;
    return timers?.after(limit, () => {
      const message = `${name}: no reply to ${commandName(command)} within ${limit} ms`;
      this.close(new IommuError("PEER", message, { peer: name, silentMs: limit }));
    });
  }

  #send(frame: Frame, files?: readonly PassedFile[]): void {
    const channel = this.#channel;
    channel.send(frame, files);
    if (channel.isFlushed) this.frames.giveBack(frame);
  }

  #mayRead(): boolean {
    return !this.#channel.isFull && (this.#options.mayRead?.() ?? true);
  }

  #pauseOrResume(): void {
    const isHeld = this.reader.waiting > MAX_HELD;
    if (isHeld === this.#isPaused || this.#end !== undefined) return;
    this.#isPaused = isHeld;
    if (isHeld) this.#channel.pause();
    else this.#channel.resume();
  }

  #take(message: Message): void {
    if (!isReply(message)) {
      this.#options.onCommand(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined || pending.command !== message.command) {
      if (this.#options.onStrayReply !== undefined) {
        this.#options.onStrayReply(message);
        return;
      }
      const wanted =
        pending === undefined ? "no command of that id is open" : `that is ${commandName(pending.command)}`;
      throw new IommuError(
        "PEER",
        `lost sync: a reply to ${commandName(message.command)} of id ${message.id}${isError(message) ? ` (${errnoName(message.errno)})` : ""}: ${wanted}`,
        { id: message.id },
      );
    }
    this.#pending.delete(pending);
    pending.stopTimer?.();
    pending.answered(message);
    this.#options.onAnswered?.();
  }

  /** All ids are in use. */
  #tooMany(): IommuError | undefined {
    if (this.#pending.size < ID_COUNT) return undefined;
    const message = `more than ${ID_COUNT} commands without a reply`;
    return new IommuError("LIMIT_EXCEEDED", message, { limit: ID_COUNT });
  }

  #freeId(): number {
    let id = this.#nextId;
    while (this.#pending.get(id) !== undefined) id = (id + 1) % ID_COUNT;
    this.#nextId = (id + 1) % ID_COUNT;
    return id;
  }

  #error(message: string, cause?: Error): IommuError {
    const { name } = this.#options;
    return new IommuError(
      "PEER",
      `${name}: ${message}`,
      { peer: name },
      cause === undefined ? {} : { cause },
    );
  }
}

/**
 * What the other side refused: `details.errno` has Linux' number, or throwing it refuses a command of the other side.
 */
export class RefusedError extends IommuError {
  readonly errno: number;
  /** Body of the error reply; most have none. */
  readonly frame: Frame | undefined;

  constructor(errno: number, message: string, frame?: Frame) {
    super("REFUSED", `${message}: ${errnoName(errno)}`, { errno });
    this.errno = errno;
    this.frame = frame;
  }
}

/** An errno as it is sent: 0 and what is no errno are EINVAL, as libvfio-user has it. */
export const sentErrno = (errno: number): number => (errno > 0 && errno <= 4096 ? errno : ErrnoNumber.EINVAL);
