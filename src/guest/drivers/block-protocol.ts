/**
 * What a block device and its driver agree on: the parts of the NVM Express base specification that both use. All values in
 * memory are little-endian.
 *
 * @module
 */

/** Registers by offset. */
export const Register = {
  /** Controller capabilities: queue entries less one, and more. */
  CAP: 0x00,
  /** Controller configuration. */
  CC: 0x14,
  /** Controller status. */
  CSTS: 0x1c,
  /** Entries less one of the admin queues: submission, and completion 16 bits higher. */
  AQA: 0x24,
  /** Address of the admin submission queue. */
  ASQ: 0x28,
  /** Address of the admin completion queue. */
  ACQ: 0x30,
  /** Tail of submission queue 0; head of completion queue 0 behind it, then those of queue 1, ... */
  DOORBELLS: 0x1000,
} as const;

/** CC: the controller is enabled, its entries have 2^6 and 2^4 bytes, memory pages 4 KiB. */
export const CC_ENABLED = 0x0046_0001;
export const CC_ENABLE = 1;
/** CSTS: it is ready; it found an error that it cannot report by a queue. */
export const CSTS_READY = 1;
export const CSTS_FATAL = 2;

/** Bytes of a memory page: what entries of PRP lists point at. */
export const PRP_PAGE = 4096;
/** Addresses of a page of a PRP list. */
export const PRPS_PER_PAGE: number = PRP_PAGE / 8;

export const COMMAND_BYTES = 64;
export const COMPLETION_BYTES = 16;
/** The most entries that a queue may have. */
export const MAX_QUEUE_ENTRIES = 64;
/** Bytes of a logical block. */
export const BLOCK_BYTES = 512;

export const Admin = { CREATE_SUBMISSION_QUEUE: 0x01, CREATE_COMPLETION_QUEUE: 0x05 } as const;
export const Io = { FLUSH: 0x00, WRITE: 0x01, READ: 0x02 } as const;

/**
 * How a command ended: the status field of a completion, with its type in bits 8 to 10.
 *
 * @public
 */
export const NvmeStatus = {
  SUCCESS: 0x000,
  INVALID_OPCODE: 0x001,
  INVALID_FIELD: 0x002,
  DATA_TRANSFER_ERROR: 0x004,
  INVALID_PRP_OFFSET: 0x013,
  LBA_OUT_OF_RANGE: 0x080,
  INVALID_QUEUE: 0x101,
} as const;
