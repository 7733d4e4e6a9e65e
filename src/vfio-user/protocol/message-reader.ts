import { IommuError } from "../../base/errors.ts";
import { HEADER_BYTES } from "./layout.ts";
import { commandName, type Message, MessageFlag, type MessageHeader, readHeader } from "./message.ts";

/** How a header arrived, for who imitates a peer that cares. */
export interface Arrival {
  /** All of its bytes came at once. */
  readonly inOnePiece: boolean;
  /** Bytes behind it that are there already. */
  readonly available: number;
}

/**
 * Says how many bytes of body follow a header.
 *
 * @throws IommuError PEER to end the connection
 */
export type BodyRule = (header: MessageHeader, arrival: Arrival) => number;

/**
 * The rule of the protocol: the size of the header counts, whatever its flags say.
 *
 * @param maxBody the largest body that is taken
 */
export const bodyBySize =
  (maxBody: number): BodyRule =>
  ({ command, size, flags }) => {
    if (size < HEADER_BYTES || size > HEADER_BYTES + maxBody) {
      throw new IommuError(
        "PEER",
        `${commandName(command)} says it has ${size} bytes: ${HEADER_BYTES} to ${HEADER_BYTES + maxBody} are possible`,
        { size },
      );
    }
    if ((flags & MessageFlag.TYPE) > MessageFlag.REPLY) {
      throw new IommuError(
        "PEER",
        `${commandName(command)} is of type ${flags & MessageFlag.TYPE}, which is none`,
        {
          flags,
        },
      );
    }
    return size - HEADER_BYTES;
  };

/**
 * Cuts a stream of bytes, which comes in any pieces, into messages. Memory is
 * taken for one body at a time, as large as the rule allows; pieces that were
 * not asked for yet are kept as they are.
 */
export class MessageReader {
  /** May be changed between two messages. */
  bodyRule: BodyRule;
  #pieces: Uint8Array[] = [];
  /** The piece that is next, and the next byte in it. */
  #first = 0;
  #at = 0;
  #waiting = 0;
  readonly #head = new Uint8Array(HEADER_BYTES);
  #headFilled = 0;
  #header: MessageHeader | undefined;
  #body: Uint8Array = new Uint8Array(0);
  #bodyFilled = 0;

  constructor(bodyRule: BodyRule) {
    this.bodyRule = bodyRule;
  }

  /** Bytes that came and are in no message yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Is it within a message, so that an end of the stream cuts it? */
  get isWithinMessage(): boolean {
    return this.#waiting > 0 || this.#headFilled > 0 || this.#header !== undefined;
  }

  /** Takes a piece, which belongs to the reader from now on. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#waiting += piece.length;
  }

  /**
   * The next message, if all of it is there.
   *
   * @throws IommuError PEER where the rule does; the stream is of no use then
   */
  next(): Message | undefined {
    if (this.#header === undefined && !this.#startMessage()) return undefined;
    const body = this.#takeBody();
    if (body === undefined) return undefined;
    const { id, command, flags, errno } = this.#header!;
    this.#header = undefined;
    return { id, command, flags, errno, body };
  }

  #startMessage(): boolean {
    const startedBefore = this.#headFilled > 0;
    let pieces = 0;
    while (this.#headFilled < HEADER_BYTES) {
      const part = this.#take(HEADER_BYTES - this.#headFilled);
      if (part === undefined) return false;
      this.#head.set(part, this.#headFilled);
      this.#headFilled += part.length;
      pieces++;
    }
    this.#headFilled = 0;
    const header = readHeader(this.#head);
    const inOnePiece = pieces === 1 && !startedBefore;
    const bytes = this.bodyRule(header, { inOnePiece, available: this.#waiting });
    this.#header = header;
    // A body that is within one piece needs no copy.
    const first = this.#pieces[this.#first];
    const isWhole = bytes === 0 || (first !== undefined && first.length - this.#at >= bytes);
    this.#body = isWhole ? (this.#take(bytes) ?? new Uint8Array(0)) : new Uint8Array(bytes);
    this.#bodyFilled = isWhole ? bytes : 0;
    return true;
  }

  #takeBody(): Uint8Array | undefined {
    while (this.#bodyFilled < this.#body.length) {
      const part = this.#take(this.#body.length - this.#bodyFilled);
      if (part === undefined) return undefined;
      this.#body.set(part, this.#bodyFilled);
      this.#bodyFilled += part.length;
    }
    return this.#body;
  }

  /** Up to so many bytes of one piece; undefined if there are none. */
  #take(most: number): Uint8Array | undefined {
    const piece = this.#pieces[this.#first];
    if (piece === undefined || most === 0) return undefined;
    const part = piece.subarray(this.#at, this.#at + most);
    this.#at += part.length;
    this.#waiting -= part.length;
    if (this.#at === piece.length) this.#dropFirst();
    return part;
  }

  /** Pieces that are used up leave the list some at a time, so that many small ones cost no more than their bytes. */
  #dropFirst(): void {
    this.#at = 0;
    this.#first++;
    if (this.#first < this.#pieces.length && this.#first < 256) return;
    this.#pieces.splice(0, this.#first);
    this.#first = 0;
  }
}
