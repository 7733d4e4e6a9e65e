import { GuestRam } from "../../memory/guest-ram.ts";
import type { MmioHandler } from "../../memory/mmio-handler.ts";
import {
  Admin,
  BLOCK_BYTES,
  CC_ENABLE,
  COMMAND_BYTES,
  COMPLETION_BYTES,
  CSTS_FATAL,
  CSTS_READY,
  Io,
  MAX_QUEUE_ENTRIES,
  NvmeStatus,
  PRP_PAGE,
  PRPS_PER_PAGE,
  Register,
} from "./block-protocol.ts";
import type { DevicePort } from "./device-port.ts";

/** A ring in the guest's memory. */
interface Queue {
  readonly address: bigint;
  readonly entries: number;
  /** Submission: the next command; completion: where the next one goes. */
  at: number;
}

interface CompletionQueue extends Queue {
  phase: number;
}

interface SubmissionQueue extends Queue {
  readonly completions: number;
}

/**
 * A disk with queue pairs, as NVMe has them. It knows bus addresses alone: what it reads and writes goes through its port.
 *
 * A command whose data the IOMMU refuses ends with a data transfer error; a queue that it refuses is fatal for the controller,
 * which says so in its status register.
 *
 * @public
 */
export class BlockDevice implements MmioHandler {
  /** Logical blocks of `BLOCK_BYTES`. */
  readonly blocks: number;
  /** Commands that were done, with any status. */
  commands = 0;
  readonly #port: DevicePort;
  readonly #medium: GuestRam;
  readonly #registers = new DataView(new ArrayBuffer(0x40));
  readonly #submissions = new Map<number, SubmissionQueue>();
  readonly #completions = new Map<number, CompletionQueue>();

  constructor(port: DevicePort, { blocks = 2 ** 21 }: { readonly blocks?: number } = {}) {
    this.#port = port;
    this.blocks = blocks;
    this.#medium = new GuestRam(BigInt(blocks * BLOCK_BYTES));
    this.#registers.setUint32(Register.CAP, (MAX_QUEUE_ENTRIES - 1) | (1 << 16), true);
  }

  /** A reset of the bus: the controller is disabled. What is on the disk stays. */
  reset(): void {
    this.#configure(0);
  }

  read(offset: bigint): bigint {
    const at = Number(offset);
    return at < 0x3d ? BigInt(this.#registers.getUint32(at, true)) : 0n;
  }

  write(offset: bigint, _bytes: number, value: bigint): void {
    const at = Number(offset);
    const word = Number(value);
    if (at >= Register.DOORBELLS) this.#ring((at - Register.DOORBELLS) / 4, word);
    else if (at === Register.CC) this.#configure(word);
    else if (at >= Register.AQA && at < 0x38) this.#registers.setUint32(at, word, true);
  }

  get #status(): number {
    return this.#registers.getUint32(Register.CSTS, true);
  }

  #setStatus(value: number): void {
    this.#registers.setUint32(Register.CSTS, value, true);
  }

  #configure(value: number): void {
    this.#registers.setUint32(Register.CC, value, true);
    this.#submissions.clear();
    this.#completions.clear();
    this.#setStatus(0);
    if ((value & CC_ENABLE) === 0) return;
    const registers = this.#registers;
    const sizes = registers.getUint32(Register.AQA, true);
    const submission = registers.getBigUint64(Register.ASQ, true);
    const completion = registers.getBigUint64(Register.ACQ, true);
    this.#submissions.set(0, { address: submission, entries: (sizes & 0xfff) + 1, at: 0, completions: 0 });
    this.#completions.set(0, { address: completion, entries: ((sizes >>> 16) & 0xfff) + 1, at: 0, phase: 1 });
    this.#setStatus(CSTS_READY);
  }

  /** A doorbell: even ones are tails of submission queues, odd ones heads of completion queues, which need nothing done. */
  #ring(doorbell: number, value: number): void {
    const number = doorbell >>> 1;
    const queue = this.#submissions.get(number);
    if ((doorbell & 1) === 1 || queue === undefined || value >= queue.entries) return;
    while (queue.at !== value && (this.#status & CSTS_FATAL) === 0) this.#next(number, queue);
  }

  #next(number: number, queue: SubmissionQueue): void {
    const bytes = new Uint8Array(COMMAND_BYTES);
    if (!this.#port.read(queue.address + BigInt(queue.at * COMMAND_BYTES), bytes)) {
      this.#setStatus(this.#status | CSTS_FATAL);
      return;
    }
    queue.at = (queue.at + 1) % queue.entries;
    const command = new DataView(bytes.buffer);
    const status = number === 0 ? this.#administer(command) : this.#transfer(command);
    this.commands++;
    this.#complete(number, queue, command.getUint16(2, true), status);
  }

  #administer(command: DataView): number {
    const opcode = command.getUint8(0);
    const address = command.getBigUint64(24, true);
    const number = command.getUint16(40, true);
    const entries = command.getUint16(42, true) + 1;
    if (opcode !== Admin.CREATE_COMPLETION_QUEUE && opcode !== Admin.CREATE_SUBMISSION_QUEUE)
      return NvmeStatus.INVALID_OPCODE;
    if (number === 0 || entries < 2 || entries > MAX_QUEUE_ENTRIES) return NvmeStatus.INVALID_QUEUE;
    if (opcode === Admin.CREATE_COMPLETION_QUEUE) {
      this.#completions.set(number, { address, entries, at: 0, phase: 1 });
      return NvmeStatus.SUCCESS;
    }
    const completions = command.getUint16(46, true);
    if (!this.#completions.has(completions)) return NvmeStatus.INVALID_QUEUE;
    this.#submissions.set(number, { address, entries, at: 0, completions });
    return NvmeStatus.SUCCESS;
  }

  #transfer(command: DataView): number {
    const opcode = command.getUint8(0);
    if (opcode === Io.FLUSH) return NvmeStatus.SUCCESS;
    if (opcode !== Io.READ && opcode !== Io.WRITE) return NvmeStatus.INVALID_OPCODE;
    const first = Number(command.getBigUint64(40, true));
    const count = command.getUint16(48, true) + 1;
    if (first + count > this.blocks) return NvmeStatus.LBA_OUT_OF_RANGE;
    const pieces = this.#pieces(command, count * BLOCK_BYTES);
    if (typeof pieces === "number") return pieces;
    let at = first * BLOCK_BYTES;
    for (const { address, size } of pieces) {
      const data = new Uint8Array(size);
      if (opcode === Io.WRITE) {
        if (!this.#port.read(address, data)) return NvmeStatus.DATA_TRANSFER_ERROR;
        this.#medium.write(at, data);
      } else {
        this.#medium.read(at, data);
        if (!this.#port.write(address, data)) return NvmeStatus.DATA_TRANSFER_ERROR;
      }
      at += size;
    }
    return NvmeStatus.SUCCESS;
  }

  /** Where the data of a command lies: PRP entry 1, then entry 2 or the list that it points at. */
  #pieces(command: DataView, bytes: number): { address: bigint; size: number }[] | number {
    const first = command.getBigUint64(24, true);
    const second = command.getBigUint64(32, true);
    const room = PRP_PAGE - Number(first % BigInt(PRP_PAGE));
    const pieces = [{ address: first, size: Math.min(room, bytes) }];
    let left = bytes - pieces[0]!.size;
    if (left === 0) return pieces;
    const addresses = left <= PRP_PAGE ? [second] : this.#list(second, Math.ceil(left / PRP_PAGE));
    if (typeof addresses === "number") return addresses;
    for (const address of addresses) {
      if (address % BigInt(PRP_PAGE) !== 0n) return NvmeStatus.INVALID_PRP_OFFSET;
      const size = Math.min(PRP_PAGE, left);
      pieces.push({ address, size });
      left -= size;
    }
    return pieces;
  }

  /** The entries of a list: the last one of each of its pages points at the next page, if there are more. */
  #list(start: bigint, count: number): bigint[] | number {
    const found: bigint[] = [];
    let at = start;
    while (found.length < count) {
      const room = PRPS_PER_PAGE - Number((at % BigInt(PRP_PAGE)) / 8n);
      const left = count - found.length;
      const length = Math.min(room, left);
      const bytes = new Uint8Array(length * 8);
      if (!this.#port.read(at, bytes)) return NvmeStatus.DATA_TRANSFER_ERROR;
      const view = new DataView(bytes.buffer);
      const goesOn = left > room;
      for (let i = 0; i < length - Number(goesOn); i++) found.push(view.getBigUint64(i * 8, true));
      if (goesOn) at = view.getBigUint64((length - 1) * 8, true);
      if (goesOn && at % BigInt(PRP_PAGE) !== 0n) return NvmeStatus.INVALID_PRP_OFFSET;
    }
    return found;
  }

  #complete(number: number, submission: SubmissionQueue, command: number, status: number): void {
    const queue = this.#completions.get(submission.completions)!;
    const bytes = new Uint8Array(COMPLETION_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint16(8, submission.at, true);
    view.setUint16(10, number, true);
    view.setUint16(12, command, true);
    view.setUint16(14, (status << 1) | queue.phase, true);
    if (!this.#port.write(queue.address + BigInt(queue.at * COMPLETION_BYTES), bytes)) {
      this.#setStatus(this.#status | CSTS_FATAL);
      return;
    }
    queue.at = (queue.at + 1) % queue.entries;
    if (queue.at === 0) queue.phase ^= 1;
  }
}
