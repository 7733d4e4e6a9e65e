import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { Layout } from "../protocol/layout.ts";
import { MigrationState } from "../protocol/migration-state.ts";
import type { MigrationModel } from "../server/device-model.ts";

/** A transfer that a mailbox was told to do. */
export interface Transfer {
  readonly command: number;
  readonly address: bigint;
  readonly bytes: number;
  readonly bufferOffset: number;
}

/** What a state begins with. */
const MAGIC = 0x3153_424d;
const Head = new Layout("state of mailbox-dma", { magic: "u32", transfers: "u32" });
const Entry = new Layout("transfer of mailbox-dma", {
  address: "u64",
  command: "u32",
  bytes: "u32",
  bufferOffset: "u32",
  reserved: "u32",
});

/** The list of transfers of a mailbox. */
interface Queue {
  saved(): readonly Transfer[];
  loaded(queue: Transfer[]): void;
  /** Nothing begins by itself any more. */
  stop(): void;
}

/** The state of a mailbox, carried to another one: a head, the transfers that wait, and its memories. */
export class MailboxState implements MigrationModel {
  readonly #memories: readonly Uint8Array[];
  readonly #queue: Queue;
  /** What is to be given away still, or has come so far. */
  #state: Uint8Array = new Uint8Array(0);

  constructor(memories: readonly ArrayBufferView[], queue: Queue) {
    this.#memories = memories.map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
    this.#queue = queue;
  }

  enter(state: number, before: number): void {
    if (state === MigrationState.STOP && before === MigrationState.RUNNING) this.#queue.stop();
    if (state === MigrationState.STOP_COPY) this.#state = this.#all();
    if (state === MigrationState.RESUMING) this.#state = new Uint8Array(0);
    if (state === MigrationState.STOP && before === MigrationState.RESUMING) this.#restore();
  }

  save(bytes: number): Uint8Array {
    const piece = this.#state.subarray(0, bytes);
    this.#state = this.#state.subarray(piece.length);
    return piece;
  }

  load(data: Uint8Array): void {
    const { length } = this.#all();
    if (this.#state.length + data.length > 2 * length) {
      throw new RefusedError(ErrnoNumber.EINVAL, "more data than a state of mailbox-dma has");
    }
    const all = new Uint8Array(this.#state.length + data.length);
    all.set(this.#state);
    all.set(data, this.#state.length);
    this.#state = all;
  }

  #all(): Uint8Array {
    const queue = this.#queue.saved();
    const memory = this.#memories.reduce((sum, { length }) => sum + length, 0);
    const all = new Uint8Array(Head.bytes + queue.length * Entry.bytes + memory);
    Head.write({ magic: MAGIC, transfers: queue.length }, all, 0);
    let at = Head.bytes;
    for (const transfer of queue) {
      Entry.write({ ...transfer, reserved: 0 }, all, at);
      at += Entry.bytes;
    }
    for (const piece of this.#memories) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  #restore(): void {
    const state = this.#state;
    const memory = this.#memories.reduce((sum, { length }) => sum + length, 0);
    const { magic, transfers } = state.length < Head.bytes ? { magic: 0, transfers: 0 } : Head.read(state);
    let at = Head.bytes + transfers * Entry.bytes;
    if (magic !== MAGIC || state.length !== at + memory) {
      throw new RefusedError(ErrnoNumber.EINVAL, `${state.length} bytes are no state of mailbox-dma`);
    }
    this.#queue.loaded(
      Array.from({ length: transfers }, (_, i) => {
        const { reserved: _reserved, ...transfer } = Entry.read(state, Head.bytes + i * Entry.bytes);
        return transfer;
      }),
    );
    for (const piece of this.#memories) {
      piece.set(state.subarray(at, at + piece.length));
      at += piece.length;
    }
    this.#state = new Uint8Array(0);
  }
}
