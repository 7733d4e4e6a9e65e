import { hiOfNumber, loOfNumber, numberOf, TWO32 } from "../../base/u64.ts";
import { ATTRIBUTE_BITS, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS, kindsWith, LIST } from "../../formats/trace/dma-kinds.ts";
import { IntervalIndex } from "./interval-index.ts";
import { LiveList } from "./live-list.ts";
import { isInRanges, type LiveMapping, offsetIn, SpareMappings } from "./live-mapping.ts";
import { type PastUnmap, UsedAddresses } from "./used-addresses.ts";

const SKIP_CPU_SYNC = ATTRIBUTE_BITS.SKIP_CPU_SYNC!;
const IS_LIST_UNMAP = kindsWith(({ role, family }) => role === "unmap" && family === LIST);

/** Mappings of one family and direction and of similar size: drivers treat them alike. */
export interface Pattern {
  readonly number: number;
  readonly family: number;
  readonly direction: number;
  readonly sizeClass: number;
  made: number;
  gone: number;
  /** How old one of them got that is gone: of the same pattern so many were made while it lived. */
  longest: number;
}

/** Sizes by the number of their bits; what is larger than 4 GiB is one class. */
const SIZE_CLASSES = 34;
const sizeClassOf = (size: number): number => (size < TWO32 ? 32 - Math.clz32(size) : SIZE_CLASSES - 1);

/** Addresses that a device uses: what maps one now, what did last, and what lies near it. */
export interface AddressSpace {
  covering(hi: number, lo: number): LiveMapping | undefined;
  coveredBefore(hi: number, lo: number): PastUnmap | undefined;
  /** The mapping that is nearest to an address outside of all, at most so many bytes away. */
  nearest(hi: number, lo: number, most: number): LiveMapping | undefined;
}

/** The live mappings of one device. */
export class DeviceMappings implements AddressSpace {
  readonly live: LiveList<LiveMapping> = new LiveList();
  /** Most that were alive at once. */
  peak = 0;
  /** Allocations that were given back. */
  freed = 0;
  /** Mappings that were given back since the last one was made, */
  released = 0;
  /** the oldest allocation among these (its event), infinity without one, */
  releasedSince: number = Number.POSITIVE_INFINITY;
  /** and the number of the name of who gave the last one back. */
  releasedBy = -1;
  /** The addresses that were used, from here on, and up to here: bytes, as numbers for distances. */
  lowest: number = Number.POSITIVE_INFINITY;
  highest = 0;
  /** See {@link addWritable}. */
  sharesLine: LiveMapping | undefined;
  /** First event that made or undid a mapping, -1 before it; and the last one. */
  firstEvent = -1;
  lastEvent = -1;
  /** How many were made, by family and direction. */
  readonly made: number[] = new Array<number>(12).fill(0);
  /** How many were made by {@link patternOf pattern}, how many of these are gone, and how old these got: later ones. */
  readonly patterns: Pattern[] = [];
  readonly #spare = new SpareMappings();
  readonly #addresses = new UsedAddresses();
  /** Lists by the physical address of their first entry. */
  readonly #lists = new UsedAddresses();
  /** Single mappings that a device can write, by pieces of physical memory. */
  readonly #writable = new IntervalIndex<LiveMapping>();
  /** All by pieces of DMA addresses; made when it is first needed. */
  #byPiece: IntervalIndex<LiveMapping> | undefined;
  /** What {@link addWritable} was given: a function made for each map would be most of what is allocated. */
  #written: LiveMapping | undefined;
  #line = 1;
  readonly #patternNumbers = new Int16Array(12 * SIZE_CLASSES).fill(-1);
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
    const mapping = this.#spare.take();
    mapping.kind = event.kind;
    mapping.family = family;
    mapping.device = event.device;
    mapping.direction = event.direction;
    mapping.dmaHi = isList ? ranges.words[0]! : event.dmaHi;
    mapping.dmaLo = isList ? ranges.words[1]! : event.dmaLo;
    mapping.size = isList ? numberOf(rangeSizes.words[0]!, rangeSizes.words[1]!) : event.size;
    mapping.entries = isList ? event.totalEntries : 1;
    mapping.physHi = isList ? entries.words[0]! : event.physHi;
    mapping.physLo = isList ? entries.words[1]! : event.physLo;
    mapping.event = event.number;
    mapping.line = event.line;
    mapping.seconds = event.seconds;
    mapping.nanoseconds = event.nanoseconds;
    mapping.task = event.task;
    mapping.pid = event.pid;
    mapping.skipsSync = (event.attributes & SKIP_CPU_SYNC) !== 0;
    mapping.isWritable = false;
    mapping.sequence = this.made[family * 4 + event.direction]!;
    if (isList && ranges.length > 1) mapping.ranges = rangesOf(event);
    const pattern = this.#patternOf(mapping);
    mapping.order = pattern.made++;
    mapping.pattern = pattern.number;
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
    const { entries, dmaHi, dmaLo } = event;
    if (DMA_KINDS[event.kind]!.family !== LIST) {
      const found = this.#bestFit(event);
      if (found !== undefined || this.#addresses.hasPast(dmaHi, dmaLo)) return found;
      const around = this.around(dmaHi, dmaLo);
      return around !== undefined && this.#isPartOf(event, around) ? around : undefined;
    }
    if (entries.length === 0) return undefined;
    const lists = this.#lists.at(entries.words[0]!, entries.words[1]!);
    for (const list of lists) {
      if (list.entries === event.totalEntries && list.direction === event.direction) return list;
    }
    return lists[0];
  }

  at(hi: number, lo: number): readonly LiveMapping[] {
    return this.#addresses.at(hi, lo);
  }

  /** Which of the mappings that begin at its address an unmap means. */
  #bestFit(event: LinuxDmaEvent): LiveMapping | undefined {
    const { dmaHi, dmaLo } = event;
    const { family, calls } = DMA_KINDS[event.kind]!;
    const only = this.#addresses.only(dmaHi, dmaLo);
    if (only !== undefined)
      return only.event >= this.#sureFrom || DMA_KINDS[only.kind]!.calls === calls ? only : undefined;
    let found: LiveMapping | undefined;
    let most = -1;
    for (const mapping of this.at(dmaHi, dmaLo)) {
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
    const found = this.#pieces().find(hi, lo, 1, (mapping) => {
      const ahead = offsetIn(mapping, hi, lo);
      return ahead > 0 && ahead < mapping.size;
    });
    return held(found);
  }

  covering(hi: number, lo: number): LiveMapping | undefined {
    const found = this.at(hi, lo)[0] ?? this.around(hi, lo);
    if (found !== undefined) return held(found);
    return held(this.#pieces().find(hi, lo, 1, (mapping) => isInRanges(mapping, hi, lo)));
  }

  coveredBefore(hi: number, lo: number): PastUnmap | undefined {
    return this.#addresses.covering(hi, lo) ?? this.#lists.listCovering(hi, lo);
  }

  nearest(hi: number, lo: number, most: number): LiveMapping | undefined {
    return nearestIn(this.#pieces(), hi, lo, most);
  }

  #pieces(): IntervalIndex<LiveMapping> {
    if (this.#byPiece === undefined) {
      this.#byPiece = new IntervalIndex();
      for (const mapping of this.live) this.#addPieces(mapping);
    }
    return this.#byPiece;
  }

  #add(mapping: LiveMapping): void {
    this.live.add(mapping);
    if (this.#byPiece !== undefined) this.#addPieces(mapping);
    if (this.live.size > this.peak) this.peak = this.live.size;
    const first = mapping.dmaHi * TWO32 + mapping.dmaLo;
    if (first < this.lowest) this.lowest = first;
    if (first + mapping.size > this.highest) this.highest = first + mapping.size;
    this.released = 0;
    this.releasedSince = Number.POSITIVE_INFINITY;
    if (this.firstEvent < 0) this.firstEvent = mapping.event;
    this.lastEvent = mapping.event;
    this.made[mapping.family * 4 + mapping.direction]!++;
    this.#addresses.add(mapping.dmaHi, mapping.dmaLo, mapping);
    if (mapping.family !== LIST) return;
    this.#lists.add(mapping.physHi, mapping.physLo, mapping);
  }

  /** Takes a mapping away, which is used again if nobody holds it; its address is remembered. */
  remove(mapping: LiveMapping, event: LinuxDmaEvent): void {
    const { kind, number, task } = event;
    this.live.delete(mapping);
    this.released++;
    this.releasedBy = task;
    this.lastEvent = number;
    const pattern = this.patterns[mapping.pattern]!;
    pattern.gone++;
    const age = pattern.made - mapping.order - 1;
    if (age > pattern.longest) pattern.longest = age;
    if (DMA_KINDS[kind]!.family === ALLOCATION) {
      this.freed++;
      this.releasedSince = Math.min(this.releasedSince, mapping.event);
    }
    if (this.#byPiece !== undefined)
      forEachRange(mapping, (hi, lo, size) => this.#byPiece!.remove(hi, lo, size, mapping));
    this.#addresses.undo(mapping.dmaHi, mapping.dmaLo, event, mapping);
    if (mapping.family === LIST) this.#lists.undo(mapping.physHi, mapping.physLo, event, mapping);
    else if (mapping.isWritable) this.#writable.remove(mapping.physHi, mapping.physLo, mapping.size, mapping);
    this.#spare.giveBack(mapping);
  }

  /** Forgets what is alive: it was told what became of it, and what undoes it later says nothing. */
  forget(): void {
    for (const mapping of this.live) {
      this.#addresses.takeOut(mapping.dmaHi, mapping.dmaLo, mapping);
      if (mapping.family === LIST) this.#lists.takeOut(mapping.physHi, mapping.physLo, mapping);
      else if (mapping.isWritable)
        this.#writable.remove(mapping.physHi, mapping.physLo, mapping.size, mapping);
    }
    this.#byPiece = undefined;
    this.live.clear();
  }

  /** Something is undone of which the map is not known: mappings like it are undone, too. */
  undoneUnseen({ kind, direction, size }: LinuxDmaEvent): void {
    const { family } = DMA_KINDS[kind]!;
    for (const pattern of this.patterns) {
      const isLike = pattern.family === family && pattern.direction === direction;
      if (isLike && (family === LIST || pattern.sizeClass === sizeClassOf(size))) pattern.gone++;
    }
  }

  /** What was undone last where an event unmaps or syncs. */
  pastUnmap(event: LinuxDmaEvent): PastUnmap | undefined {
    const { entries, dmaHi, dmaLo } = event;
    if (!IS_LIST_UNMAP[event.kind]!) return this.#addresses.past(dmaHi, dmaLo);
    return entries.length === 0 ? undefined : this.#lists.past(entries.words[0]!, entries.words[1]!);
  }

  /**
   * Notes that a device can write memory through a mapping; {@link sharesLine} is another one of that in a cache line of it.
   *
   * @returns another live mapping through which it can write some of the same bytes
   */
  addWritable(mapping: LiveMapping, line: number): LiveMapping | undefined {
    const { physHi, physLo, size } = mapping;
    this.sharesLine = undefined;
    this.#written = mapping;
    this.#line = line;
    mapping.isWritable = true;
    return this.#writable.findAndAdd(physHi, physLo, size, this.#writesSame, mapping);
  }

  /** Has another mapping bytes of the one that is written? If only a cache line is the same, it is noted. */
  readonly #writesSame = (other: LiveMapping): boolean => {
    const mapping = this.#written!;
    if (!overlap(other, mapping, this.#line)) return false;
    if (overlap(other, mapping, 1)) return true;
    this.sharesLine = other;
    return false;
  };

  /** The pattern of a mapping: family, direction and size class. */
  #patternOf({ family, direction, size }: LiveMapping): Pattern {
    const sizeClass = sizeClassOf(size);
    const key = (family * 4 + direction) * SIZE_CLASSES + sizeClass;
    const number = this.#patternNumbers[key]!;
    if (number >= 0) return this.patterns[number]!;
    const pattern = {
      number: this.patterns.length,
      family,
      direction,
      sizeClass,
      made: 0,
      gone: 0,
      longest: 0,
    };
    this.#patternNumbers[key] = pattern.number;
    this.patterns.push(pattern);
    return pattern;
  }

  #addPieces(mapping: LiveMapping): void {
    forEachRange(mapping, (hi, lo, size) => this.#byPiece!.add(hi, lo, size, mapping));
  }
}

/** Where a mapping lies: its address and bytes, and those of each of the ranges of a list that has several. */
function forEachRange(mapping: LiveMapping, visit: (hi: number, lo: number, size: number) => void): void {
  visit(mapping.dmaHi, mapping.dmaLo, mapping.size);
  const { ranges = NO_RANGES } = mapping;
  for (let at = 0; at < ranges.length; at += 4)
    visit(ranges[at]!, ranges[at + 1]!, ranges[at + 2]! * TWO32 + ranges[at + 3]!);
}

const NO_RANGES = new Uint32Array(0);

/** A mapping that is handed out to be kept. */
export function held(mapping: LiveMapping | undefined): LiveMapping | undefined {
  if (mapping !== undefined) mapping.isHeld = true;
  return mapping;
}

/** Addresses and sizes of a list's ranges, in halves. */
function rangesOf({ ranges, rangeSizes }: LinuxDmaEvent): Uint32Array {
  const all = new Uint32Array(ranges.length * 4);
  for (let i = 0; i < ranges.length; i++) {
    all.set(ranges.words.subarray(i * 2, i * 2 + 2), i * 4);
    all.set(rangeSizes.words.subarray(i * 2, i * 2 + 2), i * 4 + 2);
  }
  return all;
}

/** Bytes between an address and a mapping that it does not lie in. */
function gapTo(mapping: LiveMapping, hi: number, lo: number): number {
  const offset = offsetIn(mapping, hi, lo);
  return offset < 0 ? -offset : offset - mapping.size;
}

/** The mapping of an index that is nearest to an address, at most so many bytes away. */
export function nearestIn(
  pieces: IntervalIndex<LiveMapping>,
  hi: number,
  lo: number,
  most: number,
): LiveMapping | undefined {
  let nearest: LiveMapping | undefined;
  // The sum of the halves is exact to 2 KiB.
  const around = most + 4096;
  const from = Math.max(hi * TWO32 + lo - around, 0);
  pieces.find(hiOfNumber(from), loOfNumber(from), 2 * around, (mapping) => {
    const gap = gapTo(mapping, hi, lo);
    if (gap <= most && (nearest === undefined || gap < gapTo(nearest, hi, lo))) nearest = mapping;
    return false;
  });
  return held(nearest);
}

/** Do two mappings have some of the same units of memory, of so many bytes each? */
function overlap(a: LiveMapping, b: LiveMapping, unit: number): boolean {
  const ahead = (b.physHi - a.physHi) * TWO32 + (b.physLo - a.physLo);
  const [first, last] = ahead >= 0 ? [a, b] : [b, a];
  const gap = Math.abs(ahead) - first.size;
  if (gap < 0) return true;
  // Most are further apart, and a remainder takes long.
  return gap < unit - 1 && (last.physHi * TWO32 + last.physLo) % unit > gap;
}
