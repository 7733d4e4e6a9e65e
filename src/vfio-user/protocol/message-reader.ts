import { IommuError } from "../../base/errors.ts";
import type { PassedFile } from "./channel.ts";
import { HEADER_BYTES, viewOf } from "./layout.ts";
import {
  commandName,
  type Message,
  MessageFlag,
  type MessageHeader,
  newHeader,
  readHeader,
} from "./message.ts";

/** How a header arrived, for who imitates a peer that cares. */
export interface Arrival {
  /** All of its bytes came at once. */
  readonly inOnePiece: boolean;
  /** Bytes behind it that are there already. */
  readonly available: number;
}

/**
 * Says how many bytes of body follow a header. What it gets is filled again for the next one.
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

const NOTHING = new Uint8Array(0);
/** An own buffer that is larger is not kept for later. */
const MAX_KEPT = 2 ** 18;

/** Files that came with some bytes: with the message that begins last in them. */
interface ArrivedFiles {
  /** Place in the stream behind those bytes. */
  readonly upTo: number;
  readonly files: readonly PassedFile[];
}

/**
 * Cuts a stream of bytes, which comes in any pieces, into messages.
 *
 * A piece that holds whole messages is read where it is. What is left of it is copied ({@link hold}), and what follows
 * is added to that, in one buffer that is used again; so memory is taken for what came, not for what a header promises.
 */
export class MessageReader {
  /** May be changed between two messages. */
  bodyRule: BodyRule;
  /** The bytes that wait are those from `#start` to `#end`. */
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  /** Our own buffer; `#bytes` is it, or a piece that is somebody else's. */
  #own: Uint8Array = NOTHING;
  /** Place of `#start` in the whole stream. */
  #place = 0;
  /** Places where pieces begin, of those that wait, from `#nextCut` on. */
  #cuts: number[] = [];
  #nextCut = 0;
  #files: ArrivedFiles[] = [];
  /** The header of the message that it is within, if it is. */
  readonly #header = newHeader();
  readonly #arrival = { inOnePiece: true, available: 0 };
  #hasHeader = false;
  #headerPlace = 0;
  #bodyBytes = 0;

  constructor(bodyRule: BodyRule) {
    this.bodyRule = bodyRule;
  }

  /** Bytes that came and are in no message yet. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** Is it within a message, so that an end of the stream cuts it? */
  get isWithinMessage(): boolean {
    return this.#end > this.#start || this.#hasHeader;
  }

  /** Takes a piece, which is used until {@link hold}. */
  push(piece: Uint8Array, files?: readonly PassedFile[]): void {
    if (files !== undefined) this.#files.push({ upTo: this.#place + this.waiting + piece.length, files });
    if (piece.length === 0) return;
    const waiting = this.#end - this.#start;
    // Cuts matter within headers alone.
    if (waiting > (this.#hasHeader ? this.#bodyBytes : 0)) this.#cuts.push(this.#place + waiting);
    if (waiting === 0) {
      this.#bytes = piece;
      this.#start = 0;
      this.#end = piece.length;
      return;
    }
    this.hold();
    this.#makeRoom(piece.length);
    this.#own.set(piece, this.#end);
    this.#end += piece.length;
  }

  /** Copies what waits of the last piece, which is the caller's again. */
  hold(): void {
    if (this.#bytes === this.#own) return;
    const piece = this.#bytes;
    const from = this.#start;
    const waiting = this.waiting;
    if (waiting === 0 && this.#own.length > MAX_KEPT) this.#own = NOTHING;
    this.#bytes = this.#own;
    this.#start = 0;
    this.#end = 0;
    if (waiting === 0) return;
    this.#makeRoom(waiting);
    this.#own.set(viewOf(piece, from, waiting));
    this.#end = waiting;
  }

  /**
   * The next message, if all of it is there.
   *
   * @throws IommuError PEER where the rule does; the stream is of no use then
   */
  next(): Message | undefined {
    if (!this.#hasHeader && !this.#startMessage()) return undefined;
    const bytes = this.#bodyBytes;
    if (this.waiting < bytes) return undefined;
    const { id, command, flags, errno } = this.#header;
    this.#hasHeader = false;
    const body = bytes === 0 ? NOTHING : viewOf(this.#bytes, this.#start, bytes);
    this.#pass(bytes);
    if (this.#files.length === 0) return { id, command, flags, errno, body };
    const files = this.#takeFiles();
    return files === undefined
      ? { id, command, flags, errno, body }
      : { id, command, flags, errno, body, files };
  }

  #startMessage(): boolean {
    if (this.waiting < HEADER_BYTES) return false;
    const header = readHeader(this.#bytes, this.#start, this.#header);
    const arrival = this.#arrival;
    this.#headerPlace = this.#place;
    const cut = this.#nextCutBehind(this.#place);
    this.#pass(HEADER_BYTES);
    arrival.inOnePiece = cut === undefined || cut >= this.#place;
    arrival.available = this.waiting;
    this.#bodyBytes = this.bodyRule(header, arrival);
    this.#hasHeader = true;
    return true;
  }

  #pass(bytes: number): void {
    this.#start += bytes;
    this.#place += bytes;
  }

  /** Where the first piece begins that begins behind a place. */
  #nextCutBehind(place: number): number | undefined {
    const cuts = this.#cuts;
    if (cuts.length === 0) return undefined;
    while (this.#nextCut < cuts.length && cuts[this.#nextCut]! <= place) this.#nextCut++;
    const cut = cuts[this.#nextCut];
    // Those that were passed leave the list some at a time, so that many small pieces cost no more than their bytes.
    if (cut === undefined || this.#nextCut >= 256) {
      cuts.splice(0, this.#nextCut);
      this.#nextCut = 0;
    }
    return cut;
  }

  /** Files of the message that ends here. */
  #takeFiles(): readonly PassedFile[] | undefined {
    const mine: PassedFile[] = [];
    while (this.#files.length > 0 && this.#files[0]!.upTo <= this.#place) {
      const { upTo, files } = this.#files.shift()!;
      if (upTo > this.#headerPlace) mine.push(...files);
    }
    return mine.length === 0 ? undefined : mine;
  }

  /** Room for so many bytes behind those in the own buffer. */
  #makeRoom(bytes: number): void {
    const waiting = this.waiting;
    if (this.#end + bytes <= this.#own.length) return;
    const needed = waiting + bytes;
    // At least half of it is free after a move, so that moves cost no more than the bytes.
    const larger = needed * 2 <= this.#own.length ? this.#own : new Uint8Array(2 * needed);
    larger.set(this.#own.subarray(this.#start, this.#end));
    this.#own = this.#bytes = larger;
    this.#start = 0;
    this.#end = waiting;
  }
}
