import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";

/**
 * What the tracer lost of one CPU.
 *
 * @public
 */
export interface LostOnCpu {
  readonly cpu: number;
  /** Where it lost events. */
  readonly places: number;
  /** How many; null if that is not known of every place. */
  readonly events: number | null;
}

/** Counts what was lost, by CPU. */
export class LostEvents {
  readonly #cpus = new Map<number, { places: number; events: number | null }>();

  /** Takes a `DMA_LOST`. */
  take({ cpu, size }: LinuxDmaEvent): void {
    const row = this.#cpus.get(cpu) ?? { places: 0, events: 0 };
    row.places++;
    row.events = size === 0 || row.events === null ? null : row.events + size;
    this.#cpus.set(cpu, row);
  }

  /** In the order of CPUs. */
  get rows(): LostOnCpu[] {
    return [...this.#cpus].map(([cpu, row]) => ({ cpu, ...row })).sort((a, b) => a.cpu - b.cpu);
  }
}
