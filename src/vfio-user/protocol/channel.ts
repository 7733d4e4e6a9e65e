/**
 * A file that is passed along with a message: an event, or one end of a stream.
 *
 * @public
 */
export interface PassedFile {
  /** Of an event: adds one to it. */
  signal(): void;
  /** Of a stream: the channel that it is from now on. */
  channel(): ByteChannel;
  /** It is not needed any more. */
  close(): void;
}

/**
 * Makes files to be passed. Where the operating system passes files, and somebody does that for us.
 *
 * @public
 */
export interface FileMaker {
  /** A new event; `onSignal` hears how often it was signalled since it heard last. */
  event(onSignal: (count: number) => void): PassedFile;
  /** A new stream: one end to pass, the other one to use. */
  stream(): { readonly file: PassedFile; readonly channel: ByteChannel };
}

/**
 * A stream of bytes to the other side of a connection: a UNIX socket, or memory.
 *
 * @public
 */
export interface ByteChannel {
  /**
   * Called with each piece that arrives, which may be used until it returns, and with the files that came along with the
   * message that begins last in it.
   */
  onBytes: (bytes: Uint8Array, files?: readonly PassedFile[]) => void;
  /** Called once, when nothing can come any more. */
  onClosed: (reason: string) => void;
  /** Called when {@link isFull} is over. */
  onDrain: () => void;
  /** The other side takes less than it is sent: who can, waits for {@link onDrain}. */
  readonly isFull: boolean;
  /** Files can be passed here, and so they are made. */
  readonly files?: FileMaker;
  /** All that was sent is written: the bytes of the last message may be used for another one. */
  readonly isFlushed: boolean;
  /** Sends one message with one write, and files along with it, which {@link ByteChannel.files} made. */
  send(bytes: Uint8Array, files?: readonly PassedFile[]): void;
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
