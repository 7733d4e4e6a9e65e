/**
 * What a device that copies between memories and its driver agree on. No real device has these registers: a ring of copies with
 * a fence in memory is what such devices have in common. All values in memory are little-endian.
 *
 * @module
 */

/** Registers by offset. */
export const Register = {
  /** Address of the ring. */
  RING: 0x00,
  /** Its entries. */
  ENTRIES: 0x08,
  /** Address of the fence: the device writes there how many copies it has done (8 bytes). */
  FENCE: 0x10,
  /** How many copies the driver has put into the ring, modulo 2^32; a write starts them. */
  PUT: 0x18,
  /** Copies that failed. */
  ERRORS: 0x1c,
} as const;

/** Bytes of an entry of the ring: address to read from, address to write to, bytes (8 each), and 8 that are not used. */
export const COPY_BYTES = 32;
/** Bytes that the device moves at once. */
export const BURST_BYTES = 65_536;
