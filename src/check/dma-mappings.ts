import { TWO32 } from "../base/u64.ts";

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
  /** Mappings of its family and direction that its device had made before. */
  readonly sequence: number;
}

/** What was undone last at an address. */
export interface PastUnmap {
  readonly event: number;
  readonly line: number;
  /** Event that had made the mapping. */
  readonly madeEvent: number;
  readonly madeLine: number;
}

/** 64-bit keys in halves: the high ones are few. */
class HalvesMap<T> {
  readonly #byHi = new Map<number, Map<number, T>>();

  get(hi: number, lo: number): T | undefined {
    return this.#byHi.get(hi)?.get(lo);
  }

  set(hi: number, lo: number, value: T): void {
    let byLo = this.#byHi.get(hi);
    if (byLo === undefined) {
      byLo = new Map();
      this.#byHi.set(hi, byLo);
    }
    byLo.set(lo, value);
  }

  delete(hi: number, lo: number): void {
    this.#byHi.get(hi)?.delete(lo);
  }
}

/** A HalvesMap of several values for a key: one device can map an address more than once. */
class HalvesMultiMap {
  readonly #map = new HalvesMap<DmaMapping[]>();

  get(hi: number, lo: number): readonly DmaMapping[] {
    return this.#map.get(hi, lo) ?? [];
  }

  add(hi: number, lo: number, mapping: DmaMapping): void {
    const there = this.#map.get(hi, lo);
    if (there === undefined) this.#map.set(hi, lo, [mapping]);
    else there.push(mapping);
  }

  remove(hi: number, lo: number, mapping: DmaMapping): void {
    const there = this.#map.get(hi, lo);
    if (there === undefined) return;
    there.splice(there.indexOf(mapping), 1);
    if (there.length === 0) this.#map.delete(hi, lo);
  }
}

/** Past unmaps that are remembered, in two generations of this size. */
const MAX_PAST = 32_768;
/** Mappings are looked for by overlap in pieces of this size, up to so many pieces. */
const PIECE = 4096;
const MAX_PIECES = 4096;

/** What was undone last, by address; the oldest is forgotten. */
class PastUnmaps {
  #young = new HalvesMap<PastUnmap>();
  #old = new HalvesMap<PastUnmap>();
  #count = 0;

  get(hi: number, lo: number): PastUnmap | undefined {
    return this.#young.get(hi, lo) ?? this.#old.get(hi, lo);
  }

  set(hi: number, lo: number, past: PastUnmap): void {
    if (++this.#count > MAX_PAST) {
      this.#old = this.#young;
      this.#young = new HalvesMap();
      this.#count = 1;
    }
    this.#young.set(hi, lo, past);
  }

  delete(hi: number, lo: number): void {
    this.#young.delete(hi, lo);
    this.#old.delete(hi, lo);
  }
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
  readonly #byAddress = new HalvesMultiMap();
  /** Lists by the physical address of their first entry. */
  readonly #byPhysical = new HalvesMultiMap();
  /** Single mappings that a device can write, by pieces of physical memory. */
  readonly #writable = new Map<number, DmaMapping[]>();
  readonly #past = new PastUnmaps();
  readonly #pastLists = new PastUnmaps();

  at(hi: number, lo: number): readonly DmaMapping[] {
    return this.#byAddress.get(hi, lo);
  }

  listsAt(physical: number): readonly DmaMapping[] {
    return this.#byPhysical.get(Math.floor(physical / TWO32), physical % TWO32);
  }

  /** A mapping in which an address lies; slow, for what is found nowhere else. */
  around(hi: number, lo: number): DmaMapping | undefined {
    for (const mapping of this.live) {
      const ahead = (hi - mapping.dmaHi) * TWO32 + (lo - mapping.dmaLo);
      if (ahead > 0 && ahead < mapping.size) return mapping;
    }
    return undefined;
  }

  add(mapping: DmaMapping): void {
    this.live.add(mapping);
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
    this.#byAddress.remove(dmaHi, dmaLo, mapping);
    const past = { event, line, madeEvent: mapping.event, madeLine: mapping.line };
    this.#past.set(dmaHi, dmaLo, past);
    if (mapping.family === LIST) {
      const hi = Math.floor(physical / TWO32);
      this.#byPhysical.remove(hi, physical % TWO32, mapping);
      this.#pastLists.set(hi, physical % TWO32, past);
    } else this.#forgetPieces(mapping);
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
    let found: DmaMapping | undefined;
    for (const piece of piecesOf(mapping)) {
      const there = this.#writable.get(piece);
      if (there === undefined) this.#writable.set(piece, [mapping]);
      else {
        found ??= there.find((other) => overlap(other, mapping));
        there.push(mapping);
      }
    }
    return found;
  }

  #forgetPieces(mapping: DmaMapping): void {
    for (const piece of piecesOf(mapping)) {
      const there = this.#writable.get(piece);
      const at = there?.indexOf(mapping) ?? -1;
      if (at < 0) return;
      there!.splice(at, 1);
      if (there!.length === 0) this.#writable.delete(piece);
    }
  }
}

function* piecesOf({ physical, size }: DmaMapping): Generator<number> {
  const first = Math.floor(physical / PIECE);
  const last = Math.floor((physical + size - 1) / PIECE);
  if (last - first >= MAX_PIECES) return;
  for (let piece = first; piece <= last; piece++) yield piece;
}

const overlap = (a: DmaMapping, b: DmaMapping): boolean =>
  a.physical < b.physical + b.size && b.physical < a.physical + a.size;
