import type { Place } from "../findings/place.ts";
import type { LiveMapping } from "./live-mapping.ts";

/** Suspects of a kind that are kept: with more than these it is how the driver works. */
const MAX_SUSPECTS = 1024;

/** Something that looks forgotten, until the rest of the recording shows. */
export interface Suspect {
  readonly mapping: LiveMapping;
  readonly places: readonly Place[];
  readonly text: string;
}

/** What a device's mappings of one direction do about one kind of sync. */
export class Habit {
  /** How often it was done. */
  kept = 0;
  /** Where it was not. */
  readonly #suspects: Suspect[] = [];
  /** Suspects one after another, with nothing but unmaps between. */
  #row: Suspect[] = [];

  suspect(suspect: Suspect): void {
    if (this.#row.length < MAX_SUSPECTS) this.#row.push(suspect);
  }

  /** Makes a row suspects for good, but not the buffers of a whole ring. */
  settle(ring: number): void {
    if (this.#row.length === 0) return;
    const room = MAX_SUSPECTS - this.#suspects.length;
    if (this.#row.length <= ring) this.#suspects.push(...this.#row.slice(0, room));
    this.#row = [];
  }

  /** Forgets a row: its buffers had not been used. */
  drop(): void {
    this.#row = [];
  }

  /** @param atLeast how often it must be done for each time that it is not */
  forgotten(atLeast: number, pool: number): readonly Suspect[] {
    const { length } = this.#suspects;
    return length <= pool && this.kept >= length * atLeast ? this.#suspects : [];
  }
}
