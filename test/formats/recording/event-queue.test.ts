import { describe, expect, it } from "vitest";
import { EventQueue } from "../../../src/formats/perf-data/event-queue.ts";
import { PiecePool } from "../../../src/formats/perf-data/record-piece.ts";
import { layoutsOf } from "../../../src/formats/perf-data/sample-layout.ts";
import { Random, runSeed } from "../../helpers/random.ts";

const EVENT = { isTracepoint: true, sampleType: 1 << 10, readFormat: 0, hasTrailer: true };

interface Waiting {
  readonly time: number;
  readonly record: number;
}

/** What the queue promises, as a stable sort of all that waits. */
class Model {
  readonly taken: number[] = [];
  #waiting: Waiting[] = [];
  #latest = Number.NEGATIVE_INFINITY;
  #limits = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];

  add(time: number, record: number): void {
    this.#waiting.push({ time, record });
    this.#latest = Math.max(this.#latest, time);
  }

  round(): void {
    this.flush(this.#limits[0]!);
    this.#limits = [this.#limits[1]!, this.#latest];
  }

  flush(limit: number): void {
    const ready = this.#waiting.filter(({ time }) => time <= limit);
    this.#waiting = this.#waiting.filter(({ time }) => time > limit);
    this.taken.push(...ready.sort((a, b) => a.time - b.time).map(({ record }) => record));
  }
}

describe("records of a perf.data in the order of time", () => {
  it.each([1, 2, 7, 64])(`of %d CPUs, as a stable sort has them, SEED=${runSeed()}`, (cpus) => {
    const random = new Random(runSeed());
    const pool = new PiecePool(true);
    const [layout] = layoutsOf([EVENT]).values();
    const taken: number[] = [];
    let wrong = 0;
    // A record's number stands for its place, and its kind for a sample's layout.
    const queue = new EventQueue(pool, (_, start, end, time, of) => {
      const record = start / 8;
      if (end !== start + 8 || time !== times[record] || (of === undefined) !== (record % 2 === 0)) wrong++;
      taken.push(record);
    });
    const model = new Model();
    const times: number[] = [];
    let record = 0;
    let now = 0;
    for (let round = 0; round < 50; round++) {
      let piece = pool.take(0);
      for (let cpu = 0; cpu < cpus; cpu++) {
        let time = now + random.below(50);
        for (let count = random.below(1 + 2000 / cpus); count > 0; count--) {
          time += random.below(4);
          if (random.below(1000) === 0) {
            pool.release(piece);
            piece = pool.take(0);
          }
          // A few are far from their place, or have no time.
          const odd = random.below(500);
          const at = odd === 0 ? Number.NEGATIVE_INFINITY : odd === 1 ? time + random.below(100_000) : time;
          times.push(at);
          queue.add(piece, record * 8, record * 8 + 8, at, record % 2 === 0 ? undefined : layout);
          model.add(at, record++);
        }
      }
      pool.release(piece);
      now += 200;
      queue.round();
      model.round();
    }
    queue.end(true);
    model.flush(Number.POSITIVE_INFINITY);
    expect(taken).toEqual(model.taken);
    expect(taken.length).toBe(record);
    expect(wrong).toBe(0);
    expect(times).toContain(Number.NEGATIVE_INFINITY);
    expect(pool.heldBytes).toBe(0);
  });

  it("takes the older half early where no round ends, so that what waits is at most 32 MiB", () => {
    const pool = new PiecePool(true);
    const times: number[] = [];
    const queue = new EventQueue(pool, (_piece, _start, _end, time) => times.push(time));
    let most = 0;
    for (let number = 0; number < 1000; number++) {
      const piece = pool.take(0);
      queue.add(piece, 0, 8, number, undefined);
      pool.release(piece);
      most = Math.max(most, pool.heldBytes);
    }
    expect(most).toBeLessThanOrEqual(2 ** 25);
    expect(times.length).toBeGreaterThan(500);
    queue.end(true);
    expect(times).toEqual(Array.from({ length: 1000 }, (_, number) => number));
    expect(pool.heldBytes).toBe(0);
  });
});
