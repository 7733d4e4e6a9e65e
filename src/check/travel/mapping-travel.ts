import { GrowingRows } from "../../base/growing-rows.ts";
import type { AliveMapping } from "../lives/alive.ts";
import type { AddressRange, Life, LifeCall, LifeSink } from "../lives/life.ts";
import { LifeStore, type StackOf } from "./life-store.ts";

/** Rows between two sets that are kept. */
const ROWS_BETWEEN = 4096;
/** Numbers in all sets that are kept together; beyond, every second set goes. */
const MAX_KEPT = 2 ** 22;

/** What is alive after some rows. */
interface Kept {
  readonly rows: number;
  readonly alive: Uint32Array;
}

/**
 * Keeps the mappings of a recording of Linux, each of which ends as a whole, and has those that are alive after any event.
 */
export class MappingTravel implements LifeSink {
  /** All mappings, in the order in which they were made. */
  readonly lives: LifeStore;
  /** What happened, in order: the event, and the life, twice, and 1 if it ended. */
  readonly #events: GrowingRows = GrowingRows.u32();
  readonly #what: GrowingRows = GrowingRows.f64();
  readonly #alive = new Set<number>();
  #kept: Kept[] = [];
  #between = ROWS_BETWEEN;
  #keptNumbers = 0;

  /** @param stackOf who called at an event, where the recording has call stacks */
  constructor(stackOf: StackOf) {
    this.lives = new LifeStore(stackOf);
  }

  begin(life: Life): void {
    const number = this.lives.length;
    this.lives.push(life);
    this.#alive.add(number);
    this.#note(life.made?.event ?? 0, number * 2);
  }

  end({ number }: Life, _gone: AddressRange | undefined, _fate: string, call: LifeCall): void {
    this.lives.end(number, call.event);
    this.#alive.delete(number);
    this.#note(call.event, number * 2 + 1);
  }

  use(): void {}
  reached(): void {}

  /** What is alive after an event, the oldest first. */
  at(event: number): AliveMapping[] {
    const rows = this.#events.upTo(event);
    const from = this.#kept.findLast((kept) => kept.rows <= rows);
    const alive = new Set(from?.alive);
    for (let row = from?.rows ?? 0; row < rows; row++) {
      const what = this.#what.at(row);
      if (what % 2 === 0) alive.add(what / 2);
      else alive.delete((what - 1) / 2);
    }
    return [...alive].map((number) => {
      const life = this.lives.life(number);
      return { life, stretches: life.stretches, left: life.bytes };
    });
  }

  #note(event: number, what: number): void {
    this.#events.push(event);
    this.#what.push(what);
    const rows = this.#events.length;
    if (rows % this.#between !== 0) return;
    this.#kept.push({ rows, alive: Uint32Array.from(this.#alive) });
    this.#keptNumbers += this.#alive.size;
    if (this.#keptNumbers <= MAX_KEPT) return;
    this.#kept = this.#kept.filter((_, i) => i % 2 === 0);
    this.#keptNumbers = this.#kept.reduce((sum, { alive }) => sum + alive.length, 0);
    this.#between *= 2;
  }
}
