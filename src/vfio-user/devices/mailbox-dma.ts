import { overlaps } from "../../base/range.ts";
import { RefusedError } from "../peer.ts";
import type { Timers } from "../protocol/channel.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import type {
  BarModel,
  BusWindow,
  DevicePlace,
  MigrationModel,
  MsixTables,
  PciDeviceModel,
} from "../server/device-model.ts";
import { MailboxState, type Transfer } from "./mailbox-state.ts";

/**
 * Registers of BAR0, little-endian, of 32 bits unless said otherwise.
 *
 * @public
 */
export const MailboxRegister = {
  /** `MBX1`; read only. */
  ID: 0x00,
  /** Transfers that wait; read only. */
  QUEUED: 0x04,
  /** Bus address, 64 bits. */
  ADDRESS: 0x08,
  /** Bytes, at most the buffer's. */
  LENGTH: 0x10,
  /** Offset in the buffer. */
  BUFFER_OFFSET: 0x14,
  /** Writing it starts a transfer: see {@link MailboxCommand}. */
  COMMAND: 0x18,
  /** What the last transfer came to: 0, or a Linux errno; read only. */
  ERRNO: 0x1c,
  /** Transfers that came to an end; read only. */
  DONE: 0x20,
  /** Writing it carries out what waits. */
  KICK: 0x24,
  /** Milliseconds after which a delayed transfer begins. */
  DELAY: 0x28,
} as const;

/**
 * What COMMAND is written: what to do, and when.
 *
 * @public
 */
export const MailboxCommand = {
  /** Memory to buffer. */
  READ: 1,
  /** Buffer to memory. */
  WRITE: 2,
  /** Not now, but at KICK, or when the host changes a mapping or resets. */
  QUEUE: 0x100,
  /** Raise MSI 0 at the end. */
  INTERRUPT: 0x200,
  /** Raise INTx at the end. */
  INTX: 0x800,
  /** Raise MSI-X 1 at the end. */
  MSIX: 0x1000,
  /** By itself, after DELAY. */
  DELAY: 0x400,
} as const;

/** Where the buffer begins in BAR0, and its bytes. */
export const MAILBOX_BUFFER = { offset: 0x1_0000, size: 0x1_0000 } as const;
const BAR_BYTES = 0x2_0000;
const REGISTER_BYTES = 0x40;
/** Where the MSI-X tables are in BAR0: memory, between registers and buffer. */
const MSIX_TABLE = 0x8000;
const MSIX_BYTES = 0x1000;
const ID = 0x3158_424d;
/** Transfers that may wait. */
const MAX_QUEUED = 64;
const PAGE = 4096;
const { ADDRESS, LENGTH, BUFFER_OFFSET, COMMAND, ERRNO, DONE, KICK, DELAY, QUEUED } = MailboxRegister;
const READ_ONLY: readonly number[] = [MailboxRegister.ID, QUEUED, ERRNO, DONE];

/**
 * Mistakes that device models are known for, to try testers of devices with.
 *
 * - `one-byte-more`: a transfer has one byte more than it was told
 * - `whole-pages`: a transfer is made longer to whole pages
 * - `truncates-address`: bus addresses are cut to 32 bits
 * - `reads-before-write`: a write to memory reads there first
 * - `keeps-translation`: transfers that wait are not finished when their window goes
 * - `survives-reset`: transfers that wait go on after a reset
 * - `ignores-bus-master`: transfers go on while the bus master bit is off
 * - `lost-completion`: a register write whose transfer fails is never answered
 * - `forgets-to-unmap`: a window that went is still known, and its place is refused from then on
 * - `short-reply`: replies to register reads of more than 8 bytes lack some
 *
 * @public
 */
export const MAILBOX_MISTAKES = [
  "one-byte-more",
  "whole-pages",
  "truncates-address",
  "reads-before-write",
  "keeps-translation",
  "survives-reset",
  "ignores-bus-master",
  "lost-completion",
  "forgets-to-unmap",
  "short-reply",
] as const;

/**
 * One of {@link MAILBOX_MISTAKES}.
 *
 * @public
 */
export type MailboxMistake = (typeof MAILBOX_MISTAKES)[number];

/** Which interrupt is raised by which bit of COMMAND. */
const INTERRUPTS = [
  { bit: MailboxCommand.INTERRUPT, kind: "msi", vector: 0 },
  { bit: MailboxCommand.INTX, kind: "intx", vector: 0 },
  { bit: MailboxCommand.MSIX, kind: "msix", vector: 1 },
] as const;

/**
 * A programmable DMA engine: the sample of a device, and a device to try hosts with.
 *
 * @public
 */
export class MailboxDma implements PciDeviceModel {
  readonly name: string = "mailbox-dma";
  readonly vendor: number = 0x1b36;
  readonly device: number = 0x0fff;
  readonly intx: boolean = true;
  readonly msiVectors: number = 1;
  readonly msix: MsixTables = { vectors: 2, bar: 0, table: MSIX_TABLE, pending: MSIX_TABLE + 0x800 };
  readonly migration: MigrationModel;
  readonly bars: readonly BarModel[];
  readonly #registers = new DataView(new ArrayBuffer(REGISTER_BYTES));
  readonly #msixTables = new Uint8Array(MSIX_BYTES);
  readonly #buffer = new Uint8Array(MAILBOX_BUFFER.size);
  readonly #timers: Timers | undefined;
  readonly #mistake: MailboxMistake | undefined;
  #queue: Transfer[] = [];
  #place: DevicePlace | undefined;
  /** With a mistake: what it thinks is mapped, and that it was reset. */
  #known: BusWindow[] = [];
  #wasReset = false;
  /** Delayed transfers, and what calls them off. */
  readonly #delayed = new Map<Transfer, () => void>();

  constructor(
    options: { readonly timers?: Timers | undefined; readonly mistake?: MailboxMistake | undefined } = {},
  ) {
    this.#timers = options.timers;
    this.#mistake = options.mistake;
    this.bars = [
      {
        size: BAR_BYTES,
        read: (offset, into) => this.#readBar(offset, into),
        write: (offset, data) => this.#writeBar(offset, data),
      },
    ];
    this.migration = new MailboxState([this.#registers, this.#msixTables, this.#buffer], {
      saved: () => this.#queue,
      loaded: (queue) => {
        this.#queue = queue;
      },
      stop: () => this.#holdDelayed(),
    });
    this.#clear();
  }

  attach(place: DevicePlace): void {
    this.#place = place;
  }

  async mapped(window: BusWindow): Promise<void> {
    if (this.#mistake === "forgets-to-unmap") {
      if (this.#known.some((other) => overlaps(other, window))) {
        throw new RefusedError(ErrnoNumber.EEXIST, "the window is known already");
      }
      this.#known.push(window);
    }
    if (this.#mistake === "survives-reset" && this.#wasReset) await this.#runQueue();
  }

  async unmapping(): Promise<void> {
    if (this.#mistake === "survives-reset") await this.#runQueue();
  }

  /** What was begun is finished while the windows are still there. */
  async quiesce(): Promise<void> {
    if (this.#mistake !== "keeps-translation" && this.#mistake !== "survives-reset") await this.#runQueue();
  }

  reset(): void {
    this.#wasReset = true;
    const queue = this.#queue;
    this.#clear();
    if (this.#mistake === "survives-reset") this.#queue = queue;
  }

  detached(): void {
    this.#clear();
    this.#known = [];
  }

  #clear(): void {
    for (const stop of this.#delayed.values()) stop();
    this.#delayed.clear();
    new Uint8Array(this.#registers.buffer).fill(0);
    this.#msixTables.fill(0);
    this.#registers.setUint32(MailboxRegister.ID, ID, true);
    this.#queue = [];
  }

  #readBar(offset: number, into: Uint8Array): void {
    this.#registers.setUint32(QUEUED, this.#queue.length, true);
    const registers = new Uint8Array(this.#registers.buffer);
    for (let i = 0; i < into.length; i++) {
      const at = offset + i;
      const inBuffer = at - MAILBOX_BUFFER.offset;
      into[i] =
        inBuffer >= 0 ? this.#buffer[inBuffer]! : (registers[at] ?? this.#msixTables[at - MSIX_TABLE] ?? 0);
    }
  }

  async #writeBar(offset: number, data: Uint8Array): Promise<void> {
    const registers = new Uint8Array(this.#registers.buffer);
    data.forEach((byte, i) => {
      const at = offset + i;
      const inBuffer = at - MAILBOX_BUFFER.offset;
      if (inBuffer >= 0) this.#buffer[inBuffer] = byte;
      else if (at >= MSIX_TABLE) this.#msixTables[at - MSIX_TABLE] = byte;
      else if (at < REGISTER_BYTES && !READ_ONLY.includes(at & ~3)) registers[at] = byte;
    });
    const touches = (register: number): boolean => offset < register + 4 && offset + data.length > register;
    if (touches(COMMAND)) await this.#start();
    if (touches(KICK)) await this.#runQueue();
  }

  async #start(): Promise<void> {
    const command = this.#registers.getUint32(COMMAND, true);
    const transfer: Transfer = {
      command,
      address: this.#registers.getBigUint64(ADDRESS, true),
      bytes: this.#registers.getUint32(LENGTH, true),
      bufferOffset: this.#registers.getUint32(BUFFER_OFFSET, true),
    };
    const kind = command & 0xff;
    const isPossible =
      (kind === MailboxCommand.READ || kind === MailboxCommand.WRITE) &&
      transfer.bytes > 0 &&
      transfer.bufferOffset + transfer.bytes <= MAILBOX_BUFFER.size;
    if (!isPossible) {
      this.#end(ErrnoNumber.EINVAL);
    } else if ((command & MailboxCommand.QUEUE) !== 0) {
      if (this.#queue.length < MAX_QUEUED) this.#queue.push(transfer);
      else this.#end(ErrnoNumber.EBUSY);
    } else if ((command & MailboxCommand.DELAY) !== 0) {
      this.#startLater(transfer);
    } else {
      await this.#run(transfer);
    }
  }

  #startLater(transfer: Transfer): void {
    if (this.#timers === undefined) {
      this.#end(ErrnoNumber.ENOSYS);
      return;
    }
    const stop = this.#timers.after(this.#registers.getUint32(DELAY, true), () => {
      this.#delayed.delete(transfer);
      void this.#run(transfer);
    });
    this.#delayed.set(transfer, stop);
  }

  /** Delayed transfers wait with the others from now on: a device that stands still has no clock. */
  #holdDelayed(): void {
    for (const [transfer, stop] of this.#delayed) {
      stop();
      this.#queue.push(transfer);
    }
    this.#delayed.clear();
  }

  async #runQueue(): Promise<void> {
    for (let transfer = this.#queue.shift(); transfer !== undefined; transfer = this.#queue.shift()) {
      await this.#run(transfer);
    }
  }

  async #run(transfer: Transfer): Promise<void> {
    try {
      await this.#transfer(transfer);
      for (const { bit, kind, vector } of INTERRUPTS) {
        if ((transfer.command & bit) !== 0) await this.#place!.raise(kind, vector);
      }
      this.#end(0);
    } catch (error) {
      if (this.#mistake === "lost-completion") await new Promise(() => {});
      this.#end(error instanceof RefusedError ? error.errno : ErrnoNumber.EIO);
    }
  }

  async #transfer({ command, bytes, bufferOffset, ...transfer }: Transfer): Promise<void> {
    const place = this.#place!;
    const mistake = this.#mistake;
    // Not every server looks.
    if (!place.busMaster && mistake !== "ignores-bus-master") {
      throw new RefusedError(ErrnoNumber.EACCES, "DMA with the bus master bit off");
    }
    const address = mistake === "truncates-address" ? transfer.address & 0xffff_ffffn : transfer.address;
    const length =
      mistake === "one-byte-more"
        ? bytes + 1
        : mistake === "whole-pages"
          ? Math.ceil(bytes / PAGE) * PAGE
          : bytes;
    // A device with a mistake does not ask whether it may.
    const isChecked =
      mistake === undefined || mistake === "lost-completion" || mistake === "forgets-to-unmap";
    if ((command & 0xff) === MailboxCommand.READ) {
      const data = await (isChecked ? place.dmaRead(address, length) : this.#unchecked(address, length));
      this.#buffer.set(data.subarray(0, bytes), bufferOffset);
      return;
    }
    const data = new Uint8Array(length);
    data.set(this.#buffer.subarray(bufferOffset, bufferOffset + bytes));
    if (mistake === "reads-before-write") await this.#unchecked(address, length);
    if (isChecked) await place.dmaWrite(address, data);
    else await this.#unchecked(address, length, data);
  }

  async #unchecked(address: bigint, length: number, data?: Uint8Array): Promise<Uint8Array> {
    const place = this.#place!;
    if (data === undefined) return await place.uncheckedRead(address, length);
    await place.uncheckedWrite(address, data);
    return data;
  }

  #end(errno: number): void {
    this.#registers.setUint32(ERRNO, errno, true);
    this.#registers.setUint32(DONE, this.#registers.getUint32(DONE, true) + 1, true);
  }
}
