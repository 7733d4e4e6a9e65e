import { connect, createServer, type Server, type Socket } from "node:net";
import { IommuError } from "../base/errors.ts";
import type { ByteChannel, Timers } from "../vfio-user/protocol/channel.ts";
import { findPassingPython, passingFiles } from "./file-passer.ts";

/** Bytes that wait to be written: a side that reads more slowly has to wait for its own commands. */
const FULL = 2 ** 20;
/** Bytes of one read. */
const READ_BYTES = 2 ** 17;
/** How long a server may take from its start to listening. */
const START_MS = 2_000;
const RETRY_MS = 20;
/** What one meets that was just started: no socket yet, or nobody who listens on it. */
const STARTING: readonly string[] = ["ECONNREFUSED", "ENOENT"];

/**
 * The clock of Node, for limits of time.
 *
 * @public
 */
export const nodeTimers: Timers = {
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** A UNIX socket as a channel. */
class SocketChannel implements ByteChannel {
  onBytes: (bytes: Uint8Array) => void = () => {};
  onClosed: (reason: string) => void = () => {};
  onDrain: () => void = () => {};
  readonly #socket: Socket;
  /** The last piece that came. */
  #piece = new Uint8Array(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    let reason = "the other side closed the connection";
    socket.on("data", (chunk) => this.onBytes(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      reason = error.code ?? error.message;
    });
    socket.on("drain", () => this.onDrain());
    // A server leaves its connections unread until they are served.
    queueMicrotask(() => socket.resume());
    socket.on("close", () => this.onClosed(reason));
  }

  /** So many bytes came, at the start of a buffer that is always the same; most are as many as those before. */
  take({ buffer }: Uint8Array<ArrayBuffer>, length: number): void {
    if (this.#piece.length !== length) this.#piece = new Uint8Array(buffer, 0, length);
    this.onBytes(this.#piece);
  }

  get isFlushed(): boolean {
    return this.#socket.writableLength === 0;
  }

  get isFull(): boolean {
    return this.#socket.writableLength > FULL;
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroySoon();
  }
}

/**
 * How a socket is used.
 *
 * @public
 */
export interface SocketOptions {
  /** Files can be passed along: interrupts, and a twin socket. That takes a helper process, Python from 3.10 on. */
  readonly passFiles?: boolean | undefined;
}

/**
 * Connects to a vfio-user server. One that was just started is waited for.
 *
 * @param path of the socket
 * @throws IommuError PEER if nobody listens there, UNSUPPORTED if files cannot be passed; the signal's reason
 * @public
 */
export async function connectDevice(
  path: string,
  signal?: AbortSignal,
  { passFiles = false }: SocketOptions = {},
): Promise<ByteChannel> {
  const until = performance.now() + START_MS;
  for (;;) {
    signal?.throwIfAborted();
    const connected = await tryConnect(path);
    if (typeof connected !== "string")
      return passFiles ? await passingFiles(connected.socket) : connected.channel;
    if (!STARTING.includes(connected) || performance.now() > until) {
      throw new IommuError("PEER", `${path}: ${connected}: no vfio-user server listens there`, { path });
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The connection, or the code of the error. */
function tryConnect(path: string): Promise<{ socket: Socket; channel: ByteChannel } | string> {
  return new Promise((resolve) => {
    // All that comes goes through one buffer: Node would make one of 64 KiB for each read, which keeps the collector busy.
    const buffer = new Uint8Array(READ_BYTES);
    const callback = (bytes: number): boolean => {
      channel.take(buffer, bytes);
      return true;
    };
    const socket = connect({ path, onread: { buffer, callback } });
    const channel = new SocketChannel(socket);
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("connect", () => resolve({ socket, channel }));
  });
}

/**
 * A device that listens.
 *
 * @public
 */
export interface ListeningDevice {
  /** Ends it, and a connection that there is; its socket is gone then. */
  close(): Promise<void>;
}

/**
 * Listens on a socket that is made, and serves one client after the other: a second one waits until the first has left.
 *
 * @param path of the socket, which must not exist
 * @param serve takes a connection, and resolves when it is over
 * @throws IommuError PEER if the socket cannot be made, UNSUPPORTED if files cannot be passed
 * @public
 */
export async function listenForHosts(
  path: string,
  serve: (channel: ByteChannel) => Promise<unknown>,
  { passFiles = false }: SocketOptions = {},
): Promise<ListeningDevice> {
  const waiting: Socket[] = [];
  const open = new Set<Socket>();
  const channels = new Set<ByteChannel>();
  let isServing = false;
  const next = async (): Promise<void> => {
    if (isServing) return;
    isServing = true;
    for (let socket = waiting.shift(); socket !== undefined; socket = waiting.shift()) {
      if (!socket.destroyed) {
        // Where the helper does not start, after all, this host hears the end, and the next one is served.
        const channel = passFiles
          ? await passingFiles(socket).catch(() => undefined)
          : new SocketChannel(socket);
        if (channel !== undefined) {
          channels.add(channel);
          await serve(channel);
          channels.delete(channel);
        }
      }
      open.delete(socket);
    }
    isServing = false;
  };
  // Nothing is read of a client until it is served.
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    open.add(socket);
    // Without a listener an error of one that waits would end the process; its turn finds it destroyed.
    socket.on("error", () => {});
    waiting.push(socket);
    void next();
  });
  if (passFiles) await findPassingPython();
  await listen(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const channel of channels) channel.close();
        for (const socket of open) socket.destroy();
      }),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(
        new IommuError("PEER", `${path}: cannot listen: ${cause.code ?? cause.message}`, { path }, { cause }),
      );
    });
    server.listen(path, () => resolve());
  });
}
