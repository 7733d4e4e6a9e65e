import type { PassedFile } from "./channel.ts";
import { type Frame, HEADER_BYTES, putU32, u32At } from "./layout.ts";

/**
 * Numbers of the commands; 14 is not used any more.
 *
 * @public
 */
export const Command = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  /** From the server to the client, as is DMA_WRITE. */
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
  DEVICE_FEATURE: 16,
  MIG_DATA_READ: 17,
  MIG_DATA_WRITE: 18,
} as const;

/** Name of a command, for messages. */
export const commandName = (command: number): string =>
  Object.entries(Command).find(([, number]) => number === command)?.[0] ?? `command ${command}`;

/** Bits of the header's flags. */
export const MessageFlag = {
  TYPE: 0xf,
  REPLY: 0x1,
  NO_REPLY: 0x10,
  ERROR: 0x20,
} as const;

/** The 16 bytes in front of each message. */
export interface MessageHeader {
  readonly id: number;
  readonly command: number;
  /** Bytes of the whole message. */
  readonly size: number;
  readonly flags: number;
  readonly errno: number;
}

/**
 * A message as it was received. An error reply may have a body.
 *
 * @public
 */
export interface Message {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  /** Of an error reply: Linux' number; may be 0 all the same. */
  readonly errno: number;
  /** To be used before the next message is read; who needs it longer copies it (`kept`). */
  readonly body: Uint8Array;
  /** Files that came along; who takes none of them leaves them to be closed. */
  readonly files?: readonly PassedFile[] | undefined;
}

/** Files that nobody took. */
export function closeFiles(message: Pick<Message, "files">): void {
  if (message.files !== undefined) for (const file of message.files) file.close();
}

/** A message with a body of its own, for later. */
export const kept = (message: Message): Message => ({ ...message, body: message.body.slice() });

/** A header to be filled. */
export const newHeader = (): Writable<MessageHeader> => ({ id: 0, command: 0, size: 0, flags: 0, errno: 0 });

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The header at a place of some bytes, of which there are enough. It is read and written for each message, so not by a layout. */
export function readHeader(
  bytes: Uint8Array,
  at = 0,
  into: Writable<MessageHeader> = newHeader(),
): MessageHeader {
  into.id = bytes[at]! | (bytes[at + 1]! << 8);
  into.command = bytes[at + 2]! | (bytes[at + 3]! << 8);
  into.size = u32At(bytes, at + 4);
  into.flags = u32At(bytes, at + 8);
  into.errno = u32At(bytes, at + 12);
  return into;
}

export const isReply = (message: Pick<Message, "flags">): boolean =>
  (message.flags & MessageFlag.TYPE) === MessageFlag.REPLY;

export const isError = (message: Pick<Message, "flags">): boolean =>
  (message.flags & MessageFlag.ERROR) !== 0;

/** Fills in the header of a frame; the same buffer is what is sent. */
export function seal(frame: Frame, header: Omit<MessageHeader, "size">): Frame {
  return sealWith(frame, header.id, header.command, header.flags, header.errno);
}

/** {@link seal} without an object. */
export function sealWith(frame: Frame, id: number, command: number, flags: number, errno: number): Frame {
  putU32(frame, 0, id | (command << 16));
  putU32(frame, 4, frame.length);
  putU32(frame, 8, flags);
  putU32(frame, 12, errno);
  return frame;
}

/** A whole message from its header and its body, for tests and tools. */
export function encodeMessage({ id, command, flags, errno, body }: Message): Frame {
  const frame: Frame = new Uint8Array(HEADER_BYTES + body.length);
  frame.set(body, HEADER_BYTES);
  return seal(frame, { id, command, flags, errno });
}
