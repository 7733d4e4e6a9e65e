/**
 * What a network card and its driver agree on: the parts of Intel's 8254x developer's manual that both use. All values in memory
 * are little-endian.
 *
 * @module
 */

/** Registers by offset; those of the receiver, and of the transmitter. */
export const Register = {
  STATUS: 0x0008,
  /** Receive control. */
  RCTL: 0x0100,
  /** Transmit control. */
  TCTL: 0x0400,
  /** Receive ring: address, bytes, head (the card's), tail (the driver's). */
  RDBAL: 0x2800,
  RDLEN: 0x2808,
  RDH: 0x2810,
  RDT: 0x2818,
  /** Transmit ring, likewise. */
  TDBAL: 0x3800,
  TDLEN: 0x3808,
  TDH: 0x3810,
  TDT: 0x3818,
} as const;

/** RCTL and TCTL: it works. */
export const ENABLE = 2;
/** STATUS: the link is up. */
export const LINK_UP = 2;

/** Bytes of a descriptor: address (8), length (2), then what differs. */
export const DESCRIPTOR_BYTES = 16;
/** Transmit: the command byte, and its bits: end of packet; report status. */
export const TX_COMMAND = 11;
export const TX_END = 1;
export const TX_REPORT = 8;
/** Where the status byte is, of both kinds. */
export const STATUS_BYTE = 12;
/** Status: the card has done with it; receive: the last one of a packet. */
export const DONE = 1;
export const RX_END = 2;

/** Bytes of a receive buffer, as RCTL says without more. */
export const BUFFER_BYTES = 2048;
/** The largest packet. */
export const MAX_PACKET_BYTES = 16_288;
