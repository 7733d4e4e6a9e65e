import { type Frame, HEADER_BYTES } from "./layout.ts";

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
  /** Belongs to the receiver. */
  readonly body: Uint8Array;
}

/** The header at the beginning of some bytes, of which there are enough. It is read and written for each message, so not by a layout. */
export function readHeader(bytes: Uint8Array): MessageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  return {
    id: view.getUint16(0, true),
    command: view.getUint16(2, true),
    size: view.getUint32(4, true),
    flags: view.getUint32(8, true),
    errno: view.getUint32(12, true),
  };
}

export const isReply = (message: Pick<Message, "flags">): boolean =>
  (message.flags & MessageFlag.TYPE) === MessageFlag.REPLY;

export const isError = (message: Pick<Message, "flags">): boolean =>
  (message.flags & MessageFlag.ERROR) !== 0;

/** Fills in the header of a frame; the same buffer is what is sent. */
export function seal(frame: Frame, header: Omit<MessageHeader, "size">): Frame {
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  view.setUint16(0, header.id, true);
  view.setUint16(2, header.command, true);
  view.setUint32(4, frame.length, true);
  view.setUint32(8, header.flags, true);
  view.setUint32(12, header.errno, true);
  return frame;
}

/** A whole message from its header and its body, for tests and tools. */
export function encodeMessage({ id, command, flags, errno, body }: Message): Frame {
  const frame: Frame = new Uint8Array(HEADER_BYTES + body.length);
  frame.set(body, HEADER_BYTES);
  return seal(frame, { id, command, flags, errno });
}
