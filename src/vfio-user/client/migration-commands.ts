import { checkedNumber } from "../../base/checked.ts";
import { Command, type Message } from "../protocol/message.ts";
import { Feature, MigrationData, MigrationStateData, MigrationSupport } from "../protocol/payloads.ts";
import type { CommandQueue } from "./command-queue.ts";
import type { DeviceFeatures } from "./device-features.ts";
import { wrongReply } from "./replies.ts";

const nothing = (): void => {};

/**
 * Migration of a device: the states that it goes through, and its data. The methods throw as those of the client.
 *
 * @public
 */
export class MigrationCommands {
  readonly #commands: CommandQueue;
  readonly #features: DeviceFeatures;
  readonly #maxTransfer: () => number;

  /**
   * @internal
   * @param maxTransfer bytes of data that one message may have
   */
  constructor(commands: CommandQueue, features: DeviceFeatures, maxTransfer: () => number) {
    this.#commands = commands;
    this.#features = features;
    this.#maxTransfer = maxTransfer;
  }

  /** What the device can of migration: flags of `MigrationFlag`. */
  async support(): Promise<bigint> {
    let flags = 0n;
    const { bytes } = MigrationSupport;
    await this.#features.use(Feature.MIGRATION, "get", new Uint8Array(0), bytes, (data) => {
      ({ flags } = MigrationSupport.read(data));
    });
    return flags;
  }

  /** The state that the device is in: one of `MigrationState`. */
  async state(): Promise<number> {
    let state = 0;
    const { bytes } = MigrationStateData;
    await this.#features.use(Feature.MIG_DEVICE_STATE, "get", new Uint8Array(0), bytes, (data) => {
      ({ state } = MigrationStateData.read(data));
    });
    return state;
  }

  /**
   * Brings the device to a state, by all states on the way.
   *
   * @param done called when it is there, before any later message is looked at
   */
  async setState(state: number, done: () => void = nothing): Promise<void> {
    const data = new Uint8Array(MigrationStateData.bytes);
    MigrationStateData.write({ state, dataFd: 0 }, data, 0);
    await this.#features.use(Feature.MIG_DEVICE_STATE, "set", data, 0, done);
  }

  /** MIG_DATA_READ: the next data of a device that is saved, at most so many bytes; fewer are the last ones. */
  async read(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    checkedNumber(bytes, "bytes of migration data", 1, this.#maxTransfer());
    const what = (): string => `MIG_DATA_READ of ${bytes} bytes`;
    const take = ({ body }: Message): Uint8Array<ArrayBuffer> => {
      const { size } = MigrationData.read(body);
      const data = MigrationData.tail(body);
      if (size > bytes || size > data.length) {
        throw wrongReply(`${what()} is answered by ${data.length} bytes, of which ${size} are data`);
      }
      // Some devices fill up with zeros what was asked for.
      return new Uint8Array(data.subarray(0, size));
    };
    const frame = MigrationData.frame({ argsz: MigrationData.bytes + bytes, size: bytes });
    return await this.#commands.ask(Command.MIG_DATA_READ, frame, { what, take });
  }

  /** MIG_DATA_WRITE, in as many messages as it takes. */
  async write(data: Uint8Array): Promise<void> {
    const most = this.#maxTransfer();
    for (let done = 0; done < data.length; done += most) {
      const piece = data.subarray(done, done + most);
      const argsz = MigrationData.bytes + piece.length;
      const frame = MigrationData.frame({ argsz, size: piece.length }, piece);
      const what = (): string => `MIG_DATA_WRITE of ${piece.length} bytes`;
      await this.#commands.ask(Command.MIG_DATA_WRITE, frame, { what, take: nothing });
    }
  }
}
