import type { ByteChannel, FileMaker, PassedFile } from "./protocol/channel.ts";

/** So much may be on the way before a channel of memory is full. */
const MEMORY_LIMIT = 2 ** 20;

interface Piece {
  readonly bytes: Uint8Array;
  readonly files: readonly PassedFile[] | undefined;
}

/** One end of a connection in memory. What is sent arrives in order, in later turns, in the same pieces. */
class MemoryChannel implements ByteChannel {
  onBytes: (bytes: Uint8Array, files?: readonly PassedFile[]) => void = () => {};
  onClosed: (reason: string) => void = () => {};
  onDrain: () => void = () => {};
  readonly files?: FileMaker;
  /** What was sent is the other side's. */
  readonly isFlushed: boolean = false;
  other: MemoryChannel | undefined;
  #arriving: Piece[] = [];
  #arrivingBytes = 0;
  #isPaused = false;
  #isScheduled = false;
  #isClosed = false;
  #otherClosed = false;

  constructor(passesFiles: boolean) {
    if (passesFiles) this.files = MEMORY_FILES;
  }

  get isFull(): boolean {
    const { other } = this;
    return other !== undefined && other.#arrivingBytes > MEMORY_LIMIT;
  }

  send(bytes: Uint8Array, files?: readonly PassedFile[]): void {
    const { other } = this;
    if (!this.#isClosed && other !== undefined) other.#arrive({ bytes, files });
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#arriving = [];
    this.#arrivingBytes = 0;
    const { other } = this;
    if (other === undefined) return;
    other.#otherClosed = true;
    other.#schedule();
  }

  #arrive(piece: Piece): void {
    if (this.#isClosed) return;
    this.#arriving.push(piece);
    this.#arrivingBytes += piece.bytes.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isPaused) return;
    this.#isScheduled = true;
    Promise.resolve().then(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const { other } = this;
    const wasFull = other?.isFull ?? false;
    while (!this.#isPaused && !this.#isClosed && this.#arriving.length > 0) {
      const { bytes, files } = this.#arriving.shift()!;
      this.#arrivingBytes -= bytes.length;
      this.onBytes(bytes, files);
    }
    if (wasFull && !(other?.isFull ?? false)) other?.onDrain();
    if (this.#otherClosed && this.#arriving.length === 0 && !this.#isClosed) {
      this.#isClosed = true;
      this.onClosed("the other side closed the connection");
    }
  }
}

/** Files of one process: what passes one keeps both of its ends. */
const MEMORY_FILES: FileMaker = {
  event: (onSignal) => ({
    signal: () => onSignal(1),
    channel: closedChannel,
    close: () => {},
  }),
  stream() {
    const [mine, passed] = memoryChannels(true);
    return { channel: mine, file: { signal: () => {}, channel: () => passed, close: () => passed.close() } };
  },
};

/** What an event is as a stream: one that is at its end. */
function closedChannel(): ByteChannel {
  const [channel, other] = memoryChannels();
  other.close();
  return channel;
}

/**
 * Both ends of a connection in memory.
 *
 * @param passesFiles events and streams can be passed along with messages
 * @public
 */
export function memoryChannels(passesFiles = false): [ByteChannel, ByteChannel] {
  const one = new MemoryChannel(passesFiles);
  const two = new MemoryChannel(passesFiles);
  one.other = two;
  two.other = one;
  return [one, two];
}
