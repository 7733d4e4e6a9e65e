import type { IommuError } from "../../base/errors.ts";
import { Peer } from "../peer.ts";
import type { ByteChannel, Timers } from "../protocol/channel.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import type { Frame, FrameMaker } from "../protocol/layout.ts";
import { Command, closeFiles, type Message } from "../protocol/message.ts";
import { bodyBySize } from "../protocol/message-reader.ts";
import { CommandQueue } from "./command-queue.ts";

/** The largest reply: region data, or capabilities and bitmaps, which are smaller. */
const MAX_BODY = 2 ** 20 + 64;

/**
 * What serves the device's own commands.
 *
 * @internal
 */
export type DmaMessageServer = (
  message: Message,
  number: number,
  make: FrameMaker,
) => { readonly frame: Frame } | { readonly errno: number };

/** How commands go to the device. */
export interface ConnectionOptions {
  /** What messages call the device. */
  readonly name: string;
  /** One command is without a reply at a time. */
  readonly isSingle: boolean;
  readonly timers: Timers | undefined;
  /** Milliseconds for all commands, instead of what each kind has. */
  readonly timeout: number | undefined;
}

/**
 * The client's end of a connection, and of the second one, if the device made one: commands go to the device, and its DMA
 * messages are served at once, whatever waits.
 */
export class ClientConnection {
  readonly commands: CommandQueue;
  /** Resolves when the connection has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  /** Serves DMA messages; without it they are refused. */
  onDma: DmaMessageServer | null = null;
  readonly #peer: Peer;
  readonly #name: string;
  /** The second connection: the device's DMA comes there. */
  #twin: Peer | undefined;

  constructor(channel: ByteChannel, { name, isSingle, timers, timeout }: ConnectionOptions) {
    this.#name = name;
    this.#peer = new Peer(channel, {
      name,
      bodyRule: bodyBySize(MAX_BODY),
      timers,
      onCommand: (message) => this.#serve(message, this.#peer),
      onAnswered: () => this.commands.sendNext(),
    });
    this.commands = new CommandQueue(this.#peer, name, { isSingle, timers, timeout });
    this.closed = this.#peer.closed;
    void this.closed.then((reason) => {
      this.#twin?.close(reason);
      this.commands.fail();
    });
  }

  /** Why the connection ended; undefined while it has not. */
  get end(): IommuError | undefined {
    return this.#peer.end;
  }

  get hasTwin(): boolean {
    return this.#twin !== undefined;
  }

  /** On the second connection the device does its DMA, and nothing else comes there. */
  takeTwin(channel: ByteChannel): void {
    const twin = new Peer(channel, {
      name: `${this.#name} (twin socket)`,
      bodyRule: bodyBySize(MAX_BODY),
      onCommand: (message) => this.#serve(message, twin),
    });
    void twin.closed.then((reason) => this.#peer.close(reason));
    this.#twin = twin;
  }

  /** Sends a command that has no reply. */
  post(command: number, frame: Frame): void {
    this.commands.messages++;
    this.#peer.post(command, frame);
  }

  close(): void {
    this.#peer.close();
  }

  #serve(message: Message, peer: Peer): void {
    const number = ++this.commands.messages;
    const { command } = message;
    closeFiles(message);
    if (command !== Command.DMA_READ && command !== Command.DMA_WRITE) {
      peer.refuse(message, ErrnoNumber.ENOSYS);
      return;
    }
    const answer = this.onDma?.(message, number, peer.frames.take) ?? { errno: ErrnoNumber.ENODEV };
    if ("frame" in answer) peer.reply(message, answer.frame);
    else peer.refuse(message, answer.errno);
  }
}
