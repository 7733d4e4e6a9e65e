import type { Answer } from "../../base/errno.ts";
import { TCE_READ, TCE_WRITE } from "../../tce/tce.ts";
import type { IommuGroup } from "./iommu-group.ts";
import type { PhysicalMemory } from "./physical-memory.ts";

/** Bytes of the device's buffer. */
export const BUFFER_SIZE = 4096;
/** Where the buffer lies in the device's own address space. */
const BUFFER_ADDRESS = 0x40000n;
/** The largest piece that one entry of any table can cover at once. */
const SMALLEST_PAGE = 4096;

/** Registers by offset (QEMU's edu device). */
const REG_IDENTIFICATION = 0x00;
const REG_DMA_SOURCE = 0x80;
const REG_DMA_TARGET = 0x88;
const REG_DMA_COUNT = 0x90;
const REG_DMA_COMMAND = 0x98;
/** "0x010000ed": version 1.0 of an "edu". */
const IDENTIFICATION = 0x0100_00ed;
/** The registers that are 0 as long as only DMA is used: factorial, status, interrupt status, liveness. */
const REGS_ZERO = [0x04, 0x08, 0x20, 0x24];
/** Command bit: from the buffer to memory. */
const COMMAND_TO_MEMORY = 2n;

/**
 * A DMA engine with a buffer, as QEMU's `edu` device. A read that the bridge
 * refuses gives zeros, a refused write is dropped, page by page.
 */
export class EduDevice {
  readonly #group: IommuGroup;
  readonly #memory: PhysicalMemory;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #source = 0n;
  #target = 0n;
  #count = 0n;
  #command = 0n;

  constructor(group: IommuGroup, memory: PhysicalMemory) {
    this.#group = group;
    this.#memory = memory;
  }

  /**
   * Copies between memory and the start of the buffer.
   *
   * @param toMemory direction: buffer to memory, or memory to buffer
   */
  dma(iova: bigint, length: bigint, toMemory: boolean): Answer {
    // The emulator ends when a transfer passes the end of the buffer; we refuse it.
    if (length > BigInt(BUFFER_SIZE)) return "EINVAL";
    this.#source = toMemory ? BUFFER_ADDRESS : iova;
    this.#target = toMemory ? iova : BUFFER_ADDRESS;
    this.#count = length;
    this.#command = toMemory ? COMMAND_TO_MEMORY : 0n;

    const end = Number(length);
    for (let from = 0; from < end; ) {
      const at = BigInt.asUintN(64, iova + BigInt(from));
      const to = Math.min(end, from + SMALLEST_PAGE - Number(at % BigInt(SMALLEST_PAGE)));
      const physical = this.#group.translate(at, toMemory ? TCE_WRITE : TCE_READ);
      const piece = this.#buffer.subarray(from, to);
      if (physical === null) {
        if (!toMemory) piece.fill(0);
      } else if (toMemory) this.#memory.write(physical, piece);
      else this.#memory.read(physical, piece);
      from = to;
    }
    return 0;
  }

  /** The low 32 bits of a register; all ones where there is none. */
  register(offset: bigint): number {
    switch (Number(offset)) {
      case REG_IDENTIFICATION:
        return IDENTIFICATION;
      case REG_DMA_SOURCE:
        return low(this.#source);
      case REG_DMA_TARGET:
        return low(this.#target);
      case REG_DMA_COUNT:
        return low(this.#count);
      case REG_DMA_COMMAND:
        return low(this.#command);
      default:
        return REGS_ZERO.includes(Number(offset)) ? 0 : 0xffff_ffff;
    }
  }
}

const low = (value: bigint): number => Number(value & 0xffff_ffffn);
