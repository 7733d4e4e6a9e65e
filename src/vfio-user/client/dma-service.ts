import { IommuError } from "../../base/errors.ts";
import { hex64, hiOf, loOf, TWO32, toBig, U64_MAX } from "../../base/u64.ts";
import { DmaTarget } from "../../memory/dma-target.ts";
import { MSI_WINDOW } from "../../spapr/papr.ts";
import type { PciDevice } from "../../spapr/pci-device.ts";
import type { DirtyLog } from "../dirty-log.ts";
import { type Frame, type FrameMaker, viewOf } from "../protocol/layout.ts";
import { Command, type Message } from "../protocol/message.ts";
import { DmaAccess } from "../protocol/payloads.ts";
import { type DmaEvidence, type DmaRefusal, type DmaVerdict, judge, verdict } from "./dma-verdict.ts";

/**
 * A DMA that a device asked for.
 *
 * @public
 */
export interface DmaRecord {
  readonly write: boolean;
  readonly address: bigint;
  readonly bytes: number;
  /** What it was answered; 0 for success. */
  readonly errno: number;
  /** Number of the message among all of the connection. */
  readonly message: number;
  /** Why it was refused. */
  readonly refusal?: DmaRefusal;
  readonly why?: string;
}

/** What DMA messages are served from. */
export interface DmaServiceOptions {
  readonly pci: PciDevice;
  readonly evidence: DmaEvidence;
  /** Bytes of one transfer that were agreed on. */
  readonly maxTransfer: number;
  /** Hears of each DMA, refused or not. */
  readonly onDma: (record: DmaRecord) => void;
  /** Hears of a message-signalled interrupt that came as a write to its address. */
  readonly onMsi: (data: number) => void;
}

/** The reply to a DMA message, or why there is none. */
export type DmaAnswer = { readonly frame: Frame } | { readonly errno: number };

const MSI_BYTES = 4;
const MSI_LAST = MSI_WINDOW.address + MSI_WINDOW.size - 1n;

/**
 * Serves DMA_READ and DMA_WRITE from the guest's memory. Each is checked first,
 * all of it (length, bus master, windows, direction, IOMMU), and then carried
 * out as a whole, or refused as a whole.
 */
export class DmaService {
  /** Since the last reset nobody told the device to do anything. */
  isQuietAfterReset = false;
  /** It stands still for migration. */
  isStopped = false;
  /** Pages that the device wrote, while somebody wants to know. */
  dirtyLog: DirtyLog | null = null;
  readonly #options: DmaServiceOptions;
  readonly #target = new DmaTarget();

  constructor(options: DmaServiceOptions) {
    this.#options = options;
  }

  /**
   * Answers a message.
   *
   * @param number of the message among all of the connection
   * @param make gives room for the reply
   * @throws IommuError PEER if it is no DMA message
   */
  serve(message: Message, number: number, make?: FrameMaker): DmaAnswer {
    const write = message.command === Command.DMA_WRITE;
    const { address, count } = DmaAccess.read(message.body);
    const data = DmaAccess.tail(message.body);
    const bytes = Number(count);
    const problem = this.#judge(address, count, write ? BigInt(data.length) : 0n, write);
    if (problem !== null) {
      const { errno, refusal, why } = problem;
      this.#options.onDma({ write, address, bytes, errno, message: number, refusal, why });
      return { errno };
    }
    const frame = DmaAccess.frameWithRoom({ address, count }, write ? 0 : bytes, make);
    if (isMsi(address, count, write)) {
      this.#options.onMsi(new DataView(data.buffer, data.byteOffset).getUint32(0, true));
    } else if (bytes > 0) {
      const { pci } = this.#options;
      if (write) {
        pci.write(address, data);
        this.dirtyLog?.mark(address, bytes);
      } else {
        pci.read(address, viewOf(frame, frame.length - bytes, bytes));
      }
    }
    this.#options.onDma({ write, address, bytes, errno: 0, message: number });
    return { frame };
  }

  #judge(address: bigint, count: bigint, dataBytes: bigint, write: boolean): DmaVerdict | null {
    const { pci, evidence, maxTransfer } = this.#options;
    if (write && dataBytes !== count) {
      return verdict("wrong-length", `DMA_WRITE of ${count} bytes with ${dataBytes} bytes of data`);
    }
    if (!write && dataBytes !== 0n)
      return verdict("wrong-length", `DMA_READ with ${dataBytes} bytes of data`);
    if (count > BigInt(maxTransfer)) {
      return verdict("too-long", `${count} bytes at once: ${maxTransfer} were agreed on`);
    }
    if (count === 0n) return null;
    if (!pci.busMaster) return verdict("bus-master-off", "the bus master bit of the COMMAND register is off");
    if (this.isStopped) return verdict("stopped", "the device was stopped for migration, and had agreed");
    if (this.isQuietAfterReset) {
      return verdict("after-reset", "the device was reset, and nothing was written to its registers since");
    }
    if (isMsi(address, count, write)) return null;
    return judge(evidence, address, count, write) ?? this.#judgeMemory(address, Number(count), write);
  }

  /** Does the IOMMU agree, from the first byte to the last? */
  #judgeMemory(address: bigint, bytes: number, write: boolean): DmaVerdict | null {
    const target = this.#target;
    const { addressSpace } = this.#options.pci;
    let hi = hiOf(address);
    let lo = loOf(address);
    for (let done = 0; done < bytes; done += target.length) {
      const isAllowed = addressSpace.translate(hi | 0, lo | 0, bytes - done, write, target);
      if (!isAllowed || target.region!.ram === null || (write && target.region!.readonly)) {
        const at = hex64(toBig(hi, lo));
        const why = isAllowed
          ? `the IOMMU leads to ${target.region!.name} at ${at}, which is no memory`
          : `the IOMMU refuses ${at}: ${target.reason}`;
        return verdict("no-memory", why);
      }
      lo += target.length;
      if (lo >= TWO32) {
        lo -= TWO32;
        hi++;
      }
    }
    return null;
  }
}

const isMsi = (address: bigint, count: bigint, write: boolean): boolean =>
  write && count === BigInt(MSI_BYTES) && address >= MSI_WINDOW.address && address + count - 1n <= MSI_LAST;

/**
 * Reads words of a dirty bitmap from a message.
 *
 * @throws IommuError PEER if they are not as many as the range needs
 */
export function bitmapWords(bytes: Uint8Array, pages: bigint): BigUint64Array<ArrayBuffer> {
  const expected = ((pages + 63n) / 64n) * 8n;
  if (BigInt(bytes.length) !== expected || pages > U64_MAX) {
    throw new IommuError("PEER", `dirty bitmap of ${bytes.length} bytes: ${expected} expected`, { expected });
  }
  // A copy, as the words of the message need not be aligned.
  return new BigUint64Array(bytes.slice().buffer);
}
