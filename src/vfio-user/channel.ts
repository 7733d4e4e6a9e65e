/**
 * A stream of bytes to the other side of a connection: a UNIX socket, or memory.
 *
 * @public
 */
export interface ByteChannel {
  /** Called with each piece that arrives, which belongs to the receiver. */
  onBytes: (bytes: Uint8Array) => void;
  /** Called once, when nothing can come any more. */
  onClosed: (reason: string) => void;
  /** Called when {@link isFull} is over. */
  onDrain: () => void;
  /** The other side takes less than it is sent: who can, waits for {@link onDrain}. */
  readonly isFull: boolean;
  /** Sends one message with one write. The bytes belong to the channel. */
  send(bytes: Uint8Array): void;
  /** Stops and starts what arrives; pieces on the way may still come. */
  pause(): void;
  resume(): void;
  close(): void;
}

/**
 * Runs something after a time, for limits of time. The library has no clock of its own.
 *
 * @public
 */
export interface Timers {
  /** Returns what calls it off. */
  after(milliseconds: number, run: () => void): () => void;
}

/** So much may be on the way before a channel of memory is full. */
const MEMORY_LIMIT = 2 ** 20;

/** One end of a connection in memory. What is sent arrives in order, in later turns, in the same pieces. */
class MemoryChannel implements ByteChannel {
  onBytes: (bytes: Uint8Array) => void = () => {};
  onClosed: (reason: string) => void = () => {};
  onDrain: () => void = () => {};
  other: MemoryChannel | undefined;
  #arriving: Uint8Array[] = [];
  #arrivingBytes = 0;
  #isPaused = false;
  #isScheduled = false;
  #isClosed = false;
  #otherClosed = false;

  get isFull(): boolean {
    const { other } = this;
    return other !== undefined && other.#arrivingBytes > MEMORY_LIMIT;
  }

  send(bytes: Uint8Array): void {
    const { other } = this;
    if (!this.#isClosed && other !== undefined) other.#arrive(bytes);
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

  #arrive(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#arriving.push(bytes);
    this.#arrivingBytes += bytes.length;
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
      const bytes = this.#arriving.shift()!;
      this.#arrivingBytes -= bytes.length;
      this.onBytes(bytes);
    }
    if (wasFull && !(other?.isFull ?? false)) other?.onDrain();
    if (this.#otherClosed && this.#arriving.length === 0 && !this.#isClosed) {
      this.#isClosed = true;
      this.onClosed("the other side closed the connection");
    }
  }
}

/**
 * Both ends of a connection in memory.
 *
 * @public
 */
export function memoryChannels(): [ByteChannel, ByteChannel] {
  const one = new MemoryChannel();
  const two = new MemoryChannel();
  one.other = two;
  two.other = one;
  return [one, two];
}
