import { type ChildProcess, execFile, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { IommuError } from "../base/errors.ts";
import type { ByteChannel, FileMaker, PassedFile } from "../vfio-user/protocol/channel.ts";
import { PASSER_PROGRAM, PasserRecord, RECORD_HEAD } from "./file-passer-program.ts";

/** The program that runs it; `PYTHON3` of the environment names another one. */
const PYTHON = "python3";
/** How long it may take to start. */
const START_MS = 20_000;
/** Bytes that wait to be written: a side that reads more slowly has to wait for its own commands. */
const FULL = 2 ** 20;
const MAIN = 0;

/**
 * A UNIX socket as a channel along which files can be passed: interrupts, and a second connection. A helper process holds the
 * socket, as Node cannot do that; it ends with the channel.
 *
 * @param socket nothing of which was read yet; it is the helper's from now on
 * @throws IommuError UNSUPPORTED if there is no Python that can pass files
 */
export async function passingFiles(socket: Socket): Promise<ByteChannel> {
  const python = await findPassingPython();
  const child = spawn(python, ["-I", "-S", "-c", PASSER_PROGRAM], {
    stdio: ["pipe", "pipe", "pipe", socket],
  });
  socket.destroy();
  const passer = new FilePasser(child);
  try {
    await passer.ready;
  } catch (cause) {
    child.kill();
    throw cannot(python, (cause as Error).message, cause);
  }
  // It reads nothing before somebody listens.
  setImmediate(() => passer.main.resume());
  return passer.main;
}

/** Says which program it is; ends with a word about why if files cannot be passed. */
const CHECK = `
import os, socket, sys
if not hasattr(os, "eventfd") or not hasattr(socket, "send_fds"):
    sys.exit("it is Python %d.%d" % sys.version_info[:2])
print(sys.executable)
`;
/** What was found by its name: who is asked for first may be a script that takes longer than Python itself. */
const found = new Map<string, string>();

/**
 * A Python that can pass files.
 *
 * @throws IommuError UNSUPPORTED if there is none
 */
export function findPassingPython(): Promise<string> {
  const python = process.env.PYTHON3 || PYTHON;
  const known = found.get(python);
  if (known !== undefined) return Promise.resolve(known);
  return new Promise((resolve, reject) => {
    execFile(python, ["-I", "-c", CHECK], { timeout: START_MS }, (cause, stdout, stderr) => {
      const program = stdout.trim();
      if (cause === null && program !== "") {
        found.set(python, program);
        resolve(program);
      } else if (cause === null) reject(cannot(python, "it does not say what it is", null));
      else reject(cannot(python, cause.code === "ENOENT" ? "it is not installed" : stderr.trim(), cause));
    });
  });
}

const cannot = (python: string, why: string, cause: unknown): IommuError =>
  new IommuError(
    "UNSUPPORTED",
    `files (interrupts, twin socket) are passed by ${python} from 3.10 on: ${why}`,
    { python },
    cause === null ? {} : { cause },
  );

/** The helper of one connection. */
class FilePasser implements FileMaker {
  /** Resolves when it can be used. */
  readonly ready: Promise<void>;
  readonly main: PassedStream;
  readonly #input: Writable;
  readonly #streams = new Map<number, PassedStream>();
  readonly #events = new Map<number, (count: number) => void>();
  #nextNumber = 1;
  #held: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #said = "";
  #resolveReady!: () => void;

  constructor(child: ChildProcess) {
    this.#input = child.stdin!;
    this.main = this.#stream(MAIN);
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      const late = setTimeout(() => reject(new Error("it does not answer")), START_MS);
      child.once("error", reject);
      child.once("close", () => {
        clearTimeout(late);
        reject(new Error(this.#said.trim().split("\n").at(-1) || "it ended"));
        for (const stream of [...this.#streams.values()]) stream.end("the helper that passes files ended");
      });
      void this.ready?.catch(() => {});
    });
    this.#input.on("error", () => {});
    this.#input.on("drain", () => {
      for (const stream of this.#streams.values()) stream.onDrain();
    });
    child.stderr!.on("data", (chunk) => {
      this.#said = (this.#said + String(chunk)).slice(-4096);
    });
    (child.stdout as Readable).on("data", (chunk: Buffer) => this.#read(chunk));
  }

  /** Bytes that wait for the helper. */
  get waiting(): number {
    return this.#input.writableLength;
  }

  /** Sends a record. */
  tell(kind: number, number: number, ...parts: readonly Uint8Array[]): void {
    if (!this.#input.writable) return;
    const head = Buffer.alloc(RECORD_HEAD);
    head.writeUInt8(kind, 0);
    head.writeUInt32LE(number, 1);
    head.writeUInt32LE(
      parts.reduce((sum, { length }) => sum + length, 0),
      5,
    );
    this.#input.write(Buffer.concat([head, ...parts]));
  }

  event(onSignal: (count: number) => void): PassedFile {
    const number = this.#nextNumber++;
    this.#events.set(number, onSignal);
    this.tell(PasserRecord.EVENT, number);
    return new HeldFile(this, number);
  }

  stream(): { file: PassedFile; channel: ByteChannel } {
    const number = this.#nextNumber;
    this.#nextNumber += 2;
    this.tell(PasserRecord.PAIR, number);
    return { channel: this.#stream(number), file: new HeldFile(this, number + 1) };
  }

  /** A file that came is a stream from now on. */
  adopt(number: number): ByteChannel {
    const stream = this.#stream(number);
    this.tell(PasserRecord.ADOPT, number);
    return stream;
  }

  /** A file is not needed any more. */
  drop(number: number): void {
    this.#events.delete(number);
    this.#streams.delete(number);
    this.tell(PasserRecord.CLOSE, number);
    // Without its connection the helper has nothing to do: it sends what it has, and ends.
    if (number === MAIN) this.#input.end();
  }

  #stream(number: number): PassedStream {
    const stream = new PassedStream(this, number);
    this.#streams.set(number, stream);
    return stream;
  }

  #read(chunk: Buffer): void {
    let held: Buffer<ArrayBufferLike> = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (held.length >= RECORD_HEAD) {
      const end = RECORD_HEAD + held.readUInt32LE(5);
      if (held.length < end) break;
      this.#take(held.readUInt8(0), held.readUInt32LE(1), held.subarray(RECORD_HEAD, end));
      held = held.subarray(end);
    }
    this.#held = held;
  }

  #take(kind: number, number: number, payload: Buffer): void {
    if (kind === PasserRecord.READY) this.#resolveReady();
    else if (kind === PasserRecord.EVENT) this.#events.get(number)?.(Number(payload.readBigUInt64LE(0)));
    else if (kind === PasserRecord.CLOSE)
      this.#streams.get(number)?.end("the other side closed the connection");
    else if (kind === PasserRecord.DATA) this.#deliver(number, payload);
  }

  #deliver(number: number, payload: Buffer): void {
    const count = payload.readUInt32LE(0);
    const files = Array.from(
      { length: count },
      (_, i) => new HeldFile(this, payload.readUInt32LE(4 + 4 * i)),
    );
    const bytes = payload.subarray(4 + 4 * count);
    const stream = this.#streams.get(number);
    if (stream === undefined) for (const file of files) file.close();
    else
      stream.onBytes(
        new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
        count === 0 ? undefined : files,
      );
  }
}

/** A file that the helper holds for us. */
class HeldFile implements PassedFile {
  readonly number: number;
  readonly #passer: FilePasser;

  constructor(passer: FilePasser, number: number) {
    this.#passer = passer;
    this.number = number;
  }

  signal(): void {
    this.#passer.tell(PasserRecord.SIGNAL, this.number);
  }

  channel(): ByteChannel {
    return this.#passer.adopt(this.number);
  }

  close(): void {
    this.#passer.drop(this.number);
  }
}

/** A connection that the helper holds for us. */
class PassedStream implements ByteChannel {
  onBytes: (bytes: Uint8Array, files?: readonly PassedFile[]) => void = () => {};
  onClosed: (reason: string) => void = () => {};
  onDrain: () => void = () => {};
  readonly files: FileMaker;
  /** What was sent was copied into a record. */
  readonly isFlushed: boolean = true;
  readonly #passer: FilePasser;
  readonly #number: number;
  #isEnded = false;

  constructor(passer: FilePasser, number: number) {
    this.#passer = passer;
    this.files = passer;
    this.#number = number;
  }

  get isFull(): boolean {
    return this.#passer.waiting > FULL;
  }

  send(bytes: Uint8Array, files: readonly PassedFile[] = []): void {
    if (this.#isEnded) return;
    const numbers = Buffer.alloc(4 + 4 * files.length);
    numbers.writeUInt32LE(files.length, 0);
    files.forEach((file, i) => {
      numbers.writeUInt32LE((file as HeldFile).number, 4 + 4 * i);
    });
    this.#passer.tell(PasserRecord.DATA, this.#number, numbers, bytes);
  }

  pause(): void {
    this.#passer.tell(PasserRecord.PAUSE, this.#number);
  }

  resume(): void {
    this.#passer.tell(PasserRecord.RESUME, this.#number);
  }

  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#passer.drop(this.#number);
  }

  /** Nothing comes any more. */
  end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#passer.drop(this.#number);
    this.onClosed(reason);
  }
}
