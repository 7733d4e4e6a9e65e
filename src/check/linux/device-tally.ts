import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, LIST } from "../../formats/trace/dma-kinds.ts";
import type { LiveMapping } from "./live-mapping.ts";

/**
 * What a recording of Linux has of one device. A list counts as one map.
 *
 * @public
 */
export interface DeviceTally {
  readonly device: string;
  /** Calls that mapped, that unmapped, and that failed. */
  readonly maps: number;
  readonly unmaps: number;
  readonly failed: number;
  /** Maps of which no unmap was seen: what events were lost of is among them. */
  readonly alive: number;
}

/** Counts the calls of a device. */
export class DeviceCounts {
  maps = 0;
  unmaps = 0;
  failed = 0;
  /** Mappings that were alive when events were lost, and of which no unmap was seen since: how many by key. */
  readonly #before = new Map<string, number>();
  #beforeCount = 0;

  /** Mappings from before events were lost. */
  get aliveBefore(): number {
    return this.#beforeCount;
  }

  /** Events were lost: the check knows nothing of these any more. */
  forget(live: Iterable<LiveMapping>): void {
    for (const { family, dmaHi, dmaLo, physHi, physLo } of live) {
      const key = family === LIST ? keyOf(family, physHi, physLo) : keyOf(family, dmaHi, dmaLo);
      this.#before.set(key, (this.#before.get(key) ?? 0) + 1);
      this.#beforeCount++;
    }
  }

  /** Something is unmapped of which the check saw no map. */
  unmappedUnknown({ kind, dmaHi, dmaLo, entries }: LinuxDmaEvent): void {
    if (this.#beforeCount === 0) return;
    const { family } = DMA_KINDS[kind]!;
    const [hi, lo] = family === LIST ? [entries.words[0]!, entries.words[1]!] : [dmaHi, dmaLo];
    const key = keyOf(family, hi, lo);
    const count = this.#before.get(key);
    if (count === undefined) return;
    this.#beforeCount--;
    if (count === 1) this.#before.delete(key);
    else this.#before.set(key, count - 1);
  }
}

const keyOf = (family: number, hi: number, lo: number): string => `${family} ${hi} ${lo}`;
