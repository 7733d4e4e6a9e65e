import { LinuxDmaEvent } from "./dma-event.ts";

/** Events that wait at most. */
const MOST = 64;

/**
 * Events that were read and wait to be handed on together: reading one and checking it, in turns for each event, takes longer than
 * reading so many and then checking them (docs/speed.md has how much).
 *
 * Invariant *order*: who reads hands on what waits before it says anything else.
 */
export class EventBatch {
  readonly #events: LinuxDmaEvent[] = [];
  #count = 0;
  readonly #onEvent: (event: LinuxDmaEvent) => void;

  constructor(onEvent: (event: LinuxDmaEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Takes a copy of an event, and hands all on that wait if they are enough. */
  add(event: LinuxDmaEvent): void {
    if (this.#count === this.#events.length) this.#events.push(new LinuxDmaEvent());
    this.#events[this.#count++]!.copy(event);
    if (this.#count === MOST) this.handOn();
  }

  /** Hands on what waits. */
  handOn(): void {
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) this.#onEvent(this.#events[i]!);
  }
}
