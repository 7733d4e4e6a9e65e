import { TWO32 } from "../../base/u64.ts";
import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS } from "../../formats/trace/dma-kinds.ts";
import type { Linked } from "./live-list.ts";
import type { SyncState } from "./synced-bytes.ts";

/** Not a family of the DMA API: a range of the IOMMU's own events. */
export const RANGE = 3;

/** Families of mappings for people, by number. */
export const FAMILY_NAMES = ["a single map", "a list", "an allocation", "a range"] as const;

/**
 * A live mapping of a device, and who made it. There are as many of them as events, so that one that is undone is made
 * another one: who keeps a mapping, or hands it on to be kept, marks it as held.
 */
export interface LiveMapping extends Linked<LiveMapping> {
  /** Kind of the event that made it. */
  readonly kind: number;
  readonly family: number;
  readonly device: number;
  readonly direction: number;
  /** First DMA address, in halves. */
  readonly dmaHi: number;
  readonly dmaLo: number;
  /** Bytes; of a list, those of its first range. */
  readonly size: number;
  /** Entries of a list. */
  readonly entries: number;
  /** Physical address (of the first entry), in halves. */
  readonly physHi: number;
  readonly physLo: number;
  readonly event: number;
  readonly line: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Number of the name of the process that made it, -1 where the text does not tell. */
  readonly task: number;
  readonly pid: number;
  /** Did the map leave it to the driver to sync (`SKIP_CPU_SYNC`)? */
  readonly skipsSync: boolean;
  /** Mappings of its family and direction that its device had made before. */
  readonly sequence: number;
  /** Its pattern, a number of its device's, and mappings of that which its device had made before. */
  pattern: number;
  order: number;
  /** Addresses and sizes of the ranges of a list that has several, four halves for each; undefined of others. */
  readonly ranges: Uint32Array | undefined;
  /** Is it among those through which the device can write? */
  isWritable: boolean;
  /** What was synced of it; undefined before the first sync. */
  syncs: SyncState | undefined;
}

/** A mapping that is being made. */
export type NewMapping = { -readonly [Field in keyof LiveMapping]: LiveMapping[Field] };

/** Mappings that are gone and that nobody holds. */
export class SpareMappings {
  readonly #spare: NewMapping[] = [];
  /** How many there are: an array of V8 that loses and gets its last one is a call each time. */
  #count = 0;

  /** One with old values: all of its fields are to be set, but for those that {@link giveBack} clears. */
  take(): NewMapping {
    return this.#count > 0 ? this.#spare[--this.#count]! : newMapping();
  }

  /** A mapping is gone. */
  giveBack(mapping: LiveMapping): void {
    if (mapping.isHeld) return;
    const spare: NewMapping = mapping;
    spare.ranges = undefined;
    spare.syncs = undefined;
    this.#spare[this.#count++] = spare;
  }
}

/** What an unmap looks at stands side by side, and comes first. */
const newMapping = (): NewMapping => ({
  kind: 0,
  family: 0,
  size: 0,
  direction: 0,
  event: 0,
  line: 0,
  dmaHi: 0,
  dmaLo: 0,
  pattern: 0,
  order: 0,
  physHi: 0,
  physLo: 0,
  skipsSync: false,
  isWritable: false,
  isHeld: false,
  syncs: undefined,
  ranges: undefined,
  older: undefined,
  newer: undefined,
  entries: 1,
  device: -1,
  seconds: Number.NaN,
  nanoseconds: 0,
  task: -1,
  pid: -1,
  sequence: 0,
});

/** Does an event give back nothing? That is no error: nvme does so once for each removal. */
export const unmapsNothing = ({ kind, size, dmaHi, dmaLo }: LinuxDmaEvent): boolean =>
  DMA_KINDS[kind]!.family === ALLOCATION && size === 0 && (dmaHi | dmaLo) === 0;

/** Does a mapping begin at the DMA address of an event? */
export const isAt = (mapping: LiveMapping, { dmaHi, dmaLo }: LinuxDmaEvent): boolean =>
  mapping.dmaHi === dmaHi && mapping.dmaLo === dmaLo;

/** Does an address lie in one of the ranges of a list? */
export const isInRanges = (list: Pick<LiveMapping, "ranges">, hi: number, lo: number): boolean =>
  byteOfRanges(list, hi, lo) >= 0;

/** Which byte of a list of several ranges has an address, counted through these; -1 if none has. */
function byteOfRanges({ ranges }: Pick<LiveMapping, "ranges">, hi: number, lo: number): number {
  if (ranges === undefined) return -1;
  let before = 0;
  for (let at = 0; at < ranges.length; at += 4) {
    const offset = (hi - ranges[at]!) * TWO32 + (lo - ranges[at + 1]!);
    const size = ranges[at + 2]! * TWO32 + ranges[at + 3]!;
    if (offset >= 0 && offset < size) return before + offset;
    before += size;
  }
  return -1;
}

/** Which byte of a mapping has an address that lies in it. */
export function byteOf(
  mapping: Pick<LiveMapping, "dmaHi" | "dmaLo" | "ranges">,
  hi: number,
  lo: number,
): number {
  return mapping.ranges === undefined ? offsetIn(mapping, hi, lo) : byteOfRanges(mapping, hi, lo);
}

/** Bytes of a mapping, with all ranges of a list. */
export function bytesOf({ ranges, size }: Pick<LiveMapping, "ranges" | "size">): number {
  if (ranges === undefined) return size;
  let sum = 0;
  for (let at = 0; at < ranges.length; at += 4) sum += ranges[at + 2]! * TWO32 + ranges[at + 3]!;
  return sum;
}

/** How far behind the start of a mapping an address lies; negative before it. */
export const offsetIn = (
  { dmaHi, dmaLo }: Pick<LiveMapping, "dmaHi" | "dmaLo">,
  hi: number,
  lo: number,
): number => (hi - dmaHi) * TWO32 + (lo - dmaLo);
