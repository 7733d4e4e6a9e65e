import { connect, type Socket } from "node:net";
import { IommuError } from "../base/errors.ts";
import { type FoundLog, findLog } from "./find-log.ts";
import type { Monitor, QmpArguments, QmpEvent } from "./monitor.ts";
import { QmpAnswer } from "./qmp-answer.ts";

/** How long a command may take. A guest that is saved holds the monitor up for seconds. */
export const COMMAND_SECONDS = 30;

/** The longest message that is read: a list of all trace events takes half a megabyte. */
const MAX_MESSAGE = 16 * 2 ** 20;
const NEWLINE = 0x0a;

interface Pending {
  readonly resolve: (value: QmpAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly command: string;
  readonly timer: NodeJS.Timeout;
}

/**
 * How to connect.
 *
 * @public
 */
export interface QmpOptions {
  /** The longest that the greeting and each command may take; default: 30. */
  readonly timeoutSeconds?: number | undefined;
  /** Ends the wait for the greeting. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A connection to the monitor of a running QEMU (QMP).
 *
 * Every command that waits when the connection ends is refused with an error
 * that says so; none waits for ever. One that is not answered in time ends the
 * connection, since nothing tells what state QEMU is in then.
 *
 * @public
 */
export class QmpClient implements Monitor {
  /** Called with each event. */
  onEvent: (event: QmpEvent) => void = () => {};
  /** Resolves when the connection has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  /** QEMU's version, as three numbers. */
  version = "";
  readonly taint = null;
  readonly #socket: Socket;
  readonly #path: string;
  readonly #timeoutSeconds: number;
  readonly #pending = new Map<number, Pending>();
  #resolveClosed!: (reason: IommuError) => void;
  #end: IommuError | undefined;
  /** Pieces of a message whose end has not come. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #nextId = 1;
  #onGreeting: ((greeting: QmpAnswer) => void) | undefined;

  private constructor(socket: Socket, path: string, timeoutSeconds: number) {
    this.#socket = socket;
    this.#path = path;
    this.#timeoutSeconds = timeoutSeconds;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (cause: NodeJS.ErrnoException) => {
      const isGone = cause.code === "ENOENT" || cause.code === "ECONNREFUSED";
      this.#finish(
        isGone
          ? new NoQemuError(`${path}: ${reasonOf(cause)}`, { path }, cause)
          : this.#error(reasonOf(cause), cause),
      );
    });
    socket.on("close", () => this.#finish(this.#error("QEMU closed the connection")));
  }

  /**
   * Connects and leaves negotiation mode.
   *
   * @param path of the socket (`-qmp unix:PATH,server=on,wait=off`)
   * @throws IommuError PEER if nobody listens, it is no QMP, or it does not answer in time; the signal's reason
   */
  static async connect(path: string, options: QmpOptions = {}): Promise<QmpClient> {
    const { timeoutSeconds = COMMAND_SECONDS, signal } = options;
    signal?.throwIfAborted();
    const client = new QmpClient(connect(path), path, timeoutSeconds);
    const timer = setTimeout(() => {
      client.#finish(
        client.#error(
          `no greeting within ${timeoutSeconds} s: QMP serves one client at a time, is there another?`,
        ),
      );
    }, timeoutSeconds * 1000);
    const abort = (): void => client.close();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const greeting = await Promise.race([
        new Promise<QmpAnswer>((resolve) => {
          client.#onGreeting = resolve;
        }),
        client.closed.then((error) => Promise.reject(error)),
      ]);
      clearTimeout(timer);
      const version = greeting.get("version").get("qemu");
      client.version = ["major", "minor", "micro"].map((name) => version.get(name).whole).join(".");
      await client.execute("qmp_capabilities");
      return client;
    } catch (error) {
      client.close();
      signal?.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  execute(command: string, args: QmpArguments = {}): Promise<QmpAnswer> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#finish(this.#error(`no answer to ${command} within ${this.#timeoutSeconds} s`));
      }, this.#timeoutSeconds * 1000);
      this.#pending.set(id, { resolve, reject, command, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\r\n`);
    });
  }

  findLog(): Promise<FoundLog | undefined> {
    return findLog(this.#path);
  }

  /** Ends the connection; QEMU runs on. */
  close(): void {
    this.#finish(this.#error("the connection was closed"));
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  #receive(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...this.#held, chunk.subarray(start, end)]).toString("utf8");
      this.#held = [];
      this.#heldBytes = 0;
      start = end + 1;
      if (line.trim() !== "") this.#message(line.trim());
      if (this.#end !== undefined) return;
    }
    this.#held.push(chunk.subarray(start));
    this.#heldBytes += chunk.length - start;
    if (this.#heldBytes > MAX_MESSAGE)
      this.#finish(this.#error(`a message of more than ${MAX_MESSAGE} bytes`));
  }

  #message(line: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(line) as Record<string, unknown>;
    } catch {
      this.#finish(this.#error(`this is no QMP: ${JSON.stringify(line.slice(0, 60))}`));
      return;
    }
    if (typeof message !== "object" || message === null || Array.isArray(message)) {
      this.#finish(this.#error(`this is no QMP: ${line.slice(0, 60)}`));
    } else if ("QMP" in message) this.#onGreeting?.(new QmpAnswer(message.QMP, "greeting"));
    else if ("event" in message) this.onEvent(readEvent(message));
    else this.#answer(message);
  }

  #answer(message: Record<string, unknown>): void {
    const pending = this.#pending.get(message.id as number);
    if (pending === undefined) return;
    this.#pending.delete(message.id as number);
    clearTimeout(pending.timer);
    if ("error" in message) {
      const description = String((message.error as { desc?: unknown } | null)?.desc ?? "no reason given");
      pending.reject(
        new IommuError("PEER", `QEMU refused ${pending.command}: ${description}`, {
          command: pending.command,
        }),
      );
    } else {
      pending.resolve(new QmpAnswer(message.return, pending.command));
    }
  }

  #finish(reason: IommuError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#socket.destroy();
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.#pending.clear();
    this.#resolveClosed(reason);
  }

  #error(reason: string, cause?: Error): IommuError {
    return new IommuError("PEER", `${this.#path}: ${reason}`, { path: this.#path }, cause && { cause });
  }
}

function readEvent(message: Record<string, unknown>): QmpEvent {
  const time = message.timestamp as { seconds?: unknown; microseconds?: unknown } | null | undefined;
  const seconds = Number(time?.seconds) + Number(time?.microseconds ?? 0) / 1e6;
  return { event: String(message.event), data: message.data, seconds };
}

function reasonOf(cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case "ENOENT":
      return "there is no such socket";
    case "ECONNREFUSED":
      return "nobody listens on this socket: has QEMU ended?";
    case "EACCES":
      return "permission denied";
    case "ENOTSOCK":
      return "this is not a socket";
    case "ECONNRESET":
    case "EPIPE":
      return "QEMU closed the connection";
    default:
      return cause.message;
  }
}

/** There is no QEMU (any more), and so nothing left to put back. */
export class NoQemuError extends IommuError {
  constructor(reason: string, place: Record<string, string>, cause: Error) {
    super("PEER", reason, place, { cause });
  }
}
