import { hiOf, loOf, TWO32, toBig } from "../base/u64.ts";
import type { DmaFault } from "./dma-fault.ts";
import { DmaTarget } from "./dma-target.ts";
import { type FlatView, renderView } from "./flat-view.ts";
import { ramOffset } from "./guest-ram.ts";
import { IommuTranslation } from "./iommu-region.ts";
import type { MemoryRegion } from "./memory-region.ts";
import type { MemorySystem } from "./memory-system.ts";

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
 * What a bus master sees: a tree of regions, and access to it through the
 * IOMMUs on the way.
 *
 * @public
 */
export class AddressSpace {
  readonly system: MemorySystem;
  readonly name: string;
  readonly root: MemoryRegion;
  #view: FlatView;
  readonly #entry = new IommuTranslation();
  readonly #target = new DmaTarget();
  readonly #one = new Uint8Array(8);

  constructor(system: MemorySystem, name: string, root: MemoryRegion) {
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
   * @param length bytes wanted, at least 1
   * @returns false if the access is refused, with the reason in `into`
   * @internal
   */
  translate(hi: number, lo: number, length: number, write: boolean, into: DmaTarget): boolean {
    const need = write ? 2 : 1;
    const entry = this.#entry;
    let view = this.#view;
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

  #transfer(iova: bigint, bytes: Uint8Array, write: boolean, who: string | null): number {
    const target = this.#target;
    let result: number = TxResult.OK;
    let hi = hiOf(iova);
    let lo = loOf(iova);
    let fault: OpenFault | undefined;
    for (let done = 0; done < bytes.length; ) {
      const allowed = this.translate(hi, lo, bytes.length - done, write, target);
      let length = target.length;
      if (allowed && target.region!.ram !== null) {
        this.#copy(target, bytes.subarray(done, done + length), write);
        fault = this.#close(fault);
      } else {
        length = accessSize(target, length);
        const piece = bytes.subarray(done, done + length);
        if (allowed) {
          accessMmio(target, piece, write, this.#one);
          fault = this.#close(fault);
        } else {
          if (!write) piece.fill(0);
          result |= TxResult.DECODE_ERROR;
          if (who !== null && this.system.onDmaFault !== null)
            fault = this.#extend(fault, hi, lo, length, target, write, who);
        }
      }
      done += length;
      const next = lo + length;
      lo = next >>> 0;
      if (next >= TWO32) hi = (hi + 1) >>> 0;
    }
    this.#close(fault);
    return result;
  }

  #copy(target: DmaTarget, piece: Uint8Array, write: boolean): void {
    const { region, offsetHi, offsetLo } = target;
    const offset = ramOffset(offsetHi, offsetLo);
    if (!write) region!.ram!.read(offset, piece);
    else if (!region!.readonly) region!.ram!.write(offset, piece);
  }

  /** Adds a refused access to the fault that is being collected, or begins another one. */
  #extend(
    open: OpenFault | undefined,
    hi: number,
    lo: number,
    bytes: number,
    target: DmaTarget,
    write: boolean,
    who: string,
  ): OpenFault {
    const iova = toBig(hi, lo);
    const reason = target.reason!;
    const region = target.region?.name;
    if (open !== undefined && open.reason === reason && open.region === region) {
      open.bytes += bytes;
      return open;
    }
    this.#close(open);
    return { who, addressSpace: this.name, write, iova, bytes, reason, region, address: target.offset };
  }

  #close(fault: OpenFault | undefined): undefined {
    if (fault !== undefined) this.system.onDmaFault?.(fault);
    return undefined;
  }
}

type OpenFault = { -readonly [K in keyof DmaFault]: DmaFault[K] };

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
function accessMmio(target: DmaTarget, piece: Uint8Array, write: boolean, scratch: Uint8Array): void {
  const { backing } = target.region!;
  if (backing.kind !== "mmio") return;
  const { offset } = target;
  const view = new DataView(scratch.buffer);
  if (write) {
    scratch.fill(0);
    scratch.set(piece, 8 - piece.length);
    backing.handler.write(offset, piece.length, view.getBigUint64(0));
  } else {
    view.setBigUint64(0, backing.handler.read(offset, piece.length));
    piece.set(scratch.subarray(8 - piece.length));
  }
}
