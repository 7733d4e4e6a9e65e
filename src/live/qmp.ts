import { connect, type Socket } from "node:net";
import { IommuError } from "../base/errors.ts";

/** The longest message that is read: a list of all trace events takes half a megabyte. */
const MAX_MESSAGE = 16 * 2 ** 20;
const NEWLINE = 0x0a;

/**
 * An event of QEMU, such as `STOP`.
 *
 * @public
 */
export interface QmpEvent {
  readonly event: string;
  readonly data: unknown;
  /** Seconds since 1970, by QEMU's clock; NaN if QEMU did not say. */
  readonly seconds: number;
}

/**
 * Arguments of a command.
 *
 * @public
 */
export type QmpArguments = Readonly<Record<string, unknown>>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly command: string;
}

/**
 * A connection to the monitor of a running QEMU (QMP).
 *
 * Every command that waits when the connection ends is refused with an error
 * that says so; none waits for ever.
 *
 * @public
 */
export class QmpClient {
  /** Called with each event. */
  onEvent: (event: QmpEvent) => void = () => {};
  /** Resolves when the connection has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  /** QEMU's version, as three numbers. */
  version = "";
  readonly #socket: Socket;
  readonly #path: string;
  readonly #pending = new Map<number, Pending>();
  #resolveClosed!: (reason: IommuError) => void;
  #end: IommuError | undefined;
  /** Pieces of a message whose end has not come. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #nextId = 1;
  #onGreeting: ((greeting: Record<string, unknown>) => void) | undefined;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (cause) => this.#finish(this.#error(reasonOf(cause), cause)));
    socket.on("close", () => this.#finish(this.#error("QEMU closed the connection")));
  }

  /**
   * Connects and leaves negotiation mode.
   *
   * @param path of the socket (`-qmp unix:PATH,server=on,wait=off`)
   * @throws IommuError PEER if nobody listens, it is no QMP, or it does not answer in time
   */
  static async connect(path: string, timeoutSeconds = 10): Promise<QmpClient> {
    const client = new QmpClient(connect(path), path);
    const timer = setTimeout(() => {
      client.#finish(
        client.#error(
          `no greeting within ${timeoutSeconds} s: QMP serves one client at a time, is there another?`,
        ),
      );
    }, timeoutSeconds * 1000);
    try {
      const greeting = await Promise.race([
        new Promise<Record<string, unknown>>((resolve) => {
          client.#onGreeting = resolve;
        }),
        client.closed.then((error) => Promise.reject(error)),
      ]);
      client.version = versionOf(greeting);
      await client.execute("qmp_capabilities");
      return client;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Carries out a command.
   *
   * @throws IommuError PEER if QEMU refuses it, or the connection ends before the answer
   */
  execute(command: string, args: QmpArguments = {}): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, command });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\r\n`);
    });
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
    if (typeof message !== "object" || message === null) {
      this.#finish(this.#error(`this is no QMP: ${line.slice(0, 60)}`));
    } else if ("QMP" in message) this.#onGreeting?.(message);
    else if ("event" in message) this.onEvent(readEvent(message));
    else this.#answer(message);
  }

  #answer(message: Record<string, unknown>): void {
    const pending = this.#pending.get(message.id as number);
    if (pending === undefined) return;
    this.#pending.delete(message.id as number);
    if ("error" in message) {
      const description = String((message.error as { desc?: unknown } | null)?.desc ?? "no reason given");
      pending.reject(
        new IommuError("PEER", `QEMU refused ${pending.command}: ${description}`, {
          command: pending.command,
        }),
      );
    } else {
      pending.resolve(message.return);
    }
  }

  #finish(reason: IommuError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#socket.destroy();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
    this.#resolveClosed(reason);
  }

  #error(reason: string, cause?: Error): IommuError {
    return new IommuError("PEER", `${this.#path}: ${reason}`, { path: this.#path }, cause && { cause });
  }
}

function readEvent(message: Record<string, unknown>): QmpEvent {
  const time = message.timestamp as { seconds?: number; microseconds?: number } | undefined;
  const seconds = (time?.seconds ?? Number.NaN) + (time?.microseconds ?? 0) / 1e6;
  return { event: String(message.event), data: message.data, seconds };
}

function versionOf(greeting: Record<string, unknown>): string {
  const qmp = greeting.QMP as { version?: { qemu?: Record<string, number> } } | null;
  const { major, minor, micro } = qmp?.version?.qemu ?? {};
  return major === undefined ? "unknown" : `${major}.${minor}.${micro}`;
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

/** Is this the error of a connection to a socket that nobody listens on? */
export function isNobody(error: unknown): boolean {
  const cause = (error as Error | undefined)?.cause as NodeJS.ErrnoException | undefined;
  return cause?.code === "ENOENT" || cause?.code === "ECONNREFUSED";
}
