import { IommuError } from "../../base/errors.ts";
import { LinesAhead } from "../lines/lines-ahead.ts";
import type { ByteStream } from "../migration/source.ts";
import { nodeBuiltin } from "./node-builtin.ts";
import type { Packing } from "./packing.ts";
import type { FromUnpacker, SentError, ToUnpacker, UnpackTask } from "./thread-messages.ts";
import { Turn } from "./turn.ts";
import { unpack } from "./unpack.ts";

/** The part of Node's `worker_threads` that is used. */
interface Threads {
  Worker: new (program: URL, options: { workerData: UnpackTask; execArgv: readonly string[] }) => Thread;
}

interface Thread {
  on(event: "message", handle: (message: FromUnpacker) => void): void;
  on(event: "error", handle: (error: Error) => void): void;
  postMessage(message: ToUnpacker, transfer?: readonly ArrayBufferLike[]): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<unknown>;
}

/** What the thread runs, and where it lies: in two constants, so that who bundles this for a browser does not look for it. */
const PROGRAM = "./unpack-worker.js";
const HERE: string | undefined = import.meta.url;

/**
 * Takes one packing off in a thread of its own, which unpacks ahead of whoever looks at what is unpacked, adds up its
 * sums, and finds lines for who reads it as a text of events. Where no thread can be had, it is done in this one.
 *
 * @param packed is asked for several chunks before they are needed
 * @param name of the input, for messages
 * @returns chunks that are lent: each is taken back when the next one is asked for
 * @throws IommuError as {@link unpack} does
 */
export async function* unpackInThread(packing: Packing, packed: ByteStream, name: string): ByteStream {
  const unpacker = await Unpacker.begin({ packing, name });
  yield* unpacker === undefined ? unpack(packing, packed, name) : unpacker.unpack(packed);
}

class Unpacker {
  readonly #thread: Thread;
  readonly #came: FromUnpacker[] = [];
  readonly #somethingCame = new Turn();
  /** Pieces of packed bytes that the thread takes now. */
  #room = 0;
  readonly #roomCame = new Turn();
  #isClosed = false;
  /** What the source of the packed bytes threw. */
  #failure: unknown;

  private constructor(thread: Thread) {
    this.#thread = thread;
    // Whoever goes away without a word keeps nothing alive.
    thread.unref();
    thread.on("message", (message) => {
      if (message.kind !== "more") this.#take(message);
      else {
        this.#room++;
        this.#roomCame.come();
      }
    });
    thread.on("error", (error) => this.#take({ kind: "error", error: { kind: "other", error, values: {} } }));
  }

  /** Undefined where there are no threads, or where their program is not found, as somebody put ours into one file. */
  static async begin(task: UnpackTask): Promise<Unpacker | undefined> {
    const threads = nodeBuiltin<Threads>("worker_threads");
    if (threads === undefined || HERE === undefined) return undefined;
    let thread: Thread;
    try {
      thread = new threads.Worker(new URL(PROGRAM, HERE), { workerData: task, execArgv: [] });
    } catch {
      return undefined;
    }
    const unpacker = new Unpacker(thread);
    const { kind } = await unpacker.#next();
    if (kind === "ready") return unpacker;
    unpacker.#close();
    return undefined;
  }

  async *unpack(packed: ByteStream): ByteStream {
    const fed = this.#feed(packed);
    const ahead = new LinesAhead();
    try {
      for (let message = await this.#next(); message.kind !== "end"; message = await this.#next()) {
        if (message.kind === "error") throw this.#received(message.error);
        if (message.kind !== "piece") continue;
        const { buffer, length, found } = message;
        const chunk = new Uint8Array(buffer, 0, length);
        ahead.offer(chunk, found);
        yield chunk;
        const words = found?.buffer;
        const notes = ahead.takeNotes();
        this.#thread.postMessage(
          { kind: "looked-at", buffer, words, notes },
          words === undefined ? [buffer] : [buffer, words],
        );
      }
    } finally {
      ahead.end();
      this.#close();
      // Whoever has closed this may open the source again, or close what it reads from.
      await fed;
    }
  }

  /**
   * Gives packed bytes to the thread, as fast as it takes them. What their source throws comes back as the thread's error, when
   * all before was looked at.
   */
  async #feed(packed: ByteStream): Promise<void> {
    try {
      for await (const chunk of packed) {
        while (this.#room === 0 && !this.#isClosed) await this.#roomCame.next();
        if (this.#isClosed) return;
        this.#room--;
        // Chunks are lent.
        const bytes = new Uint8Array(chunk);
        this.#thread.postMessage({ kind: "packed", bytes }, [bytes.buffer]);
      }
      this.#thread.postMessage({ kind: "end" });
    } catch (cause) {
      this.#failure = cause;
      this.#thread.postMessage({ kind: "failed" });
    }
  }

  #take(message: FromUnpacker): void {
    this.#came.push(message);
    this.#somethingCame.come();
  }

  /** What the thread says next; only who waits for it keeps the process alive. */
  async #next(): Promise<FromUnpacker> {
    if (this.#came.length === 0) {
      this.#thread.ref();
      await this.#somethingCame.next();
      this.#thread.unref();
    }
    return this.#came.shift()!;
  }

  #received(error: SentError): unknown {
    if (error.kind === "source") return this.#failure;
    if (error.kind === "other")
      return error.error instanceof Error ? Object.assign(error.error, error.values) : error.error;
    const cause = error.cause === undefined ? undefined : this.#received(error.cause);
    return new IommuError(error.code, error.message, error.details, { cause });
  }

  #close(): void {
    this.#isClosed = true;
    this.#roomCame.come();
    this.#thread.terminate().catch(() => {});
  }
}
