/**
 * A device's registers: accesses of 1, 2, 4 or 8 bytes at a natural boundary.
 *
 * @public
 */
export interface MmioHandler {
  /** Largest access, default 4 as in QEMU. */
  readonly maxAccessBytes?: number;
  read(offset: bigint, bytes: number): bigint;
  write(offset: bigint, bytes: number, value: bigint): void;
}
