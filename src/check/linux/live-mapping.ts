import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { ALLOCATION, DMA_KINDS } from "../../formats/trace/dma-kinds.ts";

/** Families of mappings for people, by number. */
export const FAMILY_NAMES = ["a single map", "a list", "an allocation"] as const;

/** A live mapping of a device, and who made it. */
export interface LiveMapping {
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

/** Does an event give back nothing? That is no error: nvme does so once for each removal. */
export const unmapsNothing = ({ kind, size, dmaHi, dmaLo }: LinuxDmaEvent): boolean =>
  DMA_KINDS[kind]!.family === ALLOCATION && size === 0 && (dmaHi | dmaLo) === 0;

/** Does a mapping begin at the DMA address of an event? */
export const isAt = (mapping: LiveMapping, { dmaHi, dmaLo }: LinuxDmaEvent): boolean =>
  mapping.dmaHi === dmaHi && mapping.dmaLo === dmaLo;
