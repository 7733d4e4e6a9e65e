import { checkedAddress, checkedNumber } from "../base/checked.ts";
import { FirstError } from "../base/first-error.ts";
import { Spare } from "../base/spare.ts";
import { hiOf, loOf, TWO32, toBig } from "../base/u64.ts";
import type { DmaFault } from "./dma-fault.ts";
import { DmaTarget, type TargetView } from "./dma-target.ts";
import { type FlatView, renderView } from "./flat-view.ts";
import { MAX_RAM_BYTES, ramOffset } from "./guest-ram.ts";
import { IommuTranslation } from "./iommu-translation.ts";
import type { MemoryRegion } from "./memory-region.ts";

/**
 * Result of a DMA; QEMU's MEMTX_* values.
 *
 * @public
 */
export const TxResult = { OK: 0, ERROR: 1, DECODE_ERROR: 2 } as const;

/** How many IOMMUs one access may pass, as a guard against a translation that leads back to itself. */
const MAX_TRANSLATIONS = 8;
/** Largest access to what is not memory: 4 bytes, unless a device says otherwise. */
const DEFAULT_ACCESS_BYTES = 4;

/**
 * What an address space needs of the memory system that it belongs to.
 *
 * @public
 */
export interface AddressSpaces {
  /** Hears of every DMA that failed. */
  readonly onDmaFault: ((fault: DmaFault) => void) | null;
  /** @internal Called by a new address space. */
  addSpace(space: AddressSpace): void;
  /** @internal Called by an address space that goes away, after its listeners. */
  removeSpace(space: AddressSpace): void;
}

/**
 * What a bus master sees: a tree of regions, and access to it through the
 * IOMMUs on the way.
 *
 * @public
 */
export class AddressSpace {
  readonly system: AddressSpaces;
  readonly name: string;
  readonly root: MemoryRegion;
  #view: FlatView;
  // A hook fills it last and it is read at once: a translation inside of another one does no harm.
  readonly #entry = new IommuTranslation();
  readonly #targets = new Spare(() => new DmaTarget());

  constructor(system: AddressSpaces, name: string, root: MemoryRegion) {
    this.system = system;
    this.name = name;
    this.root = root;
    this.#view = renderView(root);
    system.addSpace(this);
  }

  /** The layout as of the last finished transaction. */
  get view(): FlatView {
    return this.#view;
  }

  /** @internal Set by the memory system at the end of a transaction. */
  setView(view: FlatView): void {
    this.#view = view;
  }

  /** Takes the space and its listeners out of the memory system. */
  destroy(): void {
    this.system.removeSpace(this);
  }

  /**
   * Follows an access through all IOMMUs to the region that answers.
   *
   * @param hi high half of the address, of 32 bits and either sign; so the low one
   * @param length bytes wanted, at least 1
   * @returns false if the access is refused, with the reason in `into`
   * @internal Whoever calls it has checked what it hands over.
   */
  translate(hi: number, lo: number, length: number, write: boolean, into: DmaTarget): boolean {
    const need = write ? 2 : 1;
    const entry = this.#entry;
    let view: TargetView = this.#view;
    let atHi = hi | 0;
    let atLo = lo | 0;
    into.length = length;
    for (let hops = 0; hops < MAX_TRANSLATIONS; hops++) {
      if (!view.locate(atHi, atLo, into)) return into.lost(atHi, atLo, hops === 0 ? "outside" : "no-memory");
      const { offsetHi, offsetLo } = into;
      const { iommu } = into.region!;
      if (iommu === null) {
        into.reason = null;
        return true;
      }
      iommu.hooks.translate(offsetHi, offsetLo, entry);
      const { maskHi, maskLo, perm } = entry;
      if ((perm & need) === 0) return into.refused(perm, write);
      atHi = (entry.targetHi & ~maskHi) | (offsetHi & maskHi);
      atLo = (entry.targetLo & ~maskLo) | (offsetLo & maskLo);
      into.clip(~atHi & maskHi, ~atLo & maskLo);
      view = iommu.hooks.target.view;
    }
    return into.lost(atHi, atLo, "no-memory");
  }

  /**
   * DMA from memory: fills `into` from address `iova`. Bytes that cannot be
   * read are zero; the others are transferred all the same (QEMU-DMA-1 to QEMU-DMA-3).
   *
   * @param who for the fault records; null (an access of a processor, which is no DMA) makes none
   * @returns {@link TxResult}.OK, or DECODE_ERROR if any byte was refused
   */
  read(iova: bigint, into: Uint8Array, who: string | null = this.name): number {
    return this.#transfer(iova, into, false, who);
  }

  /** DMA to memory, like {@link read}: refused bytes are dropped. */
  write(iova: bigint, from: Uint8Array, who: string | null = this.name): number {
    return this.#transfer(iova, from, true, who);
  }

  /**
   * Reads `count` big-endian 32-bit cells as a processor does; what is not
   * memory reads as zero (QEMU).
   *
   * @param hi high half of the address
   * @param lo low half of the address
   * @returns false if any of it is not memory
   */
  readCells(hi: number, lo: number, into: Uint32Array, count: number): boolean {
    if (count === 0) return true;
    if (!isSmall(hi, lo, count)) checkAccess(hi, lo, count * 4);
    const target = this.#targets.take();
    const found = this.translate(hi, lo, count * 4, false, target);
    const ram =
      found && target.length === count * 4 && (target.offsetLo & 3) === 0 ? target.region!.ram : null;
    const offset = ramOffset(target.offsetHi, target.offsetLo);
    this.#targets.giveBack(target);
    if (ram !== null) {
      ram.readCells(offset, into, count);
      return true;
    }
    const bytes = new Uint8Array(count * 4);
    const result = this.read(toBig(hi, lo), bytes, null);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; i++) into[i] = view.getUint32(i * 4);
    return result === TxResult.OK;
  }

  /** Is a stretch of addresses memory, all of one region? */
  isMemory(hi: number, lo: number, bytes: number): boolean {
    if (bytes > MAX_RAM_BYTES) return false;
    if (!isSmall(hi, lo, bytes)) checkAccess(hi, lo, bytes);
    const target = this.#targets.take();
    const found = this.translate(hi, lo, bytes, false, target);
    const whole = found && target.region!.ram !== null && target.length === bytes;
    this.#targets.giveBack(target);
    return whole;
  }

  #transfer(iova: bigint, bytes: Uint8Array, write: boolean, who: string | null): number {
    checkedAddress(iova, `${this.name}: address`);
    const target = this.#targets.take();
    const faults =
      who === null || this.system.onDmaFault === null ? null : new FaultList(this.name, who, write);
    const errors = new FirstError();
    let result: number = TxResult.OK;
    let hi = hiOf(iova);
    let lo = loOf(iova);
    for (let done = 0; done < bytes.length; ) {
      const allowed = this.translate(hi, lo, bytes.length - done, write, target);
      let length = target.length;
      if (allowed && target.region!.ram !== null) {
        this.#copy(target, length === bytes.length ? bytes : bytes.subarray(done, done + length), write);
        faults?.close();
      } else {
        length = accessSize(target, length);
        const piece = bytes.subarray(done, done + length);
        if (allowed) {
          errors.attempt(() => accessMmio(target, piece, write));
          faults?.close();
        } else {
          if (!write) piece.fill(0);
          result |= TxResult.DECODE_ERROR;
          faults?.add(hi, lo, length, target);
        }
      }
      done += length;
      const next = lo + length;
      lo = next >>> 0;
      if (next >= TWO32) hi = (hi + 1) >>> 0;
    }
    this.#targets.giveBack(target);
    for (const fault of faults?.all ?? []) errors.attempt(() => this.system.onDmaFault?.(fault));
    errors.rethrow();
    return result;
  }

  #copy(target: DmaTarget, piece: Uint8Array, write: boolean): void {
    const { region, offsetHi, offsetLo } = target;
    const offset = ramOffset(offsetHi, offsetLo);
    if (!write) region!.ram!.read(offset, piece);
    else if (!region!.readonly) region!.ram!.write(offset, piece);
  }
}

type OpenFault = { -readonly [K in keyof DmaFault]: DmaFault[K] };

/** The faults of one transfer, which are told when it is done: refused accesses that follow each other are one. */
class FaultList {
  readonly all: DmaFault[] = [];
  readonly #addressSpace: string;
  readonly #who: string;
  readonly #write: boolean;
  #open: OpenFault | null = null;

  constructor(addressSpace: string, who: string, write: boolean) {
    this.#addressSpace = addressSpace;
    this.#who = who;
    this.#write = write;
  }

  /** An access was refused. */
  add(hi: number, lo: number, bytes: number, target: DmaTarget): void {
    const reason = target.reason!;
    const region = target.region?.name;
    if (this.#open !== null && this.#open.reason === reason && this.#open.region === region) {
      this.#open.bytes += bytes;
      return;
    }
    this.#open = {
      who: this.#who,
      addressSpace: this.#addressSpace,
      write: this.#write,
      iova: toBig(hi, lo),
      bytes,
      reason,
      region,
      address: target.offset,
    };
    this.all.push(this.#open);
  }

  /** An access was allowed: the next one that is refused is another fault. */
  close(): void {
    this.#open = null;
  }
}

/** Are all small integers, as they nearly always are? Then they are halves of an address, and a length. */
const isSmall = (hi: number, lo: number, length: number): boolean =>
  hi === (hi | 0) && lo === (lo | 0) && length === (length | 0) && length > 0;

/** Halves of 2^31 and more may be unsigned, and a length may be larger than 2^31. */
function checkAccess(hi: number, lo: number, length: number): void {
  checkedNumber(hi, "high half of an address", -(2 ** 31), 2 ** 32 - 1);
  checkedNumber(lo, "low half of an address", -(2 ** 31), 2 ** 32 - 1);
  checkedNumber(length, "bytes of an access", 1, Number.MAX_SAFE_INTEGER);
}

/** Size of one access to what is not memory: a power of two, aligned, no larger than the device takes. */
function accessSize(target: DmaTarget, length: number): number {
  const backing = target.region?.backing;
  let size =
    backing?.kind === "mmio"
      ? (backing.handler.maxAccessBytes ?? DEFAULT_ACCESS_BYTES)
      : DEFAULT_ACCESS_BYTES;
  while (size > length || target.offsetLo % size !== 0) size >>= 1;
  return size;
}

/** One access to a device's registers, in the byte order of memory: big-endian. */
function accessMmio(target: DmaTarget, piece: Uint8Array, write: boolean): void {
  const { backing } = target.region!;
  if (backing.kind !== "mmio") return;
  const { offset } = target;
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  if (write) {
    bytes.set(piece, 8 - piece.length);
    backing.handler.write(offset, piece.length, view.getBigUint64(0));
  } else {
    view.setBigUint64(0, backing.handler.read(offset, piece.length));
    piece.set(bytes.subarray(8 - piece.length));
  }
}
