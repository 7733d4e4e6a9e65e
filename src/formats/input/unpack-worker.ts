/**
 * Unpacks in a thread of its own, which `unpack-thread.ts` starts.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import { LineFinder } from "../lines/line-finder.ts";
import type { ByteStream } from "../migration/source.ts";
import { nodeBuiltin } from "./node-builtin.ts";
import type { FromUnpacker, SentError, ToUnpacker, UnpackTask } from "./thread-messages.ts";
import { Turn } from "./turn.ts";
import { unpack } from "./unpack.ts";

/** The part of Node's `worker_threads` that is used. */
interface Threads {
  readonly parentPort: {
    on(event: "message", handle: (message: ToUnpacker) => void): void;
    postMessage(message: FromUnpacker, transfer?: readonly ArrayBuffer[]): void;
  };
  readonly workerData: UnpackTask;
}

/** Pieces of packed bytes that are asked for before they are needed. */
const AHEAD = 4;

/** What is unpacked waits in these until somebody looks at it. They change hands: memory that both threads see took longer (docs/speed.md). */
const BUFFERS = 8;
const BUFFER_BYTES = 2 ** 19;

const SOURCE_FAILED = new Error("the source failed");

const { parentPort: port, workerData: task } = nodeBuiltin<Threads>("worker_threads")!;
const packed: Uint8Array[] = [];
const packedCame = new Turn();
/** How the packed bytes end, once that is known. */
let end: "end" | "failed" | undefined;
const buffers = Array.from({ length: BUFFERS }, () => new ArrayBuffer(BUFFER_BYTES));
const bufferCame = new Turn();
const finder = new LineFinder();
/** For what is found in them: a record takes about as much room as its line. They are made when they are needed first. */
const wordBuffers: ArrayBuffer[] = [];

port.on("message", (message) => {
  if (message.kind === "looked-at") {
    buffers.push(message.buffer);
    if (message.words !== undefined) wordBuffers.push(message.words);
    finder.learn(message.notes);
    bufferCame.come();
    return;
  }
  if (message.kind === "packed") packed.push(message.bytes);
  else end = message.kind;
  packedCame.come();
});

async function* source(): ByteStream {
  for (;;) {
    while (packed.length === 0 && end === undefined) await packedCame.next();
    const piece = packed.shift();
    if (piece === undefined) break;
    port.postMessage({ kind: "more" });
    yield piece;
  }
  if (end === "failed") throw SOURCE_FAILED;
}

/** Hands a piece over, in as many buffers as it takes. */
async function handOver(piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; at += BUFFER_BYTES) {
    while (buffers.length === 0) await bufferCame.next();
    const buffer = buffers.pop()!;
    const part = piece.subarray(at, at + BUFFER_BYTES);
    new Uint8Array(buffer).set(part);
    const found = finder.find(part, () => wordBuffers.pop() ?? new ArrayBuffer(BUFFER_BYTES));
    const sent = found === undefined ? [buffer] : [buffer, found.buffer];
    port.postMessage({ kind: "piece", buffer, length: part.length, found }, sent);
  }
}

/** What Node's errors say beside their message; anything else may not be sent. */
const valuesOf = (error: unknown): Readonly<Record<string, string | number>> =>
  Object.fromEntries(
    Object.entries(error ?? {}).filter(([, value]) => typeof value === "string" || typeof value === "number"),
  );

function sent(error: unknown): SentError {
  if (error === SOURCE_FAILED) return { kind: "source" };
  if (!(error instanceof IommuError)) return { kind: "other", error, values: valuesOf(error) };
  const { code, message, details, cause } = error;
  return { kind: "iommu", code, message, details, cause: cause === undefined ? undefined : sent(cause) };
}

port.postMessage({ kind: "ready" });
for (let i = 0; i < AHEAD; i++) port.postMessage({ kind: "more" });
try {
  for await (const piece of unpack(task.packing, source(), task.name)) await handOver(piece);
  port.postMessage({ kind: "end" });
} catch (error) {
  port.postMessage({ kind: "error", error: sent(error) });
}
