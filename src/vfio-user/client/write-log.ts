import type { AddressRange } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import { Command, type Message } from "../protocol/message.ts";
import {
  Bitmap,
  DmaUnmap,
  Feature,
  LoggedRange,
  LoggingReport,
  LoggingStart,
  UnmapFlag,
} from "../protocol/payloads.ts";
import type { CommandQueue } from "./command-queue.ts";
import type { DeviceFeatures } from "./device-features.ts";
import { bitmapWords } from "./dma-service.ts";
import { checkUnmapped, sizeOf } from "./replies.ts";

/**
 * The device's log of the pages that it writes by itself; what it writes by messages the client logs. The methods throw as
 * those of the client.
 *
 * @public
 */
export class WriteLog {
  readonly #commands: CommandQueue;
  readonly #features: DeviceFeatures;

  /** @internal */
  constructor(commands: CommandQueue, features: DeviceFeatures) {
    this.#commands = commands;
    this.#features = features;
  }

  /** Asks the device to log what it writes in some ranges; in none of them, everywhere. */
  async start(pageSize: bigint, ranges: readonly AddressRange[]): Promise<void> {
    const data = new Uint8Array(LoggingStart.bytes + ranges.length * LoggedRange.bytes);
    LoggingStart.write({ pageSize, count: ranges.length, reserved: 0 }, data, 0);
    ranges.forEach((range, i) => {
      const at = LoggingStart.bytes + i * LoggedRange.bytes;
      LoggedRange.write({ address: range.first, size: sizeOf(range) }, data, at);
    });
    await this.#features.use(Feature.DMA_LOGGING_START, "set", data);
  }

  /** The device logs no longer. */
  async stop(): Promise<void> {
    await this.#features.use(Feature.DMA_LOGGING_STOP, "set", new Uint8Array(0));
  }

  /** What the device logged: a bit for each page, in words of 64. */
  async report(address: bigint, size: bigint, pageSize: bigint): Promise<BigUint64Array<ArrayBuffer>> {
    const pages = (size + pageSize - 1n) / pageSize;
    const data = new Uint8Array(LoggingReport.bytes);
    LoggingReport.write({ address, size, pageSize }, data, 0);
    const room = LoggingReport.bytes + bytesOfBitmap(pages);
    let words = new BigUint64Array(0);
    await this.#features.use(Feature.DMA_LOGGING_REPORT, "get", data, room, (reply) => {
      words = bitmapWords(LoggingReport.tail(reply), pages);
    });
    return words;
  }

  /**
   * DMA_UNMAP of one window whose writes the device logs.
   *
   * @returns the pages that it wrote: a bit for each, in words of 64
   */
  async unmap(window: AddressRange, pageSize: bigint): Promise<BigUint64Array<ArrayBuffer>> {
    const size = sizeOf(window);
    const pages = (size + pageSize - 1n) / pageSize;
    const bytes = bytesOfBitmap(pages);
    const argsz = DmaUnmap.bytes + Bitmap.bytes + bytes;
    const tail = new Uint8Array(Bitmap.bytes);
    Bitmap.write({ pageSize, size: BigInt(bytes) }, tail, 0);
    const flags = UnmapFlag.DIRTY_BITMAP;
    const what = (): string => `DMA_UNMAP of ${size} bytes at ${hex64(window.first)} with a dirty bitmap`;
    const take = ({ body }: Message): BigUint64Array<ArrayBuffer> => {
      checkUnmapped(what, body, window);
      const words = DmaUnmap.tail(body);
      Bitmap.read(words);
      return bitmapWords(Bitmap.tail(words), pages);
    };
    const frame = DmaUnmap.frame({ argsz, flags, address: window.first, size }, tail);
    return await this.#commands.ask(Command.DMA_UNMAP, frame, { what, take });
  }
}

/** A bit for each page, in words of 64. */
const bytesOfBitmap = (pages: bigint): number => Math.ceil(Number(pages) / 64) * 8;
