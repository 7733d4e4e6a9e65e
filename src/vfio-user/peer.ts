import { IommuError } from "../base/errors.ts";
import type { ByteChannel, Timers } from "./channel.ts";
import { ErrnoNumber, errnoName } from "./protocol/errno.ts";
import { emptyFrame, type Frame } from "./protocol/layout.ts";
import { commandName, isError, isReply, type Message, MessageFlag, seal } from "./protocol/message.ts";
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
  readonly timers?: Timers | undefined;
}

interface Pending {
  readonly command: number;
  readonly onReply: ((reply: Message) => void) | undefined;
  readonly resolve: (reply: Message) => void;
  readonly reject: (error: IommuError) => void;
  readonly stopTimer: () => void;
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
  readonly #channel: ByteChannel;
  readonly #options: PeerOptions;
  readonly #pending = new Map<number, Pending>();
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
    channel.onBytes = (bytes) => {
      this.reader.push(bytes);
      this.pump();
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
    return this.#pending.keys().next().value;
  }

  /** Fails the command that has waited longest; a reply that comes later is a reply to nothing. */
  abandon(reason: IommuError): void {
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    const [id, { stopTimer, reject }] = oldest;
    this.#pending.delete(id);
    stopTimer();
    reject(reason);
  }

  /**
   * Sends a command.
   *
   * @param limit milliseconds until the connection is given up for want of a reply; without timers there is no limit
   * @param onReply called before the next message is looked at, which the promise cannot promise
   * @returns the reply, which may be an error reply
   * @throws IommuError PEER when the connection ends before
   */
  command(
    command: number,
    frame: Frame,
    limit?: number,
    onReply?: (reply: Message) => void,
  ): Promise<Message> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const { timers } = this.#options;
    return new Promise((resolve, reject) => {
      const id = this.#freeId();
      const { name } = this.#options;
      const give = (): void => {
        const message = `${name}: no reply to ${commandName(command)} within ${limit} ms`;
        this.close(new IommuError("PEER", message, { peer: name, silentMs: limit ?? 0 }));
      };
      const stopTimer = timers === undefined || limit === undefined ? () => {} : timers.after(limit, give);
      this.#pending.set(id, { command, onReply, resolve, reject, stopTimer });
      this.#channel.send(seal(frame, { id, command, flags: 0, errno: 0 }));
    });
  }

  /** Sends a command to which no reply comes, not even an error. */
  post(command: number, frame: Frame): void {
    if (this.#end !== undefined) throw this.#end;
    this.#channel.send(seal(frame, { id: this.#freeId(), command, flags: MessageFlag.NO_REPLY, errno: 0 }));
  }

  reply({ id, command }: Message, frame: Frame = emptyFrame()): void {
    this.#channel.send(seal(frame, { id, command, flags: MessageFlag.REPLY, errno: 0 }));
  }

  /** Sends an error reply, by default the bare header. */
  refuse({ id, command }: Pick<Message, "id" | "command">, errno: number, frame: Frame = emptyFrame()): void {
    const flags = MessageFlag.REPLY | MessageFlag.ERROR;
    this.#channel.send(seal(frame, { id, command, flags, errno }));
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
    for (const { reject, stopTimer } of this.#pending.values()) {
      stopTimer();
      reject(reason);
    }
    this.#pending.clear();
    this.#resolveClosed(reason);
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
    this.#pending.delete(message.id);
    pending.stopTimer();
    pending.onReply?.(message);
    pending.resolve(message);
  }

  /** @throws IommuError LIMIT_EXCEEDED if all ids are in use */
  #freeId(): number {
    if (this.#pending.size >= ID_COUNT) {
      throw new IommuError("LIMIT_EXCEEDED", `more than ${ID_COUNT} commands without a reply`, {
        limit: ID_COUNT,
      });
    }
    let id = this.#nextId;
    while (this.#pending.has(id)) id = (id + 1) % ID_COUNT;
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

/**
 * The reply to a command.
 *
 * @throws RefusedError if it is an error reply
 */
export function accepted(reply: Message, what: () => string): Message {
  if (!isError(reply)) return reply;
  throw new RefusedError(reply.errno, what());
}

/** An errno as it is sent: 0 and what is no errno are EINVAL, as libvfio-user has it. */
export const sentErrno = (errno: number): number => (errno > 0 && errno <= 4096 ? errno : ErrnoNumber.EINVAL);
