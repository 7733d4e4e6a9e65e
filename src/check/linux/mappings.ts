import { TWO32 } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, kindsWith, LIST } from "../../formats/trace/dma-kinds.ts";
import { HalvesMultiMap } from "./halves-map.ts";
import type { LiveMapping } from "./live-mapping.ts";
import { type PastUnmap, PastUnmaps } from "./past-unmaps.ts";
import { PIECE, PieceIndex, pieceOf } from "./piece-index.ts";

const IS_LIST_UNMAP = kindsWith(({ role, family }) => role === "unmap" && family === LIST);

/** The live mappings of one device. */
export class DeviceMappings {
  readonly live: Set<LiveMapping> = new Set();
  /** Most that were alive at once. */
  peak = 0;
  /** Allocations that were given back. */
  freed = 0;
  /** Was the last event of the device one that gives back? */
  releasing = false;
  /** How many were made, by family and direction. */
  readonly made: number[] = new Array<number>(12).fill(0);
  readonly #byAddress = new HalvesMultiMap<LiveMapping>();
  /** Lists by the physical address of their first entry. */
  readonly #byPhysical = new HalvesMultiMap<LiveMapping>();
  /** Single mappings that a device can write, by pieces of physical memory. */
  readonly #writable = new PieceIndex<LiveMapping>();
  /** All by pieces of DMA addresses; made when it is first needed. */
  #byPiece: PieceIndex<LiveMapping> | undefined;
  readonly #past = new PastUnmaps();
  readonly #pastLists = new PastUnmaps();
  /** Number of the first event after the last ones that are missing. */
  #sureFrom = 0;

  /**
   * Books what a map makes, if it did not fail.
   *
   * @returns undefined for a list of which the kernel wrote out nothing
   */
  map(event: LinuxDmaEvent): LiveMapping | undefined {
    const { ranges, rangeSizes, entries } = event;
    const { family } = DMA_KINDS[event.kind]!;
    const isList = family === LIST;
    if (isList && (ranges.length === 0 || entries.length === 0)) return undefined;
    const [dmaHi, dmaLo] = isList ? ranges.words : [event.dmaHi, event.dmaLo];
    const [physHi, physLo] = isList ? entries.words : [event.physHi, event.physLo];
    const mapping: LiveMapping = {
      kind: event.kind,
      family,
      device: event.device,
      direction: event.direction,
      dmaHi: dmaHi!,
      dmaLo: dmaLo!,
      size: isList ? rangeSizes.words[0]! * TWO32 + rangeSizes.words[1]! : event.size,
      entries: isList ? event.totalEntries : 1,
      physical: physHi! * TWO32 + physLo!,
      event: event.number,
      line: event.line,
      pid: event.pid,
      skipsSync: (event.attributes & ATTRIBUTE_BITS.SKIP_CPU_SYNC!) !== 0,
      sequence: this.made[family * 4 + event.direction]!,
    };
    this.#add(mapping);
    return mapping;
  }

  /**
   * The mapping that an unmap ends. It is looked for by its DMA address, whatever the call that made it: the address is
   * free afterwards. A list's unmap does not print that; it is looked for by the physical address of its first entry.
   * Where several were made at one address, which is right without an IOMMU, it is the one that fits best, of equal
   * ones the oldest. An unmap of its kind and direction in the middle of a mapping ends that one, unless something at its
   * address was undone.
   * What may be gone since events were lost is ended only by a call that belongs to it, at its own address.
   */
  undoneBy(event: LinuxDmaEvent): LiveMapping | undefined {
    const { entries, dmaHi, dmaLo, direction } = event;
    if (DMA_KINDS[event.kind]!.family !== LIST) {
      const found = this.#bestFit(event);
      if (found !== undefined || this.pastUnmap(event) !== undefined) return found;
      const around = this.around(dmaHi, dmaLo);
      return around !== undefined && this.#isPartOf(event, around) ? around : undefined;
    }
    if (entries.length === 0) return undefined;
    const lists = this.#byPhysical.get(entries.words[0]!, entries.words[1]!);
    const fits = (list: LiveMapping): boolean =>
      list.entries === event.totalEntries && list.direction === direction;
    return lists.find(fits) ?? lists[0];
  }

  at(hi: number, lo: number): readonly LiveMapping[] {
    return this.#byAddress.get(hi, lo);
  }

  /** Which of the mappings that begin at its address an unmap means. */
  #bestFit(event: LinuxDmaEvent): LiveMapping | undefined {
    const { family, calls } = DMA_KINDS[event.kind]!;
    let found: LiveMapping | undefined;
    let most = -1;
    for (const mapping of this.at(event.dmaHi, event.dmaLo)) {
      const belongs = DMA_KINDS[mapping.kind]!.calls === calls;
      if (!belongs && mapping.event < this.#sureFrom) continue;
      const fit =
        (belongs ? 8 : 0) +
        (mapping.family === family ? 4 : 0) +
        (mapping.size === event.size ? 2 : 0) +
        (mapping.direction === event.direction ? 1 : 0);
      if (fit <= most) continue;
      most = fit;
      found = mapping;
    }
    return found;
  }

  /** Can an unmap of other bytes mean this mapping? Else its own map was not seen. */
  #isPartOf(event: LinuxDmaEvent, mapping: LiveMapping): boolean {
    const belongs = DMA_KINDS[mapping.kind]!.calls === DMA_KINDS[event.kind]!.calls;
    return belongs && mapping.direction === event.direction && mapping.event >= this.#sureFrom;
  }

  /** Events are missing before the one of this number: what was mapped may be gone. */
  lose(next: number): void {
    this.#sureFrom = next;
  }

  /** A mapping in which an address lies, but does not begin. */
  around(hi: number, lo: number): LiveMapping | undefined {
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

  #add(mapping: LiveMapping): void {
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
  remove(mapping: LiveMapping, { kind, number, line }: LinuxDmaEvent): void {
    this.live.delete(mapping);
    this.releasing = true;
    if (DMA_KINDS[kind]!.family === ALLOCATION) this.freed++;
    const { dmaHi, dmaLo, physical } = mapping;
    this.#byPiece?.remove(pieceOf(dmaHi, dmaLo), lastPieceOf(mapping), mapping);
    this.#byAddress.remove(dmaHi, dmaLo, mapping);
    const past = { event: number, line, madeEvent: mapping.event, madeLine: mapping.line };
    this.#past.set(dmaHi, dmaLo, past);
    if (mapping.family === LIST) {
      const hi = Math.floor(physical / TWO32);
      this.#byPhysical.remove(hi, physical % TWO32, mapping);
      this.#pastLists.set(hi, physical % TWO32, past);
    } else this.#writable.remove(firstPhysical(mapping), lastPhysical(mapping), mapping);
  }

  /** What was undone last where an event unmaps or syncs. */
  pastUnmap(event: LinuxDmaEvent): PastUnmap | undefined {
    const { entries, dmaHi, dmaLo } = event;
    if (!IS_LIST_UNMAP[event.kind]!) return this.#past.get(dmaHi, dmaLo);
    return entries.length === 0 ? undefined : this.#pastLists.get(entries.words[0]!, entries.words[1]!);
  }

  /**
   * Notes that a device can write memory through a mapping.
   *
   * @returns another live mapping through which it can write some of the same bytes
   */
  addWritable(mapping: LiveMapping): LiveMapping | undefined {
    const [first, last] = [firstPhysical(mapping), lastPhysical(mapping)];
    const found = this.#writable.find(first, last, (other) => overlap(other, mapping));
    this.#writable.add(first, last, mapping);
    return found;
  }

  #addPieces(mapping: LiveMapping): void {
    this.#byPiece!.add(pieceOf(mapping.dmaHi, mapping.dmaLo), lastPieceOf(mapping), mapping);
  }
}

const firstPhysical = ({ physical }: LiveMapping): number => Math.floor(physical / PIECE);
const lastPhysical = ({ physical, size }: LiveMapping): number => Math.floor((physical + size - 1) / PIECE);

/** The piece of DMA addresses in which a mapping ends. */
const lastPieceOf = ({ dmaHi, dmaLo, size }: LiveMapping): number =>
  pieceOf(dmaHi, dmaLo) + Math.floor(((dmaLo % PIECE) + size - 1) / PIECE);

const overlap = (a: LiveMapping, b: LiveMapping): boolean =>
  a.physical < b.physical + b.size && b.physical < a.physical + a.size;
