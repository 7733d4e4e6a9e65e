import { checkedNumber } from "../../base/checked.ts";
import { Command, type Message } from "../protocol/message.ts";
import { DeviceFeature, FeatureFlag } from "../protocol/payloads.ts";
import type { CommandQueue } from "./command-queue.ts";
import { wrongReply } from "./replies.ts";

const nothing = (): void => {};

/**
 * What is done with a feature.
 *
 * @public
 */
export type FeatureUse = "get" | "set" | "probe";

/**
 * DEVICE_FEATURE, of which migration and the log of writes are made. The methods throw as those of the client.
 *
 * @public
 */
export class DeviceFeatures {
  readonly #commands: CommandQueue;

  /** @internal */
  constructor(commands: CommandQueue) {
    this.#commands = commands;
  }

  /**
   * @param room how many bytes of data the reply may have
   * @param done called with the data of the reply before any later message is looked at
   * @returns the data of the reply
   */
  async use(
    number: number,
    how: FeatureUse,
    data: Uint8Array,
    room = 0,
    done: (data: Uint8Array) => void = nothing,
  ): Promise<Uint8Array> {
    checkedNumber(number, "feature", 0, FeatureFlag.NUMBER);
    const bit = { get: FeatureFlag.GET, set: FeatureFlag.SET, probe: FeatureFlag.PROBE }[how];
    const argsz = DeviceFeature.bytes + Math.max(data.length, room);
    const what = (): string => `DEVICE_FEATURE ${how} of ${number}`;
    const take = ({ body }: Message): Uint8Array => {
      const { flags } = DeviceFeature.read(body);
      if ((flags & FeatureFlag.NUMBER) !== number) {
        throw wrongReply(`${what()} is answered for ${flags & FeatureFlag.NUMBER}`);
      }
      const found = DeviceFeature.tail(body).slice();
      done(found);
      return found;
    };
    const frame = DeviceFeature.frame({ argsz, flags: number | bit }, data);
    return await this.#commands.ask(Command.DEVICE_FEATURE, frame, { what, take });
  }
}
