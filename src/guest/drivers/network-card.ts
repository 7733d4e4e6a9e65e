import type { MmioHandler } from "../../memory/mmio-handler.ts";
import type { DevicePort } from "./device-port.ts";
import { joinBytes } from "./join-bytes.ts";
import {
  BUFFER_BYTES,
  DESCRIPTOR_BYTES,
  DONE,
  ENABLE,
  LINK_UP,
  MAX_PACKET_BYTES,
  Register,
  RX_END,
  STATUS_BYTE,
  TX_COMMAND,
  TX_END,
  TX_REPORT,
} from "./network-protocol.ts";

/**
 * A network card with rings of descriptors, as e1000 has them. It knows bus addresses alone: what it reads and writes goes
 * through its port. A packet that the IOMMU refuses in part is not sent.
 *
 * @public
 */
export class NetworkCard implements MmioHandler {
  /** Gets each packet that is sent. */
  onSend: ((packet: Uint8Array) => void) | null = null;
  /** Packets that were sent, received, and lost: for want of a descriptor, or because the IOMMU refused their memory. */
  readonly counts: { sent: number; received: number; lost: number; refused: number } = {
    sent: 0,
    received: 0,
    lost: 0,
    refused: 0,
  };
  readonly #port: DevicePort;
  readonly #registers = new DataView(new ArrayBuffer(0x4000));
  /** One descriptor. */
  readonly #bytes = new Uint8Array(DESCRIPTOR_BYTES);
  readonly #descriptor = new DataView(this.#bytes.buffer);
  /** Pieces of the packet that is read. */
  #pieces: Uint8Array[] = [];

  constructor(port: DevicePort) {
    this.#port = port;
    this.#set(Register.STATUS, LINK_UP);
  }

  /** A reset of the bus: no rings, and nothing is on. */
  reset(): void {
    new Uint8Array(this.#registers.buffer).fill(0);
    this.#set(Register.STATUS, LINK_UP);
    this.#pieces = [];
  }

  read(offset: bigint): bigint {
    const at = Number(offset);
    return at <= 0x3ffc ? BigInt(this.#get(at)) : 0n;
  }

  write(offset: bigint, _bytes: number, value: bigint): void {
    const at = Number(offset);
    if (at > 0x3ffc || at === Register.STATUS) return;
    this.#set(at, Number(value));
    if (at === Register.TDT) this.#send();
  }

  /** A packet arrives. @returns false if it was lost */
  receive(packet: Uint8Array): boolean {
    const entries = this.#get(Register.RDLEN) / DESCRIPTOR_BYTES;
    const isOn = (this.#get(Register.RCTL) & ENABLE) !== 0;
    if (!isOn || packet.length > MAX_PACKET_BYTES || this.#free(entries) * BUFFER_BYTES < packet.length) {
      this.counts.lost++;
      return false;
    }
    for (let at = 0; at < packet.length; at += BUFFER_BYTES) {
      const piece = packet.subarray(at, at + BUFFER_BYTES);
      if (!this.#store(piece, at + piece.length === packet.length)) {
        this.counts.refused++;
        return false;
      }
      this.#set(Register.RDH, (this.#get(Register.RDH) + 1) % entries);
    }
    this.counts.received++;
    return true;
  }

  /** Descriptors of the receive ring that the driver has filled. */
  #free(entries: number): number {
    return entries === 0 ? 0 : (this.#get(Register.RDT) - this.#get(Register.RDH) + entries) % entries;
  }

  #store(piece: Uint8Array, isLast: boolean): boolean {
    const place = this.#place(Register.RDBAL, Register.RDH);
    if (!this.#port.read(place, this.#bytes)) return false;
    const descriptor = this.#descriptor;
    if (!this.#port.write(descriptor.getBigUint64(0, true), piece)) return false;
    descriptor.setUint16(8, piece.length, true);
    descriptor.setUint8(STATUS_BYTE, DONE | (isLast ? RX_END : 0));
    return this.#port.write(place, this.#bytes);
  }

  /** Sends what stands between head and tail. */
  #send(): void {
    if ((this.#get(Register.TCTL) & ENABLE) === 0) return;
    const entries = this.#get(Register.TDLEN) / DESCRIPTOR_BYTES;
    const tail = this.#get(Register.TDT);
    if (entries === 0 || tail >= entries) return;
    for (let head = this.#get(Register.TDH); head !== tail; head = this.#get(Register.TDH)) {
      const place = this.#place(Register.TDBAL, Register.TDH);
      // A ring that is refused stops the transmitter: it does not know what comes next.
      if (!this.#port.read(place, this.#bytes)) {
        this.counts.refused++;
        return;
      }
      this.#sendPiece(place);
      this.#set(Register.TDH, (head + 1) % entries);
    }
  }

  #sendPiece(place: bigint): void {
    const descriptor = this.#descriptor;
    const piece = new Uint8Array(descriptor.getUint16(8, true));
    const isRead = this.#port.read(descriptor.getBigUint64(0, true), piece);
    const command = descriptor.getUint8(TX_COMMAND);
    if (isRead) this.#pieces.push(piece);
    else this.counts.refused++;
    if (!isRead || (command & TX_END) !== 0) {
      if (isRead) {
        this.counts.sent++;
        this.onSend?.(joinBytes(this.#pieces));
      }
      this.#pieces = [];
    }
    if ((command & TX_REPORT) === 0) return;
    descriptor.setUint8(STATUS_BYTE, DONE);
    if (!this.#port.write(place, this.#bytes)) this.counts.refused++;
  }

  #place(base: number, index: number): bigint {
    return this.#registers.getBigUint64(base, true) + BigInt(this.#get(index) * DESCRIPTOR_BYTES);
  }

  #get(offset: number): number {
    return this.#registers.getUint32(offset, true);
  }

  #set(offset: number, value: number): void {
    this.#registers.setUint32(offset, value, true);
  }
}
