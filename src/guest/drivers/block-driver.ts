import type { LinuxGuest } from "../linux-guest.ts";
import type { PciFunction } from "../pci-function.ts";
import type { Buffer } from "../table-dma.ts";
import {
  Admin,
  BLOCK_BYTES,
  CC_ENABLED,
  COMMAND_BYTES,
  COMPLETION_BYTES,
  CSTS_READY,
  Io,
  NvmeStatus,
  PRP_PAGE,
  PRPS_PER_PAGE,
  Register,
} from "./block-protocol.ts";
import type { DeviceRegisters } from "./device-port.ts";
import { type CoherentMemory, DriverDma, type DriverOptions, type MappedList } from "./driver-dma.ts";

/** Entries of each queue. */
const ENTRIES = 32;
/** Pages of PRP lists: enough for 8 MiB. */
const LIST_PAGES = 5;

/**
 * What came of a request: 0, a status of `NvmeStatus`, or why no command was made: its memory could not be mapped, or the
 * device does not answer.
 *
 * @public
 */
export type BlockResult = number | "not-mapped" | "no-answer";

interface QueuePair {
  readonly number: number;
  readonly commands: CoherentMemory;
  readonly completions: CoherentMemory;
  tail: number;
  head: number;
  phase: number;
}

/**
 * A driver of a disk with queue pairs: one for administration and one for data. Buffers are lists of pieces of memory, which
 * become PRP entries and PRP lists.
 *
 * @public
 */
export class BlockDriver {
  readonly dma: DriverDma;
  readonly #registers: DeviceRegisters;
  #admin: QueuePair | undefined;
  #data: QueuePair | undefined;
  #lists: CoherentMemory | undefined;
  #commands = 0;

  constructor(guest: LinuxGuest, fn: PciFunction, registers: DeviceRegisters, options: DriverOptions) {
    this.dma = new DriverDma(guest, fn, options);
    this.#registers = registers;
  }

  /** Takes memory for the queues, and enables the controller. */
  start(): BlockResult {
    this.#lists = this.dma.allocCoherent(LIST_PAGES * PRP_PAGE);
    this.#admin = this.#newPair(0);
    this.#data = this.#newPair(1);
    if (this.#lists === undefined || this.#admin === undefined || this.#data === undefined) {
      this.stop();
      return "not-mapped";
    }
    this.#registers.write(Register.AQA, (ENTRIES - 1) | ((ENTRIES - 1) << 16));
    this.#registers.write64(Register.ASQ, this.#admin.commands.address);
    this.#registers.write64(Register.ACQ, this.#admin.completions.address);
    this.#registers.write(Register.CC, CC_ENABLED);
    if (this.#registers.read(Register.CSTS) !== CSTS_READY) return "no-answer";
    const { commands, completions, number } = this.#data;
    const created = this.#administer(Admin.CREATE_COMPLETION_QUEUE, completions.address, number, 1);
    if (created !== NvmeStatus.SUCCESS) return created;
    return this.#administer(Admin.CREATE_SUBMISSION_QUEUE, commands.address, number, (number << 16) | 1);
  }

  /** Disables the controller, and gives its memory back. */
  stop(): void {
    this.#registers.write(Register.CC, 0);
    for (const pair of [this.#admin, this.#data]) {
      if (pair === undefined) continue;
      this.dma.freeCoherent(pair.commands);
      this.dma.freeCoherent(pair.completions);
    }
    if (this.#lists !== undefined) this.dma.freeCoherent(this.#lists);
    this.#admin = undefined;
    this.#data = undefined;
    this.#lists = undefined;
  }

  /**
   * Writes memory to the disk.
   *
   * @param block the first one
   * @param buffers pieces of memory: all but the first begin at a multiple of 4 KiB, and all but the last end there; together
   *   whole blocks, at most 8 MiB of them
   */
  write(block: number, buffers: readonly Buffer[]): BlockResult {
    return this.#request(Io.WRITE, block, buffers);
  }

  /** Reads from the disk into memory, likewise. */
  read(block: number, buffers: readonly Buffer[]): BlockResult {
    return this.#request(Io.READ, block, buffers);
  }

  #newPair(number: number): QueuePair | undefined {
    const commands = this.dma.allocCoherent(ENTRIES * COMMAND_BYTES);
    const completions = this.dma.allocCoherent(ENTRIES * COMPLETION_BYTES);
    if (commands !== undefined && completions !== undefined)
      return { number, commands, completions, tail: 0, head: 0, phase: 1 };
    for (const memory of [commands, completions]) if (memory !== undefined) this.dma.freeCoherent(memory);
    return undefined;
  }

  #administer(opcode: number, address: bigint, queue: number, flags: number): BlockResult {
    const command = new DataView(new ArrayBuffer(COMMAND_BYTES));
    command.setUint8(0, opcode);
    command.setBigUint64(24, address, true);
    command.setUint16(40, queue, true);
    command.setUint16(42, ENTRIES - 1, true);
    command.setUint32(44, flags, true);
    return this.#submit(this.#admin!, command);
  }

  #request(opcode: number, block: number, buffers: readonly Buffer[]): BlockResult {
    if (this.#data === undefined) return "no-answer";
    const list = this.dma.mapSg(buffers, opcode === Io.WRITE ? "to-device" : "from-device");
    if (list === undefined) return "not-mapped";
    const command = new DataView(new ArrayBuffer(COMMAND_BYTES));
    command.setUint8(0, opcode);
    command.setUint32(4, 1, true);
    this.#setPrps(command, list);
    command.setBigUint64(40, BigInt(block), true);
    const bytes = buffers.reduce((sum, { size }) => sum + size, 0);
    command.setUint16(48, bytes / BLOCK_BYTES - 1, true);
    const result = this.#submit(this.#data, command);
    this.dma.unmapSg(list);
    return result;
  }

  /** PRP entry 1, and 2 for a second page, or for a list of all further ones. */
  #setPrps(command: DataView, { segments }: MappedList): void {
    const pages: bigint[] = [];
    for (const { address, size } of segments) {
      const end = address + BigInt(size);
      for (let at = address; at < end; at = (at / BigInt(PRP_PAGE) + 1n) * BigInt(PRP_PAGE)) pages.push(at);
    }
    command.setBigUint64(24, pages[0]!, true);
    if (pages.length > 2) command.setBigUint64(32, this.#writeList(pages.slice(1)), true);
    else if (pages.length === 2) command.setBigUint64(32, pages[1]!, true);
  }

  /** Writes a list; the last entry of a page points at the next page if there are more. */
  #writeList(pages: readonly bigint[]): bigint {
    const { address, physical, size } = this.#lists!;
    const view = new DataView(new ArrayBuffer(size));
    let entry = 0;
    pages.forEach((page, i) => {
      if (entry % PRPS_PER_PAGE === PRPS_PER_PAGE - 1 && i < pages.length - 1) {
        view.setBigUint64(entry * 8, address + BigInt((entry + 1) * 8), true);
        entry++;
      }
      view.setBigUint64(entry * 8, page, true);
      entry++;
    });
    this.dma.memory.write(physical, new Uint8Array(view.buffer, 0, entry * 8));
    return address;
  }

  /** Puts a command into its queue, rings, and looks for its completion. */
  #submit(pair: QueuePair, command: DataView): BlockResult {
    const { memory } = this.dma;
    const id = this.#commands++ & 0xffff;
    command.setUint16(2, id, true);
    memory.write(pair.commands.physical + pair.tail * COMMAND_BYTES, new Uint8Array(command.buffer));
    pair.tail = (pair.tail + 1) % ENTRIES;
    this.#registers.write(Register.DOORBELLS + pair.number * 8, pair.tail);
    const bytes = new Uint8Array(COMPLETION_BYTES);
    memory.read(pair.completions.physical + pair.head * COMPLETION_BYTES, bytes);
    const completion = new DataView(bytes.buffer);
    const status = completion.getUint16(14, true);
    if ((status & 1) !== pair.phase || completion.getUint16(12, true) !== id) {
      // A driver whose command times out looks at the controller's status.
      this.#registers.read(Register.CSTS);
      return "no-answer";
    }
    pair.head = (pair.head + 1) % ENTRIES;
    if (pair.head === 0) pair.phase ^= 1;
    this.#registers.write(Register.DOORBELLS + pair.number * 8 + 4, pair.head);
    return status >>> 1;
  }
}
