import { LinearMap } from "../base/linear-map.ts";

/** A stretch of guest physical addresses that is memory of the process. It never changes: one that moves is another one. */
export class MemorySlot {
  readonly number: number;
  readonly address: bigint;
  readonly size: bigint;
  readonly vaddr: bigint;
  /** Its guest addresses, and where they are in the process. */
  readonly map: LinearMap;
  /** 1 once the machine has it no more: a number, as several such questions are one for the hot path. */
  gone: 0 | 1 = 0;

  constructor(number: number, address: bigint, size: bigint, vaddr: bigint) {
    this.number = number;
    this.address = address;
    this.size = size;
    this.vaddr = vaddr;
    this.map = new LinearMap(address, size, vaddr);
  }

  overlaps(other: MemorySlot): boolean {
    return this.address < other.address + other.size && other.address < this.address + this.size;
  }
}
