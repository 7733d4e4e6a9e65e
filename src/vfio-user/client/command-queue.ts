import { IommuError } from "../../base/errors.ts";
import { type Peer, RefusedError } from "../peer.ts";
import type { PassedFile, Timers } from "../protocol/channel.ts";
import type { Frame } from "../protocol/layout.ts";
import { Command, closeFiles, isError, type Message } from "../protocol/message.ts";

/** Limits of time in milliseconds; a device may take long to let go of memory. */
const QUICK = 5_000;
const SLOW = 30_000;
const SLOW_COMMANDS: readonly number[] = [
  Command.DMA_MAP,
  Command.DMA_UNMAP,
  Command.DEVICE_RESET,
  Command.DEVICE_FEATURE,
];

/** How commands are sent. */
export interface CommandQueueOptions {
  /** One is without a reply at a time, and the others wait here. */
  readonly isSingle: boolean;
  readonly timers: Timers | undefined;
  /** Milliseconds for all commands, instead of what each kind has. */
  readonly timeout: number | undefined;
}

/** A command, and what is made of its reply. */
export interface Asked<T> {
  /** Names the command in messages. */
  readonly what: () => string;
  /** Makes the result of a reply that is no error, before the next message is looked at; what is wrong with it ends the connection. */
  readonly take: (reply: Message) => T;
  /** Called when it goes on the way. */
  readonly sent?: (() => void) | undefined;
  readonly files?: readonly PassedFile[] | undefined;
}

/** Sends the commands of a client, one at a time or as they come, and numbers all messages of the connection. */
export class CommandQueue {
  /** Messages sent and received as commands so far; each has its number, from 1. */
  messages = 0;
  readonly #peer: Peer;
  readonly #name: string;
  readonly #options: CommandQueueOptions;
  /** Commands that wait until those before are answered. */
  readonly #waiting: (() => void)[] = [];

  constructor(peer: Peer, name: string, options: CommandQueueOptions) {
    this.#peer = peer;
    this.#name = name;
    this.#options = options;
  }

  /**
   * Sends a command.
   *
   * @throws IommuError REFUSED for an error reply, PEER when the connection ends
   */
  ask<T>(command: number, frame: Frame, asked: Asked<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.tell(command, frame, asked, resolve, reject);
    });
  }

  /** {@link ask} for who needs no promise: one of `done` and `failed` is called, before the next message is looked at. */
  tell<T>(
    command: number,
    frame: Frame,
    asked: Asked<T>,
    done: (result: T) => void,
    failed: (error: unknown) => void,
  ): void {
    const mustWait = this.#options.isSingle && (this.#peer.outstanding > 0 || this.#waiting.length > 0);
    if (mustWait) this.#sendLater(command, frame, asked, done, failed);
    else this.#send(command, frame, asked, done, failed);
  }

  /** A reply came: the next one may go. */
  sendNext(): void {
    if (this.#waiting.length > 0 && this.#peer.outstanding === 0) this.#waiting.shift()!();
  }

  /** The connection has ended: what waits fails, one as the other. */
  fail(): void {
    while (this.#waiting.length > 0) this.#waiting.shift()!();
  }

  #sendLater<T>(...args: [number, Frame, Asked<T>, (result: T) => void, (error: unknown) => void]): void {
    this.#waiting.push(() => this.#send(...args));
  }

  #send<T>(
    command: number,
    frame: Frame,
    asked: Asked<T>,
    done: (result: T) => void,
    failed: (error: unknown) => void,
  ): void {
    this.messages++;
    asked.sent?.();
    const answered = (reply: Message): void => {
      let result: T;
      try {
        result = this.#resultOf(command, reply, asked);
      } catch (error) {
        failed(error);
        return;
      }
      done(result);
    };
    this.#peer.ask(command, frame, answered, failed, this.#limitOf(command), asked.files);
  }

  #resultOf<T>(command: number, reply: Message, { what, take }: Asked<T>): T {
    if (command !== Command.VERSION) closeFiles(reply);
    if (isError(reply)) throw new RefusedError(reply.errno, what());
    try {
      return take(reply);
    } catch (error) {
      throw this.#broken((error as Error).message);
    }
  }

  #limitOf(command: number): number | undefined {
    const { timers, timeout } = this.#options;
    if (timers === undefined) return undefined;
    return timeout ?? (SLOW_COMMANDS.includes(command) ? SLOW : QUICK);
  }

  #broken(message: string): IommuError {
    const error = new IommuError("PEER", `${this.#name}: ${message}`, { peer: this.#name });
    this.#peer.close(error);
    return error;
  }
}
