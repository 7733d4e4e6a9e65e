import type { ByteChannel, Timers } from "../protocol/channel.ts";
import { HEADER_BYTES } from "../protocol/layout.ts";
import { Command, isError, isReply, readHeader } from "../protocol/message.ts";
import { RegionAccess } from "../protocol/payloads.ts";
import type { ServerProfile } from "../server/profile.ts";
import { ServerSession } from "../server/session.ts";
import { MailboxDma, type MailboxMistake } from "./mailbox-dma.ts";

/**
 * How the sample device is served.
 *
 * @public
 */
export interface MailboxOptions {
  readonly profile?: ServerProfile | undefined;
  readonly timers?: Timers | undefined;
  /** A mistake that it makes. */
  readonly mistake?: MailboxMistake | undefined;
}

/**
 * Serves a {@link MailboxDma} on a connection, with its mistakes in the protocol, too.
 *
 * @public
 */
export function serveMailbox(channel: ByteChannel, options: MailboxOptions = {}): ServerSession {
  const { profile, timers, mistake } = options;
  if (mistake === "short-reply") shortenReplies(channel);
  return new ServerSession(channel, new MailboxDma({ timers, mistake }), profile);
}

const LARGEST_WHOLE = 8;
const LACKING = 4;
/** Where a header says how long the message is. */
const SIZE_OFFSET = 4;

/** Leaves bytes out of the replies to register reads of more than 8 bytes; their headers agree with that. */
function shortenReplies(channel: ByteChannel): void {
  const send = channel.send.bind(channel);
  channel.send = (bytes) => {
    const header = readHeader(bytes);
    const whole = HEADER_BYTES + RegionAccess.bytes + LARGEST_WHOLE;
    if (
      header.command !== Command.REGION_READ ||
      !isReply(header) ||
      isError(header) ||
      bytes.length <= whole
    ) {
      send(bytes);
      return;
    }
    const short = bytes.slice(0, bytes.length - LACKING);
    new DataView(short.buffer).setUint32(SIZE_OFFSET, short.length, true);
    send(short);
  };
}
