import { IommuError } from "../../base/errors.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { HEADER_BYTES } from "../protocol/layout.ts";
import { isError, isReply, type MessageHeader } from "../protocol/message.ts";
import { type Arrival, type BodyRule, bodyBySize } from "../protocol/message-reader.ts";
import type { ServerProfile } from "./profile.ts";

/** What a server's reading of a header depends on, and what comes of it. */
export interface ReadingState {
  /** Id of the DMA message whose reply is taken from whatever comes next; undefined if nothing waits so. */
  awaited(): number | undefined;
  /** The message is refused, and never served. */
  refuse(errno: number): void;
}

/** Fixed bytes before the data of the largest message. */
const FIXED = 16;

/**
 * How many bytes of body a server reads behind a header. One that follows the
 * specification goes by the size; libvfio-user reads none of what it does not
 * like, which then counts as the next header.
 */
export function serverBodyRule(profile: ServerProfile, maxData: number, state: ReadingState): BodyRule {
  const bySize = bodyBySize(maxData + FIXED);
  if (!profile.badHeadersRefused) return bySize;
  const bytesOf = (header: MessageHeader, { available }: Arrival): number => {
    const { size, id } = header;
    const awaited = state.awaited();
    if (awaited !== undefined) {
      // An error reply is the bare header here; anything else than the reply collides.
      if (!isReply(header) || id !== awaited || isError(header) || size < HEADER_BYTES) return 0;
      return Math.min(size - HEADER_BYTES, maxData + FIXED);
    }
    if (
      isReply(header) ||
      (header.flags & 0xf) !== 0 ||
      size < HEADER_BYTES ||
      size > HEADER_BYTES + FIXED + maxData
    ) {
      state.refuse(ErrnoNumber.EINVAL);
      return 0;
    }
    const body = size - HEADER_BYTES;
    if (!profile.onePiece || available >= body) return body;
    state.refuse(ErrnoNumber.EINVAL);
    return available;
  };
  return (header, arrival) => {
    if (profile.onePiece && !arrival.inOnePiece) {
      throw new IommuError("PEER", "the header of a message came in more than one piece");
    }
    return bytesOf(header, arrival);
  };
}
