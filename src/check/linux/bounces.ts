import { DIRECTION_NAMES, type LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, LIST } from "../../formats/trace/dma-kinds.ts";
import type { KernelStatement } from "../../formats/trace/kernel-event.ts";

type Bounced = Extract<KernelStatement, { readonly type: "bounced" }>;

/**
 * What of one device went through bounce memory, by the direction of its maps.
 *
 * @public
 */
export interface BouncedMaps {
  readonly device: string;
  /** Name of a direction; null where no `dma` event beside the bounces tells. */
  readonly direction: string | null;
  /** How many buffers, and how many bytes. */
  count: number;
  bytes: number;
  /** The smallest and the largest of them, in bytes. */
  smallest: number;
  largest: number;
  /** How many of them the device could not reach (DMA mask), and how many bounce by order (`swiotlb=force`). */
  beyondMask: number;
  forced: number;
  /** Bits of addresses that the device can use. */
  readonly maskBits: number;
}

/** Bounces of a device that wait for the event of their map: a list has one for each entry. */
const MAX_WAITING = 256;

/** Joins `swiotlb_bounced` events to the maps that they belong to: these come right behind them. */
export class Bounces {
  readonly rows: BouncedMaps[] = [];
  readonly #byKey = new Map<string, BouncedMaps>();
  readonly #waiting = new Map<string, Bounced[]>();

  /** Does a bounce wait for its map? */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  bounced(bounce: Bounced): void {
    const waiting = this.#waiting.get(bounce.device);
    if (waiting === undefined) this.#waiting.set(bounce.device, [bounce]);
    else if (waiting.push(bounce) > MAX_WAITING) this.#count(waiting.shift()!, null);
  }

  /** A device maps something. */
  mapped(event: LinuxDmaEvent, device: string): void {
    const waiting = this.#waiting.get(device);
    if (waiting === undefined) return;
    this.#waiting.delete(device);
    const direction = DIRECTION_NAMES[event.direction] ?? null;
    for (const bounce of waiting) this.#count(bounce, isPartOf(bounce, event) ? direction : null);
  }

  /** No event comes any more. */
  end(): void {
    for (const bounce of [...this.#waiting.values()].flat()) this.#count(bounce, null);
    this.#waiting.clear();
  }

  #count({ device, size, mask, physical, isForced }: Bounced, direction: string | null): void {
    const key = `${device} ${direction}`;
    let row = this.#byKey.get(key);
    if (row === undefined) {
      const maskBits = mask.toString(2).length;
      row = {
        device,
        direction,
        count: 0,
        bytes: 0,
        smallest: size,
        largest: 0,
        beyondMask: 0,
        forced: 0,
        maskBits,
      };
      this.#byKey.set(key, row);
      this.rows.push(row);
    }
    row.count++;
    row.bytes += size;
    row.smallest = Math.min(row.smallest, size);
    row.largest = Math.max(row.largest, size);
    if (physical + BigInt(size) - 1n > mask) row.beyondMask++;
    if (isForced) row.forced++;
  }
}

/** Is the buffer that bounced the one that is mapped, or one of its entries? */
function isPartOf({ physical }: Bounced, { kind, physHi, physLo, entries }: LinuxDmaEvent): boolean {
  const is = (hi: number, lo: number): boolean => ((BigInt(hi) << 32n) | BigInt(lo)) === physical;
  if (DMA_KINDS[kind]!.family !== LIST) return is(physHi, physLo);
  for (let i = 0; i < entries.length; i++) {
    if (is(entries.words[i * 2]!, entries.words[i * 2 + 1]!)) return true;
  }
  return false;
}
