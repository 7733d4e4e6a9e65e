import { hiOfNumber, loOfNumber } from "../base/u64.ts";
import type { AddressSpace } from "../memory/address-space.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { GuestRam } from "../memory/guest-ram.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { HostProcess } from "./host/host-process.ts";

/** Where QEMU's process has the guest's memory. */
export const RAM_VADDR: number = 2 ** 44;
/** Memory of devices lies past it, each piece on a boundary of its own. */
const DEVICE_RAM_VADDR = 2 ** 50;
const DEVICE_RAM_STEP = 2 ** 40;

/** A piece of guest memory in QEMU's process. */
export interface MemoryPiece {
  readonly ram: GuestRam;
  /** Address of its first byte; in signed halves, too. */
  readonly vaddr: number;
  readonly vaddrHi: number;
  readonly vaddrLo: number;
  readonly size: number;
}

/** The guest's memory in QEMU's process, and back. Pieces come when the machine is made, and stay. */
export class ProcessMemory {
  readonly #process: HostProcess;
  readonly #system: AddressSpace;
  readonly #pieces: MemoryPiece[] = [];
  /**
   * The piece asked for last.
   *
   * Invariant: one of {@link #pieces}, each of which has memory of its own and
   * none of which ever goes.
   */
  #last: MemoryPiece | undefined;

  constructor(process: HostProcess, system: AddressSpace) {
    this.#process = process;
    this.#system = system;
  }

  /** Takes the guest's own memory in, which lies at {@link RAM_VADDR} already. */
  addRam(ram: GuestRam): void {
    this.#add(ram, RAM_VADDR);
  }

  /**
   * Maps memory of a device into the process and registers it, as its driver in
   * the host does: QEMU's listener leaves it out.
   */
  addDeviceRam(ram: GuestRam): MemoryPiece {
    const { memory } = this.#process;
    const last = this.#pieces.findLast(({ vaddr }) => vaddr >= DEVICE_RAM_VADDR);
    const vaddr =
      last === undefined
        ? DEVICE_RAM_VADDR
        : last.vaddr + Math.ceil(last.size / DEVICE_RAM_STEP) * DEVICE_RAM_STEP;
    const piece = this.#add(ram, vaddr);
    memory.place(vaddr, piece.size);
    return piece;
  }

  /** The piece that a guest's memory is. */
  pieceOf(ram: GuestRam): MemoryPiece {
    const last = this.#last;
    if (last !== undefined && last.ram === ram) return last;
    const piece = this.#pieces.find((other) => other.ram === ram)!;
    this.#last = piece;
    return piece;
  }

  /** Address in the process of guest memory. */
  vaddrOf(memory: GuestMemory): bigint {
    return BigInt(this.pieceOf(memory.ram!).vaddr) + memory.offset;
  }

  /** Address in the process of a section of guest memory. */
  vaddrOfSection(section: FlatRange): bigint {
    return BigInt(this.pieceOf(section.region.ram!).vaddr) + section.offsetInRegion;
  }

  /** Guest address of an address in the process, and how many bytes follow it there; undefined if it is not the guest's. */
  guestMemoryAt(vaddr: bigint): { readonly address: bigint; readonly size: bigint } | undefined {
    for (const range of this.#system.view.ranges) {
      const piece = this.#pieces.find(({ ram }) => ram === range.region.ram);
      if (piece === undefined) continue;
      const offset = vaddr - BigInt(piece.vaddr) - range.offsetInRegion;
      if (offset >= 0n && offset < range.size)
        return { address: range.address + offset, size: range.size - offset };
    }
    return undefined;
  }

  #add(ram: GuestRam, vaddr: number): MemoryPiece {
    const halves = { vaddrHi: hiOfNumber(vaddr) | 0, vaddrLo: loOfNumber(vaddr) | 0 };
    const piece = { ram, vaddr, ...halves, size: Number(ram.sizeBytes) };
    this.#pieces.push(piece);
    return piece;
  }
}
