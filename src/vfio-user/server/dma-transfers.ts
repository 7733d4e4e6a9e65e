import { IommuError } from "../../base/errors.ts";
import { hex64 } from "../../base/u64.ts";
import { type Peer, RefusedError, sentErrno } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import type { Frame } from "../protocol/layout.ts";
import { Command, commandName, isError, type Message } from "../protocol/message.ts";
import { DmaAccess } from "../protocol/payloads.ts";
import { MAX_DATA } from "./context.ts";

/** DMA of a device by messages to its client, in as many as it takes. */
export class DmaTransfers {
  /** Bytes of data of one message. */
  mostAtOnce: number = MAX_DATA;
  /** The connection that they go on. */
  carrier: Peer;
  readonly #peer: Peer;
  readonly #onWritten: (address: bigint, bytes: number) => void;

  /**
   * @param peer the client's connection, which a wrong reply ends
   * @param onWritten called when the client has written what it was sent
   */
  constructor(peer: Peer, onWritten: (address: bigint, bytes: number) => void) {
    this.#peer = peer;
    this.carrier = peer;
    this.#onWritten = onWritten;
  }

  read(address: bigint, bytes: number, into: Uint8Array): Promise<Uint8Array> {
    return bytes <= this.mostAtOnce
      ? this.#read(address, bytes, into)
      : this.#readPieces(address, bytes, into);
  }

  write(address: bigint, data: Uint8Array): Promise<void> {
    return data.length <= this.mostAtOnce ? this.#write(address, data) : this.#writePieces(address, data);
  }

  #pieces(bytes: number): { at: number; count: number }[] {
    const most = this.mostAtOnce;
    return Array.from({ length: Math.ceil(bytes / most) }, (_, i) => ({
      at: i * most,
      count: Math.min(most, bytes - i * most),
    }));
  }

  async #readPieces(address: bigint, bytes: number, into: Uint8Array): Promise<Uint8Array> {
    for (const { at, count } of this.#pieces(bytes)) {
      await this.#read(address + BigInt(at), count, into.subarray(at, at + count));
    }
    return into;
  }

  async #writePieces(address: bigint, data: Uint8Array): Promise<void> {
    for (const { at, count } of this.#pieces(data.length)) {
      await this.#write(address + BigInt(at), data.subarray(at, at + count));
    }
  }

  #read(address: bigint, bytes: number, into: Uint8Array): Promise<Uint8Array> {
    const access = { address, count: BigInt(bytes) };
    return this.#send(Command.DMA_READ, DmaAccess.frame(access), (reply) => {
      this.#checkEcho(reply, access, bytes);
      into.set(DmaAccess.tail(reply.body));
      return into;
    });
  }

  #write(address: bigint, data: Uint8Array): Promise<void> {
    const access = { address, count: BigInt(data.length) };
    const frame = DmaAccess.frame(access, data, this.#peer.frames.take);
    return this.#send(Command.DMA_WRITE, frame, (reply) => {
      this.#checkEcho(reply, access, 0);
      this.#onWritten(address, data.length);
    });
  }

  /** Sends a message and waits; a blocking server waits for nothing else. */
  #send<T>(command: number, frame: Frame, take: (reply: Message) => T): Promise<T> {
    const { carrier } = this;
    const done = carrier.command(command, frame, (reply) => {
      if (isError(reply)) throw new RefusedError(sentErrno(reply.errno), commandName(command));
      return take(reply);
    });
    carrier.pump();
    return done;
  }

  /** A reply with too few bytes ends the connection; one that repeats something else is an error for the device. */
  #checkEcho(
    { command, body }: Message,
    { address, count }: { address: bigint; count: bigint },
    dataBytes: number,
  ): void {
    const what = (): string => `reply to ${commandName(command)} at ${hex64(address)}`;
    if (body.length === 0) throw new RefusedError(ErrnoNumber.EINVAL, `${what()} is empty`);
    if (body.length !== DmaAccess.bytes + dataBytes) {
      const error = new IommuError(
        "PEER",
        `client: ${what()} has ${body.length} bytes: ${DmaAccess.bytes + dataBytes} expected`,
      );
      this.#peer.close(error);
      throw error;
    }
    const echo = DmaAccess.read(body);
    if (echo.address !== address || echo.count !== count) {
      throw new RefusedError(
        ErrnoNumber.EINVAL,
        `${what()} is for ${echo.count} bytes at ${hex64(echo.address)}`,
      );
    }
  }
}
