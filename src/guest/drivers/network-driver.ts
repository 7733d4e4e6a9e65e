import { toBig } from "../../base/u64.ts";
import type { LinuxGuest } from "../linux-guest.ts";
import type { PciFunction } from "../pci-function.ts";
import type { DeviceRegisters } from "./device-port.ts";
import { type CoherentMemory, DriverDma, type DriverOptions } from "./driver-dma.ts";
import { joinBytes } from "./join-bytes.ts";
import {
  BUFFER_BYTES,
  DESCRIPTOR_BYTES,
  DONE,
  ENABLE,
  LINK_UP,
  Register,
  RX_END,
  STATUS_BYTE,
  TX_COMMAND,
  TX_END,
  TX_REPORT,
} from "./network-protocol.ts";

/** Descriptors of each ring, as Linux's driver has by default. */
const ENTRIES = 256;

/** A ring of descriptors, and what is mapped for each of them. */
class Ring {
  readonly memory: CoherentMemory;
  readonly hi: Uint32Array = new Uint32Array(ENTRIES);
  readonly lo: Uint32Array = new Uint32Array(ENTRIES);
  readonly physical: Float64Array = new Float64Array(ENTRIES);
  /** Bytes that are mapped; 0 for a descriptor without a buffer. */
  readonly size: Uint32Array = new Uint32Array(ENTRIES);
  /** The next one to be filled, and the next one that the card has done with. */
  next = 0;
  clean = 0;

  constructor(memory: CoherentMemory) {
    this.memory = memory;
  }
}

/**
 * A driver of a network card with rings of descriptors: packets that are sent are mapped one by one, and unmapped when the card
 * says that they are gone; buffers for packets that come are mapped beforehand.
 *
 * @public
 */
export class NetworkDriver {
  /** Gets each packet that came. */
  onPacket: ((packet: Uint8Array) => void) | null = null;
  readonly dma: DriverDma;
  readonly #registers: DeviceRegisters;
  #tx: Ring | undefined;
  #rx: Ring | undefined;
  readonly #bytes = new Uint8Array(DESCRIPTOR_BYTES);
  readonly #descriptor = new DataView(this.#bytes.buffer);

  constructor(guest: LinuxGuest, fn: PciFunction, registers: DeviceRegisters, options: DriverOptions) {
    this.dma = new DriverDma(guest, fn, options);
    this.#registers = registers;
  }

  /** Makes the rings and fills the one for packets that come. @returns false if there is no memory for the card, or no card */
  start(): boolean {
    const tx = this.dma.allocCoherent(ENTRIES * DESCRIPTOR_BYTES);
    const rx = this.dma.allocCoherent(ENTRIES * DESCRIPTOR_BYTES);
    if (tx !== undefined) this.#tx = new Ring(tx);
    if (rx !== undefined) this.#rx = new Ring(rx);
    if (this.#tx === undefined || this.#rx === undefined) {
      this.stop();
      return false;
    }
    this.#setRing(Register.TDBAL, Register.TDLEN, Register.TDH, this.#tx);
    this.#setRing(Register.RDBAL, Register.RDLEN, Register.RDH, this.#rx);
    this.#registers.write(Register.TCTL, ENABLE);
    this.#registers.write(Register.RCTL, ENABLE);
    this.#refill(this.#rx);
    return this.#registers.read(Register.STATUS) === LINK_UP;
  }

  /** Stops the card, and gives all memory back. */
  stop(): void {
    this.#registers.write(Register.TCTL, 0);
    this.#registers.write(Register.RCTL, 0);
    const rings = [
      [this.#tx, "to-device"],
      [this.#rx, "from-device"],
    ] as const;
    for (const [ring, direction] of rings) {
      if (ring === undefined) continue;
      for (let slot = 0; slot < ENTRIES; slot++) this.#release(ring, slot, direction);
      this.dma.freeCoherent(ring.memory);
    }
    this.#tx = undefined;
    this.#rx = undefined;
  }

  /**
   * Sends a packet.
   *
   * @returns false if it cannot be mapped, or the ring is full of packets that the card does not take
   */
  send(packet: Uint8Array): boolean {
    const ring = this.#tx;
    if (ring === undefined) return false;
    const { next } = ring;
    this.clean();
    // One descriptor stays free: a ring whose head and tail are equal is empty.
    if ((next + 1) % ENTRIES === ring.clean) {
      // A watchdog looks at the card.
      this.#registers.read(Register.STATUS);
      return false;
    }
    const { dma } = this;
    const physical = dma.memory.allocate(packet.length);
    dma.memory.write(physical, packet);
    if (!this.#map(ring, next, physical, packet.length, "to-device")) return false;
    this.#descriptor.setUint16(8, packet.length, true);
    this.#descriptor.setUint8(TX_COMMAND, TX_END | TX_REPORT);
    this.#writeDescriptor(ring, next);
    ring.next = (next + 1) % ENTRIES;
    this.#registers.write(Register.TDT, ring.next);
    return true;
  }

  /** Unmaps the packets that are gone. @returns how many there were */
  clean(): number {
    const ring = this.#tx;
    let gone = 0;
    while (ring !== undefined && ring.clean !== ring.next && this.#isDone(ring, ring.clean)) {
      this.#release(ring, ring.clean, "to-device");
      ring.clean = (ring.clean + 1) % ENTRIES;
      gone++;
    }
    return gone;
  }

  /** Takes the packets that came, and gives the card new buffers. @returns how many there were */
  poll(): number {
    const ring = this.#rx;
    if (ring === undefined) return 0;
    let packets = 0;
    let pieces: Uint8Array[] = [];
    while (ring.clean !== ring.next && this.#isDone(ring, ring.clean)) {
      const slot = ring.clean;
      const length = this.#descriptor.getUint16(8, true);
      const isLast = (this.#descriptor.getUint8(STATUS_BYTE) & RX_END) !== 0;
      this.dma.syncForCpu(ring.hi[slot]!, ring.lo[slot]!, length, "from-device");
      const piece = new Uint8Array(length);
      this.dma.memory.read(ring.physical[slot]!, piece);
      pieces.push(piece);
      this.#release(ring, slot, "from-device");
      ring.clean = (slot + 1) % ENTRIES;
      if (!isLast) continue;
      packets++;
      this.onPacket?.(joinBytes(pieces));
      pieces = [];
    }
    this.#refill(ring);
    return packets;
  }

  /** Gives the card a buffer for each free descriptor. */
  #refill(ring: Ring): void {
    const { dma } = this;
    while ((ring.next + 1) % ENTRIES !== ring.clean) {
      const physical = dma.memory.allocate(BUFFER_BYTES);
      if (!this.#map(ring, ring.next, physical, BUFFER_BYTES, "from-device")) break;
      this.#writeDescriptor(ring, ring.next);
      ring.next = (ring.next + 1) % ENTRIES;
    }
    this.#registers.write(Register.RDT, ring.next);
  }

  /** Maps a buffer for a descriptor, which has its address then and nothing else. */
  #map(
    ring: Ring,
    slot: number,
    physical: number,
    size: number,
    direction: "to-device" | "from-device",
  ): boolean {
    const { dma } = this;
    if (!dma.mapPage(physical, size, direction)) {
      dma.memory.free(physical, size);
      return false;
    }
    ring.hi[slot] = dma.hi;
    ring.lo[slot] = dma.lo;
    ring.physical[slot] = physical;
    ring.size[slot] = size;
    this.#bytes.fill(0);
    this.#descriptor.setBigUint64(0, toBig(dma.hi, dma.lo), true);
    return true;
  }

  #release(ring: Ring, slot: number, direction: "to-device" | "from-device"): void {
    const size = ring.size[slot]!;
    if (size === 0) return;
    this.dma.unmapPage(ring.hi[slot]!, ring.lo[slot]!, size, direction);
    this.dma.memory.free(ring.physical[slot]!, size);
    ring.size[slot] = 0;
  }

  #isDone(ring: Ring, slot: number): boolean {
    this.dma.memory.read(ring.memory.physical + slot * DESCRIPTOR_BYTES, this.#bytes);
    return (this.#descriptor.getUint8(STATUS_BYTE) & DONE) !== 0;
  }

  #writeDescriptor(ring: Ring, slot: number): void {
    this.dma.memory.write(ring.memory.physical + slot * DESCRIPTOR_BYTES, this.#bytes);
  }

  #setRing(base: number, length: number, head: number, { memory }: Ring): void {
    this.#registers.write64(base, memory.address);
    this.#registers.write(length, ENTRIES * DESCRIPTOR_BYTES);
    this.#registers.write(head, 0);
    this.#registers.write(head + 8, 0);
  }
}
