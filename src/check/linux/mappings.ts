import { TWO32 } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, type DmaEvent } from "../../formats/trace/dma-event.ts";
import { HalvesMultiMap } from "./halves-map.ts";
import { type PastUnmap, PastUnmaps } from "./past-unmaps.ts";
import { PIECE, PieceIndex, pieceOf } from "./piece-index.ts";

/** Families of mappings: a call of one does not undo a mapping of another. */
export const SINGLE = 0;
export const LIST = 1;
export const ALLOCATION = 2;
export const FAMILY_NAMES = ["a single map", "a list", "an allocation"] as const;

/** A live mapping of a device, and who made it. */
export interface DmaMapping {
  readonly device: number;
  readonly family: number;
  readonly direction: number;
  /** First DMA address, in halves. */
  readonly dmaHi: number;
  readonly dmaLo: number;
  /** Bytes; of a list, those of its first range. */
  readonly size: number;
  /** Entries of a list. */
  readonly entries: number;
  /** Physical address (of the first entry): exact, as real ones have at most 52 bits. */
  readonly physical: number;
  readonly event: number;
  readonly line: number;
  readonly pid: number;
  /** Did the map leave it to the driver to sync (`SKIP_CPU_SYNC`)? */
  readonly skipsSync: boolean;
  /** Mappings of its family and direction that its device had made before. */
  readonly sequence: number;
}

/**
 * The mapping that an event makes.
 *
 * @param mappings of its device, before this one
 * @param dmaHi high half of the (first) DMA address
 * @param size bytes from there on
 */
export function makeMapping(
  event: DmaEvent,
  mappings: DeviceMappings,
  family: number,
  dmaHi: number,
  dmaLo: number,
  size: number,
): DmaMapping {
  const list = family === LIST;
  const [hi, lo] = list ? event.entries.words : [event.physHi, event.physLo];
  return {
    device: event.device,
    family,
    direction: event.direction,
    dmaHi,
    dmaLo,
    size,
    entries: list ? event.totalEntries : 1,
    physical: hi! * TWO32 + lo!,
    event: event.number,
    line: event.line,
    pid: event.pid,
    skipsSync: (event.attributes & ATTRIBUTE_BITS.SKIP_CPU_SYNC!) !== 0,
    sequence: mappings.made[family * 4 + event.direction]!,
  };
}

/** The live mappings of one device. */
export class DeviceMappings {
  readonly live: Set<DmaMapping> = new Set();
  /** Most that were alive at once. */
  peak = 0;
  /** Allocations that were given back. */
  freed = 0;
  /** Was the last event of the device one that gives back? */
  releasing = false;
  /** How many were made, by family and direction. */
  readonly made: number[] = new Array<number>(12).fill(0);
  readonly #byAddress = new HalvesMultiMap<DmaMapping>();
  /** Lists by the physical address of their first entry. */
  readonly #byPhysical = new HalvesMultiMap<DmaMapping>();
  /** Single mappings that a device can write, by pieces of physical memory. */
  readonly #writable = new PieceIndex();
  /** All by pieces of DMA addresses; made when it is first needed. */
  #byPiece: PieceIndex | undefined;
  readonly #past = new PastUnmaps();
  readonly #pastLists = new PastUnmaps();

  at(hi: number, lo: number): readonly DmaMapping[] {
    return this.#byAddress.get(hi, lo);
  }

  listsAt(physical: number): readonly DmaMapping[] {
    return this.#byPhysical.get(Math.floor(physical / TWO32), physical % TWO32);
  }

  /** A mapping in which an address lies, but does not begin. */
  around(hi: number, lo: number): DmaMapping | undefined {
    if (this.#byPiece === undefined) {
      this.#byPiece = new PieceIndex();
      for (const mapping of this.live) this.#addPieces(mapping);
    }
    const piece = pieceOf(hi, lo);
    return this.#byPiece.find(piece, piece, (mapping) => {
      const ahead = (hi - mapping.dmaHi) * TWO32 + (lo - mapping.dmaLo);
      return ahead > 0 && ahead < mapping.size;
    });
  }

  add(mapping: DmaMapping): void {
    this.live.add(mapping);
    if (this.#byPiece !== undefined) this.#addPieces(mapping);
    this.peak = Math.max(this.peak, this.live.size);
    this.releasing = false;
    this.made[mapping.family * 4 + mapping.direction]!++;
    this.#byAddress.add(mapping.dmaHi, mapping.dmaLo, mapping);
    this.#past.delete(mapping.dmaHi, mapping.dmaLo);
    if (mapping.family !== LIST) return;
    const hi = Math.floor(mapping.physical / TWO32);
    this.#byPhysical.add(hi, mapping.physical % TWO32, mapping);
    this.#pastLists.delete(hi, mapping.physical % TWO32);
  }

  /** Takes a mapping away; its address is remembered. */
  remove(mapping: DmaMapping, event: number, line: number): void {
    this.live.delete(mapping);
    this.releasing = true;
    const { dmaHi, dmaLo, physical } = mapping;
    this.#byPiece?.remove(pieceOf(dmaHi, dmaLo), lastPieceOf(mapping), mapping);
    this.#byAddress.remove(dmaHi, dmaLo, mapping);
    const past = { event, line, madeEvent: mapping.event, madeLine: mapping.line };
    this.#past.set(dmaHi, dmaLo, past);
    if (mapping.family === LIST) {
      const hi = Math.floor(physical / TWO32);
      this.#byPhysical.remove(hi, physical % TWO32, mapping);
      this.#pastLists.set(hi, physical % TWO32, past);
    } else this.#writable.remove(firstPhysical(mapping), lastPhysical(mapping), mapping);
  }

  pastUnmap(hi: number, lo: number): PastUnmap | undefined {
    return this.#past.get(hi, lo);
  }

  /** The last undoing of a list whose first entry lies there. */
  pastList(physical: number): PastUnmap | undefined {
    return this.#pastLists.get(Math.floor(physical / TWO32), physical % TWO32);
  }

  /**
   * Notes that a device can write memory through a mapping.
   *
   * @returns another live mapping through which it can write some of the same bytes
   */
  addWritable(mapping: DmaMapping): DmaMapping | undefined {
    const [first, last] = [firstPhysical(mapping), lastPhysical(mapping)];
    const found = this.#writable.find(first, last, (other) => overlap(other, mapping));
    this.#writable.add(first, last, mapping);
    return found;
  }

  #addPieces(mapping: DmaMapping): void {
    this.#byPiece!.add(pieceOf(mapping.dmaHi, mapping.dmaLo), lastPieceOf(mapping), mapping);
  }
}

const firstPhysical = ({ physical }: DmaMapping): number => Math.floor(physical / PIECE);
const lastPhysical = ({ physical, size }: DmaMapping): number => Math.floor((physical + size - 1) / PIECE);

/** The piece of DMA addresses in which a mapping ends. */
const lastPieceOf = ({ dmaHi, dmaLo, size }: DmaMapping): number =>
  pieceOf(dmaHi, dmaLo) + Math.floor(((dmaLo % PIECE) + size - 1) / PIECE);

const overlap = (a: DmaMapping, b: DmaMapping): boolean =>
  a.physical < b.physical + b.size && b.physical < a.physical + a.size;
