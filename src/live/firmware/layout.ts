/**
 * Where the oracle's firmware keeps things in guest memory, and the records of
 * its scripts: the numbers of `oracle/firmware/layout.h`.
 *
 * @module
 */

/** Memory that scripts may use: zero at first, kept by machine resets. */
export const USER_MEMORY = { start: 0x20_0000n, end: 0x400_0000n } as const;
/** Argument block of RTAS calls. */
export const RTAS_ADDRESS = 0x9000n;
export const MAILBOX_ADDRESS = 0x10_0000;
export const SCRIPT_ADDRESS = 0x400_0000;
export const RESULT_ADDRESS = 0x800_0000;
/** The device tree lies after the results, in the last 2 MiB of the smallest memory. */
export const RESULT_LIMIT: number = 0x1000_0000 - 0x20_0000;

/** Kinds of records. A record is 64-bit big-endian words: kind, length in words, then its arguments. */
export const RecordKind = {
  END: 0,
  HCALL: 1,
  WRITE: 2,
  READ: 3,
  POLL: 4,
  REBOOT: 5,
  BENCH: 6,
  SCAN: 7,
  FDT: 8,
  FILL: 9,
  DMA: 10,
} as const;

/** Look-ups of these windows, which no machine has, stand around a DMA in the trace. */
export const MARK_BEGIN = 0xffff_fffe;
export const MARK_END = 0xffff_fffd;

/** The words of the mailbox, in their order. */
export interface Mailbox {
  /** 0 until the firmware ran. */
  readonly magic: bigint;
  /** Records completed. */
  readonly done: bigint;
  /** Address after the last result. */
  readonly resultEnd: bigint;
  readonly finished: boolean;
  /** Vector, SRR0 and SRR1 of an exception in the firmware; vector 0 without one. */
  readonly trap: readonly [vector: bigint, srr0: bigint, srr1: bigint];
}

export const MAILBOX_BYTES = 80;

export function readMailbox(bytes: Uint8Array): Mailbox {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number): bigint => view.getBigUint64(index * 8);
  return {
    magic: word(0),
    done: word(1),
    resultEnd: word(3),
    finished: word(4) !== 0n,
    trap: [word(5), word(6), word(7)],
  };
}
