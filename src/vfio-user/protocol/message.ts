import { type Frame, HEADER_BYTES, Layout, type ValuesOf } from "./layout.ts";

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

const Header: Layout<{ id: "u16"; command: "u16"; size: "u32"; flags: "u32"; errno: "u32" }> = new Layout(
  "header",
  { id: "u16", command: "u16", size: "u32", flags: "u32", errno: "u32" },
);

/** The 16 bytes in front of each message. */
export type MessageHeader = ValuesOf<{ id: "u16"; command: "u16"; size: "u32"; flags: "u32"; errno: "u32" }>;

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

/** The header at the beginning of some bytes. */
export const readHeader = (bytes: Uint8Array): MessageHeader => Header.read(bytes);

export const isReply = (message: Pick<Message, "flags">): boolean =>
  (message.flags & MessageFlag.TYPE) === MessageFlag.REPLY;

export const isError = (message: Pick<Message, "flags">): boolean =>
  (message.flags & MessageFlag.ERROR) !== 0;

/** Fills in the header of a frame; the same buffer is what is sent. */
export function seal(frame: Frame, header: Omit<MessageHeader, "size">): Frame {
  Header.write({ ...header, size: frame.length }, frame, 0);
  return frame;
}

/** A whole message from its header and its body, for tests and tools. */
export function encodeMessage({ id, command, flags, errno, body }: Message): Frame {
  const frame: Frame = new Uint8Array(HEADER_BYTES + body.length);
  frame.set(body, HEADER_BYTES);
  return seal(frame, { id, command, flags, errno });
}
