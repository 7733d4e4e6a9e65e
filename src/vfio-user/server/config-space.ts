import { IommuError } from "../../base/errors.ts";
import type { MsixTables, PciDeviceModel } from "./device-model.ts";

/** Bytes of the configuration space of a conventional PCI device. */
export const CONFIG_BYTES = 256;
const STATUS = 6;
const HAS_CAPABILITIES = 0x10;
const BAR0 = 0x10;
const BAR_COUNT = 6;
const CAPABILITIES = 0x34;
const MSI = 0x40;
const MSI_ID = 5;
const MSI_64_BIT = 0x80;
/** Of the message control: enable, and how many vectors the host uses. */
const MSI_WRITABLE = 0x71;
const MSI_BYTES = 14;
const MSIX = 0x50;
const MSIX_ID = 0x11;
/** Of the second byte of its message control: enable, and mask all. */
const MSIX_WRITABLE = 0xc0;
const INTERRUPT_PIN = 0x3d;
const INTA = 1;
const BUS_MASTER = 4;

/** Stretches that a host may write, by their offsets: command, cache line and latency, BARs, ROM, interrupt line. */
const WRITABLE: readonly (readonly [first: number, end: number])[] = [
  [4, 6],
  [12, 14],
  [0x10, 0x28],
  [0x30, 0x34],
  [0x3c, 0x3d],
];

/**
 * The configuration space of a device: a type 0 header with memory BARs of
 * 32 bits, and capabilities for MSI and MSI-X if the device has such interrupts.
 */
export class ConfigSpace {
  readonly #bytes = new Uint8Array(CONFIG_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #barSizes: readonly number[];
  readonly #absentBar: number;
  readonly #msiVectors: number;
  readonly #msix: MsixTables | undefined;
  /** Bits of the message control that say what the device can. */
  readonly #msiFixed: number = 0;

  /** @throws IommuError BAD_ARGUMENT for a device that no configuration space can describe */
  constructor(device: PciDeviceModel, absentBar: number) {
    const { bars, vendor, device: id, classCode = 0xff_0000, revision = 0, msiVectors = 0, msix } = device;
    if (bars.length > BAR_COUNT) throw wrong(`${device.name}: ${bars.length} BARs: a PCI device has 6`);
    this.#barSizes = Array.from({ length: BAR_COUNT }, (_, i) => {
      const size = bars[i]?.size ?? 0;
      if (size === 0 || (size >= 16 && size <= 2 ** 31 && 2 ** Math.round(Math.log2(size)) === size))
        return size;
      throw wrong(`${device.name}: BAR${i} of ${size} bytes: must be a power of two from 16 on`);
    });
    this.#absentBar = absentBar;
    this.#msiVectors = msiVectors;
    this.#view.setUint16(0, vendor, true);
    this.#view.setUint16(2, id, true);
    this.#view.setUint32(8, ((classCode << 8) | revision) >>> 0, true);
    for (let i = 0; i < BAR_COUNT; i++) this.#view.setUint32(BAR0 + 4 * i, this.#barValue(i, 0), true);
    this.#msix = msix;
    if (device.intx === true) this.#bytes[INTERRUPT_PIN] = INTA;
    if (msiVectors > 0 || msix !== undefined) this.#view.setUint16(STATUS, HAS_CAPABILITIES, true);
    let last = CAPABILITIES;
    if (msiVectors > 0) {
      this.#bytes[last] = MSI;
      last = MSI + 1;
      this.#bytes[MSI] = MSI_ID;
      this.#msiFixed = MSI_64_BIT | (Math.ceil(Math.log2(msiVectors)) << 1);
      this.#bytes[MSI + 2] = this.#msiFixed;
    }
    if (msix === undefined) return;
    this.#bytes[last] = MSIX;
    this.#bytes[MSIX] = MSIX_ID;
    this.#view.setUint16(MSIX + 2, msix.vectors - 1, true);
    this.#view.setUint32(MSIX + 4, msix.table | msix.bar, true);
    this.#view.setUint32(MSIX + 8, msix.pending | msix.bar, true);
  }

  /** The host permits DMA. */
  get busMaster(): boolean {
    return (this.#bytes[4]! & BUS_MASTER) !== 0;
  }

  /** Where a vector's message goes and what it says; undefined while MSI is off or has not so many vectors. */
  msi(vector: number): { readonly address: bigint; readonly data: number } | undefined {
    if (vector >= this.#msiVectors || (this.#bytes[MSI + 2]! & 1) === 0) return undefined;
    return {
      address: this.#view.getBigUint64(MSI + 4, true),
      data: this.#view.getUint16(MSI + 12, true) + vector,
    };
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  /** Takes the bytes that a host may write; returns whether the first of them is one. */
  write(offset: number, data: Uint8Array): boolean {
    data.forEach((byte, i) => {
      const at = offset + i;
      if (!this.#isWritable(at)) return;
      const fixed = at === MSIX + 3 && this.#msix !== undefined ? ~MSIX_WRITABLE & 0xff : 0;
      this.#bytes[at] = (this.#bytes[at]! & fixed) | (byte & ~fixed);
    });
    if (this.#msiVectors > 0) this.#bytes[MSI + 2] = (this.#bytes[MSI + 2]! & MSI_WRITABLE) | this.#msiFixed;
    for (let i = 0; i < BAR_COUNT; i++) {
      this.#view.setUint32(BAR0 + 4 * i, this.#barValue(i, this.#view.getUint32(BAR0 + 4 * i, true)), true);
    }
    return this.#isWritable(offset);
  }

  #isWritable(offset: number): boolean {
    if (this.#msiVectors > 0 && offset > MSI + 1 && offset < MSI + MSI_BYTES) return offset !== MSI + 3;
    if (this.#msix !== undefined && offset === MSIX + 3) return true;
    return WRITABLE.some(([first, end]) => offset >= first && offset < end);
  }

  /** What a BAR reads as after a write: the bits below its size are fixed. */
  #barValue(index: number, written: number): number {
    const size = this.#barSizes[index]!;
    return size === 0 ? this.#absentBar : (written & -size) >>> 0;
  }
}

const wrong = (message: string): IommuError => new IommuError("BAD_ARGUMENT", message);
